"""The aligned crop: a fixed geometry for every face, in which motion is measured.

In px of the 128 px crop, the inner eye corners are 16 px left and right of (64, 48). With d = 16 px
the crop extends 3 d above, 5 d below and 4 d to each side of the eyes' midpoint.
"""

import math

import cv2
import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8

CROP_PX = 128
"""Side of the aligned crop in px."""
EYE_HALF_PX = CROP_PX / 8
"""Half the distance between the inner eye corners in the crop."""
EYE_MIDPOINT_PX = (CROP_PX / 2, CROP_PX * 3 / 8)

LEVER_PX = CROP_PX * 3 / 8
"""Turns and scales of the crop count by the motion they cause this far from its centre."""

INNER_EYE_CORNERS = (133, 362)
"""FaceMesh points: the person's right (image left), then left."""


def crop_transform(landmarks_px: ArrayF32) -> ArrayF64:
    """The similarity (2, 3) float64, crop px ← image px, that moves the inner eye corners of
    `landmarks_px` (468, 2) to their places in the crop."""
    right, left = landmarks_px[list(INNER_EYE_CORNERS)].astype(np.float64)
    x, y = EYE_MIDPOINT_PX
    corners = np.array([[x - EYE_HALF_PX, y], [x + EYE_HALF_PX, y]])
    return fit_similarity(np.stack([right, left]), corners)


def warp_crop(
    image: ImageU8, crop_from_image: ArrayF64, *, supersampling: int | None = None
) -> ImageU8:
    """The aligned crop (S, S) uint8 grey of `image` (H, W, 3) uint8 RGB.

    If the picture is finer than the crop, the crop is drawn `supersampling` times larger and
    averaged down, which reduces sensor noise. Outside the picture its edge is repeated, because a
    black border would move against the face.
    """
    k = supersampling_of(crop_from_image) if supersampling is None else supersampling
    x0, y0, x1, y1 = _source_box(crop_from_image, image.shape[1], image.shape[0])
    grey = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    # The k-fold refinement keeps pixel centres in place, not corners.
    middle = (k - 1) / 2
    scaled = np.array(
        [
            (k * a, k * b, k * c + (k * a * x0 + k * b * y0 + middle))
            for a, b, c in crop_from_image.tolist()
        ]
    )
    size = CROP_PX * k
    crop = cv2.warpAffine(
        grey, scaled, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if k > 1:
        crop = cv2.resize(crop, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, dtype=np.uint8)


def fit_similarity(source: ArrayF32 | ArrayF64, target: ArrayF64) -> ArrayF64:
    """The least-squares similarity (2, 3), target ← source, of (K, 2) points (Umeyama 1991, without
    reflection; in the plane it is one complex division)."""
    # On the few points that there are, NumPy takes twice as long.
    z, w = ([complex(x, y) for x, y in points.tolist()] for points in (source, target))
    p, q = sum(z) / len(z), sum(w) / len(w)
    arms = [each - p for each in z]
    turned = sum(arm.conjugate() * (each - q) for arm, each in zip(arms, w, strict=True))
    factor = turned / sum(arm.real**2 + arm.imag**2 for arm in arms)
    return similarity(factor, q - factor * p)


def similarity(factor: complex, shift: complex) -> ArrayF64:
    """The matrix (2, 3) float64 that moves x + iy to `factor` · (x + iy) + `shift`."""
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def supersampling_of(crop_from_image: ArrayF64) -> int:
    """How many times larger to draw a crop, 1 to 4, so that it is as fine as the picture."""
    return min(4, max(1, round(resolution_of(crop_from_image))))


def resolution_of(crop_from_image: ArrayF64) -> float:
    """How many px of the picture one of the crop takes: below 1, the face is small."""
    return 1 / math.hypot(crop_from_image[0, 0], crop_from_image[1, 0])


def _source_box(crop_from_image: ArrayF64, width: int, height: int) -> tuple[int, int, int, int]:
    (a, b, x), (c, d, y) = cv2.invertAffineTransform(crop_from_image).tolist()
    x0, x1 = _span(x, a * CROP_PX, b * CROP_PX, width)
    y0, y1 = _span(y, c * CROP_PX, d * CROP_PX, height)
    return x0, y0, x1, y1


def _span(corner: float, right: float, down: float, length: int) -> tuple[int, int]:
    """Start and end, within 0 to `length`, of the pixels that a crop needs on one axis: its sides
    lead from its `corner` by `right` and `down`. At least one, so that a crop outside the picture
    repeats the edge."""
    low = math.floor(corner + min(right, 0) + min(down, 0)) - 2
    high = math.ceil(corner + max(right, 0) + max(down, 0)) + 3
    start = min(max(low, 0), length - 1)
    return start, min(max(high, start + 1), length)


def eye_half_px(landmarks_px: ArrayF32) -> float:
    """Half the distance between the inner eye corners of FaceMesh points (468, 2) px."""
    right, left = (landmarks_px[corner].tolist() for corner in INNER_EYE_CORNERS)
    return math.dist(right, left) / 2
