"""OpenCV's separable filters as matrices: F(picture) = rows @ picture @ columnsᵀ.

A filter is then two matrix products, whatever its width, border and scale. It is the same on every
device, and allocates and decides nothing while it runs. Matrices are (out, in) float32.
"""

import math

import numpy as np
from numpy.typing import NDArray

from model.records import ArrayF32, ArrayF64


def gaussian(size: int, sigma: float) -> ArrayF32:
    """`cv2.GaussianBlur` to three sigma on each side, border reflected, (size, size)."""
    radius = math.ceil(3 * sigma)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return _filter(size, np.arange(size), offsets, weights / weights.sum())


def halving_matrix(size: int) -> ArrayF32:
    """`cv2.pyrDown`, (⌈size / 2⌉, size)."""
    centres = np.arange(0, size, 2)
    return _filter(size, centres, np.arange(-2, 3), np.array([1, 4, 6, 4, 1]) / 16)


def linear(size: int, out: int, scale: float | None = None) -> ArrayF32:
    """`cv2.resize` with INTER_LINEAR, (out, size); `scale`: input px per output px, where it is not
    the quotient of the sizes."""
    scale = size / out if scale is None else scale
    place = np.clip((np.arange(out) + 0.5) * scale - 0.5, 0, size - 1)
    low = np.minimum(np.floor(place).astype(int), max(size - 2, 0))
    share = place - low
    matrix = np.zeros((out, size))
    matrix[np.arange(out), low] = 1 - share
    matrix[np.arange(out), np.minimum(low + 1, size - 1)] += share
    return matrix.astype(np.float32)


def area(size: int, out: int) -> ArrayF32:
    """`cv2.resize` with INTER_AREA to a smaller size, (out, size): how much of each input pixel
    lies in each output pixel."""
    scale = size / out
    edges = np.minimum(np.arange(out + 1) * scale, size)
    pixel = np.arange(size)
    begin, end = edges[:-1, None], edges[1:, None]
    shares = np.clip(np.minimum(end, pixel + 1) - np.maximum(begin, pixel), 0, 1)
    matrix: ArrayF32 = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix


def _filter(
    size: int, centres: NDArray[np.int_], offsets: NDArray[np.int_], weights: ArrayF64
) -> ArrayF32:
    matrix = np.zeros((len(centres), size))
    for row, centre in enumerate(centres):
        np.add.at(matrix[row], _reflect(centre + offsets, size), weights)
    return matrix.astype(np.float32)


def _reflect(index: NDArray[np.int_], size: int) -> NDArray[np.int_]:
    """Places beyond the border, mirrored at the outermost pixels as often as needed."""
    period = 2 * (size - 1)
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded)
