"""Sensor noise that costs almost nothing per frame."""

import math

import cv2
import numpy as np

from model.records import ImageU8

_SHIFT = 128
_COLOUR = 0.5  # separate noise of each colour, as a share of the brightness noise


class NoiseBank:
    """A sheet of noise larger than the frame. Each frame gets a random part of it."""

    def __init__(self, size: tuple[int, int], deviation: float) -> None:
        """`size` is the frame's (width, height), `deviation` in grey levels."""
        rng = np.random.default_rng(0)
        width, height = size[0] + _SHIFT, size[1] + _SHIFT
        bright = rng.standard_normal((height, width, 1), dtype=np.float32)
        colour = rng.standard_normal((height, width, 3), dtype=np.float32)
        sheet = np.rint((bright + _COLOUR * colour) * (deviation / math.hypot(1, _COLOUR)))
        # OpenCV is fast for uint8, which saturates: so keep what to add and what to subtract apart.
        self._more = np.clip(sheet, 0, 255).astype(np.uint8)
        self._less = np.clip(-sheet, 0, 255).astype(np.uint8)

    def add(self, image: ImageU8, rng: np.random.Generator) -> None:
        """Add noise to `image`, (H, W, 3) uint8, in place; `rng` chooses the part of the sheet."""
        x, y = (int(k) for k in rng.integers(0, _SHIFT, 2))
        rows, columns = slice(y, y + image.shape[0]), slice(x, x + image.shape[1])
        cv2.add(image, self._more[rows, columns], dst=image)
        cv2.subtract(image, self._less[rows, columns], dst=image)
