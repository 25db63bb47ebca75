"""Makes pairs of pictures for flows; they need no faces."""

from typing import Any

import cv2
import numpy as np


def make_pictures(shape: tuple[int, int], count: int, seed: int = 0) -> tuple[Any, Any]:
    """`count` textures before and after a motion of about a pixel, with noise, (N, H, W) float32
    each."""
    pairs = [_pair(shape, seed * count + number) for number in range(count)]
    return np.stack([first for first, _ in pairs]), np.stack([second for _, second in pairs])


def _pair(shape: tuple[int, int], seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    height, width = shape
    first = np.full(shape, 128.0)
    for grain_px in (1.5, 4.0, 10.0):
        noise = cv2.GaussianBlur(rng.normal(size=shape), (0, 0), grain_px)
        first += 30 * noise / noise.std()
    y, x = np.mgrid[:height, :width].astype(np.float32)
    away = (x - width / 2) ** 2 + (y - height / 2) ** 2
    bump = np.exp(-away / (2 * (0.15 * width) ** 2)).astype(np.float32)
    second = cv2.remap(first, x - 0.8 * bump, y + 0.6 * bump, cv2.INTER_CUBIC, borderMode=1)
    noisy = (np.rint(each + rng.normal(0, 2, shape)) for each in (first, second))
    a, b = (np.clip(each, 0, 255).astype(np.float32) for each in noisy)
    return a, b


def make_moments(size: int, seed: int) -> list[list[Any]]:
    """Crops at onset, apex and offset of one expression."""
    onset, apex = (each[0].astype(np.uint8) for each in make_pictures((size, size), 1, 1000 + seed))
    return [[onset], [apex], [onset]]
