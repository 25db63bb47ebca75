"""Where in a picture a network looks: a square, turned so that the eyes are level."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.records import ArrayF32, ArrayF64, ImageU8

MARGIN = 1.5
"""Side of a region in sides of what it is laid around, as in MediaPipe's graph."""

_AVERAGED = 4  # pixels of the picture, each way, that one of a smaller one is the mean of
_EYE_CORNERS = [33, 263]  # FaceMesh points: outer, the person's right (image left), then left


@dataclass(frozen=True, slots=True)
class Region:
    """A square of a picture."""

    x_px: float
    """Of its centre, from the left edge of the picture."""
    y_px: float
    side_px: float
    turn_rad: float
    """Clockwise on the screen: of its own right against the picture's."""

    @classmethod
    def around(
        cls, low: ArrayF64, high: ArrayF64, right_eye: ArrayF64, left_eye: ArrayF64
    ) -> "Region":
        """`MARGIN` times the longer side of the box from `low` to `high`, (x, y) px each, level
        with the line between the eyes."""
        x, y = (low + high) / 2
        dx, dy = left_eye - right_eye
        return cls(float(x), float(y), MARGIN * float((high - low).max()), math.atan2(dy, dx))

    @classmethod
    def of_landmarks(cls, landmarks_px: ArrayF32) -> "Region":
        """Around FaceMesh points (468, 2) px."""
        right, left = landmarks_px[_EYE_CORNERS].astype(np.float64)
        x, y = landmarks_px.T
        low = np.array([x.min(), y.min()], np.float64)
        high = np.array([x.max(), y.max()], np.float64)
        return cls.around(low, high, right, left)

    def picture_from_cut(self, cut_px: int) -> ArrayF64:
        """The similarity (2, 3) float64, picture px ← px of the region cut to `cut_px` a side."""
        scale = self.side_px / cut_px
        c, s = scale * math.cos(self.turn_rad), scale * math.sin(self.turn_rad)
        linear = np.array([[c, -s], [s, c]])
        return np.column_stack([linear, (self.x_px, self.y_px) - linear @ (cut_px / 2, cut_px / 2)])

    def cut(self, image: ImageU8, cut_px: int) -> ImageU8:
        """The region of `image` (H, W, 3) uint8, as (cut_px, cut_px, 3). Beyond the picture its
        edge is repeated."""
        matrix = self.picture_from_cut(cut_px)
        # A pixel of the cut that spans several of the picture is their mean: to take one of them
        # adds its noise to the landmarks.
        k = 2 ** round(math.log2(max(1.0, self.side_px / cut_px)))
        if k > 1:
            image, matrix = self._shrunk(image, k, matrix)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (cut_px, cut_px)
        cut = cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cut, np.uint8)

    def _shrunk(self, image: ImageU8, k: int, matrix: ArrayF64) -> tuple[ImageU8, ArrayF64]:
        """What of `image` the region may touch, `k` times smaller, and `matrix` for it."""
        lean = abs(math.cos(self.turn_rad)) + abs(math.sin(self.turn_rad))
        reach = self.side_px / 2 * lean + k
        height, width = image.shape[:2]
        x0, x1 = _span(self.x_px, reach, width, k)
        y0, y1 = _span(self.y_px, reach, height, k)
        small: NDArray[Any] = image[y0:y1, x0:x1]  # as OpenCV's types say
        width, height = x1 - x0, y1 - y0
        every = max(1, k // _AVERAGED)  # of more, that many: a large face costs no more than others
        if every > 1:
            width, height = width // every, height // every
            small = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
        for _ in range(int(math.log2(k // every))):  # halving is what is fast
            width, height = width // 2, height // 2
            small = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
        middle = every * (k // every - 1) / 2  # of what became one pixel, from its first
        moved = matrix / k
        moved[:, 2] -= ((x0 + middle) / k, (y0 + middle) / k)
        return np.asarray(small, np.uint8), moved


def _span(centre: float, reach: float, length: int, k: int) -> tuple[int, int]:
    """A whole number of `k` pixels, at least one, of 0 to `length`, that holds what there is of
    `centre` ± `reach`."""
    start = min(max(0, math.floor(centre - reach)), max(0, length - k))
    count = max(1, (min(length, math.ceil(centre + reach)) - start) // k)
    return start, start + count * k
