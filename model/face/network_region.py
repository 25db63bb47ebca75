"""The region of a picture that a network sees: a square, turned so that the eyes are level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.records import ArrayF32, ArrayF64, ImageU8

MARGIN = 1.5
"""Side of a region, relative to the box that it surrounds, as in MediaPipe's graph."""

_AVERAGED = 4  # at most 4 × 4 pixels are averaged into one when a picture is shrunk
_EYE_CORNERS = (33, 263)  # FaceMesh points: outer, the person's right (image left), then left


@dataclass(frozen=True, slots=True)
class Region:
    """A square of a picture."""

    x_px: float
    """The centre's distance from the left edge of the picture."""
    y_px: float
    """The centre's distance from the upper edge."""
    side_px: float
    turn_rad: float
    """Rotation, clockwise for the viewer."""

    @classmethod
    def around(
        cls,
        low: Sequence[float],
        high: Sequence[float],
        right_eye: Sequence[float],
        left_eye: Sequence[float],
    ) -> "Region":
        """A region around the box from `low` to `high`, (x, y) px each, with `MARGIN` times its
        longer side, parallel to the line between the eyes."""
        (x0, y0), (x1, y1) = low, high
        turn_rad = math.atan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0])
        return cls((x0 + x1) / 2, (y0 + y1) / 2, MARGIN * max(x1 - x0, y1 - y0), turn_rad)

    @classmethod
    def of_landmarks(cls, landmarks_px: ArrayF32) -> "Region":
        """A region around FaceMesh points (468, 2) px."""
        by_axis = landmarks_px.T.copy()  # for speed
        low, high = np.minimum.reduce(by_axis, axis=1), np.maximum.reduce(by_axis, axis=1)
        right, left = (landmarks_px[corner].tolist() for corner in _EYE_CORNERS)
        return cls.around(low.tolist(), high.tolist(), right, left)

    def picture_from_cut(self, cut_px: int) -> ArrayF64:
        """The similarity (2, 3) float64, picture px ← px of the region cut out with a side of
        `cut_px`."""
        scale = self.side_px / cut_px
        c, s = scale * math.cos(self.turn_rad), scale * math.sin(self.turn_rad)
        half = cut_px / 2
        x, y = self.x_px - (c * half - s * half), self.y_px - (s * half + c * half)
        return np.array([[c, -s, x], [s, c, y]])

    def cut(self, image: ImageU8, cut_px: int) -> ImageU8:
        """Cut the region out of `image` (H, W, 3) uint8, as (cut_px, cut_px, 3) uint8. Outside the
        picture its edge is repeated."""
        matrix = self.picture_from_cut(cut_px)
        # If a pixel of the cut spans several of the picture, it is their mean. Sampling one of them
        # would add its noise to the landmarks.
        k = 2 ** round(math.log2(max(1.0, self.side_px / cut_px)))
        if k > 1:
            image, matrix = self._shrink(image, k, matrix)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (cut_px, cut_px)
        cut = cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cut, np.uint8)

    def _shrink(self, image: ImageU8, k: int, matrix: ArrayF64) -> tuple[ImageU8, ArrayF64]:
        """The part of `image` that the region may touch, `k` times smaller, and `matrix` for it."""
        lean = abs(math.cos(self.turn_rad)) + abs(math.sin(self.turn_rad))
        reach = self.side_px / 2 * lean + k
        height, width = image.shape[:2]
        x0, x1 = _span(self.x_px, reach, width, k)
        y0, y1 = _span(self.y_px, reach, height, k)
        small: NDArray[Any] = image[y0:y1, x0:x1]  # as OpenCV's types say
        width, height = x1 - x0, y1 - y0
        every = max(1, k // _AVERAGED)  # skip pixels first, so that a large face takes no longer
        if every > 1:
            width, height = width // every, height // every
            small = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
        for _ in range(int(math.log2(k // every))):  # OpenCV is fast at halving
            width, height = width // 2, height // 2
            small = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
        middle = every * (k // every - 1) / 2  # from the first old pixel to the new one's centre
        small_from_cut = matrix / k
        small_from_cut[:, 2] -= ((x0 + middle) / k, (y0 + middle) / k)
        return np.asarray(small, np.uint8), small_from_cut


def _span(centre: float, reach: float, length: int, k: int) -> tuple[int, int]:
    """Start and end, within 0 to `length`, of a span that covers `centre` ± `reach` as far as
    possible. Its length is a multiple of `k`, and at least `k`."""
    start = min(max(0, math.floor(centre - reach)), max(0, length - k))
    count = max(1, (min(length, math.ceil(centre + reach)) - start) // k)
    return start, start + count * k
