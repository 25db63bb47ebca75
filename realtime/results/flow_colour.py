"""Optical flow in colour: hue shows the direction, opacity the length.

The wheel is that of HSV, as in the flow literature (Baker et al., IJCV 92, 2011), but still areas
are transparent instead of white, because the flow is drawn over its face.
"""

import cv2
import numpy as np

from model.records import ArrayF32, ImageU8

DIM = 0.55
"""Brightness of the face under the flow; 1.0 is unchanged."""


def find_full_scale_px(*flows: ArrayF32) -> float:
    """Return the length, px, at which colour is full: the 99th percentile over all `flows`, (2, H,
    W) each, and at least 0.3 px so that noise stays pale."""
    lengths = np.concatenate([np.hypot(flow[0], flow[1]).ravel() for flow in flows])
    return max(0.3, float(np.percentile(lengths, 99)))


def colour_flow(flow: ArrayF32, full_px: float, under: ImageU8) -> ImageU8:
    """Return `flow` (2, H, W) float32 px over the grey picture `under` (H, W) uint8: (H, W, 3)
    uint8 RGB.

    Right is red; clockwise on screen follow yellow (down right) and green (down left).
    """
    angle = np.degrees(np.arctan2(flow[1], flow[0])) % 360
    strength = np.clip(np.hypot(flow[0], flow[1]) / full_px, 0, 1)[..., None]
    hsv = np.ones((*angle.shape, 3), np.float32)
    hsv[..., 0] = angle
    hsv[..., 1] = 0.85
    colour = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    grey = DIM * under.astype(np.float32)[..., None] / 255
    return np.asarray(np.rint(255 * (strength * colour + (1 - strength) * grey)), np.uint8)


def draw_wheel(size_px: int) -> ImageU8:
    """Return the legend, (S, S, 4) uint8 RGBA: a disc of flow that points away from its centre,
    full scale at the rim."""
    axis = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px * 2 - 1
    x, y = np.meshgrid(axis, axis)
    under = np.full((size_px, size_px), 128, np.uint8)
    picture = colour_flow(np.stack([x, y]), 1.0, under)
    radius_px = np.hypot(x, y) * size_px / 2
    inside = np.clip(size_px / 2 - radius_px + 0.5, 0, 1)[..., None]  # one px of soft edge
    return np.concatenate([picture, np.rint(255 * inside).astype(np.uint8)], axis=2)
