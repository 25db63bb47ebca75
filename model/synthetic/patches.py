"""Patches: parts of a portrait that no smooth warp can draw, because one thing hides another. They
are drawn at several levels in advance, and copied into the texture as needed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from model.machine import cores
from model.records import ArrayF32, ArrayF64, ImageU8


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of the texture, at evenly spaced levels."""

    x: int
    y: int
    low: float
    """Level of the first picture."""
    high: float
    """Level of the last picture."""
    pictures: ImageU8
    """(K, h, w, 3) uint8 RGB."""

    def put(self, texture: ImageU8, level: float) -> None:
        """Draw the patch at `level`, clipped to its range, into `texture`, in place."""
        last = len(self.pictures) - 1
        at = (min(max(level, self.low), self.high) - self.low) / (self.high - self.low) * last
        k = min(int(at), last - 1)
        part = at - k
        height, width = self.pictures.shape[1:3]
        place = texture[self.y : self.y + height, self.x : self.x + width]
        if part == 0:
            place[:] = self.pictures[k]
        else:
            place[:] = cv2.addWeighted(self.pictures[k], 1 - part, self.pictures[k + 1], part, 0)


def draw_patch(x: int, y: int, levels: ArrayF64, draw: Callable[[float], ArrayF64]) -> Patch:
    """The patch at (x, y) of the pictures (h, w, 3), RGB 0 to 255, that `draw` makes for each of
    `levels`. Uses all cores, because a demo waits for it."""

    def picture(level: float) -> ImageU8:
        return np.clip(draw(level) + 0.5, 0, 255).astype(np.uint8)

    with ThreadPoolExecutor(cores()) as pool:
        pictures = np.stack(list(pool.map(picture, levels)))
    return Patch(x, y, float(levels[0]), float(levels[-1]), pictures)


def edge_line(points: ArrayF32, x: ArrayF64, smooth_px: float) -> ArrayF64:
    """The y of a lip's or lid's edge at the columns `x`, through landmarks (K, 2) and slightly
    smoothed; constant beyond its ends."""
    order = np.argsort(points[:, 0])
    edge = np.interp(x, points[order, 0], points[order, 1])
    return np.asarray(cv2.GaussianBlur(edge[None], (0, 0), smooth_px)[0], dtype=np.float64)


def smoothstep(part: ArrayF64) -> ArrayF64:
    """0 below 0, 1 above 1, smooth in between."""
    clipped = np.clip(part, 0.0, 1.0)
    rise: ArrayF64 = clipped * clipped * (3 - 2 * clipped)
    return rise


def sample_picture(picture: ArrayF32, x: ArrayF64, y: ArrayF64) -> ArrayF64:
    """The colours (h, w, 3) float64 of `picture` (H, W, 3) at the px `x` and `y`, each (h, w)."""
    colours = cv2.remap(
        picture,
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(colours, dtype=np.float64)
