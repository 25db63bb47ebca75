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
    scaled = crop_from_image * k
    # The k-fold refinement keeps pixel centres in place, not corners.
    scaled[:, 2] += scaled[:, :2] @ (x0, y0) + (k - 1) / 2
    size = CROP_PX * k
    crop = cv2.warpAffine(
        grey, scaled, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if k > 1:
        crop = cv2.resize(crop, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, dtype=np.uint8)


def fit_similarity(source: ArrayF64, target: ArrayF64) -> ArrayF64:
    """The least-squares similarity (2, 3), target ← source, of (K, 2) points (Umeyama 1991, without
    reflection; in the plane it is one complex division)."""
    p, q = source.mean(axis=0), target.mean(axis=0)
    z = (source - p) @ (1, 1j)
    w = (target - q) @ (1, 1j)
    factor = complex(np.vdot(z, w) / np.vdot(z, z).real)
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, q - linear @ p])


def supersampling_of(crop_from_image: ArrayF64) -> int:
    """How many times larger to draw a crop, 1 to 4, so that it is as fine as the picture."""
    image_per_crop_px = 1 / math.hypot(crop_from_image[0, 0], crop_from_image[1, 0])
    return min(4, max(1, round(image_per_crop_px)))


def _source_box(crop_from_image: ArrayF64, width: int, height: int) -> tuple[int, int, int, int]:
    inverse = cv2.invertAffineTransform(crop_from_image)
    edge = CROP_PX
    corners = np.array([[0, 0, 1], [edge, 0, 1], [0, edge, 1], [edge, edge, 1]]) @ inverse.T
    # Keep at least one pixel of the picture, so that a crop outside it repeats the edge.
    x0, y0 = np.floor(corners.min(axis=0)).astype(int) - 2
    x1, y1 = np.ceil(corners.max(axis=0)).astype(int) + 3
    x0, y0 = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    return int(x0), int(y0), int(min(max(x1, x0 + 1), width)), int(min(max(y1, y0 + 1), height))


def eye_half_px(landmarks_px: ArrayF32) -> float:
    """Half the distance between the inner eye corners of FaceMesh points (468, 2) px."""
    right, left = landmarks_px[list(INNER_EYE_CORNERS)]
    return float(np.linalg.norm(left - right)) / 2
