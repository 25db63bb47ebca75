"""Follows the head inside the aligned crop, straight from its pixels.

A similarity (shift, turn, scale) is fitted to the pixels over bone by Gauss–Newton steps (S. Baker,
I. Matthews: Lucas–Kanade 20 years on, IJCV 2004, section 3.2), with Cauchy weights against skin
that moves on its own. Flow cannot say this as well: where skin is smooth it says that nothing
moves, so it would take a crop that slips, as it does in every blink, for motion of brows and mouth,
which have texture. Pixels without texture have no weight here.
"""

import math

import cv2
import numpy as np

from model.face.aligned_crop import CROP_PX, LEVER_PX
from model.flow.head_motion import STABLE_BOXES_PX
from model.records import ArrayF32, ArrayF64

ROUNDS = 2
"""Steps for each picture; the first starts from the last picture's fit."""
STEP_PX = 2
"""Every other pixel is enough."""
PRIOR_PX = (4.0, 4.0, 0.3, 0.3)
"""How far the aligner leaves the head off: standard deviations of shift (u, v), scale and turn."""
PIXELS = 20.0
"""Neighbours are alike: all pixels say as much as so many independent ones of middling contrast."""
NOISE_GREY = 1.0
"""Residuals below this count the same."""


class HeadFit:
    """The head's place in one reference picture, and how far it has moved since."""

    def __init__(self, picture: ArrayF32) -> None:
        """`picture`: (S, S) float32 grey, an aligned crop."""
        size = picture.shape[0]
        scale = size / CROP_PX
        points = []
        for box in STABLE_BOXES_PX:
            x0, y0, x1, y1 = (round(edge * scale) for edge in box)
            points.append(np.mgrid[y0:y1:STEP_PX, x0:x1:STEP_PX].reshape(2, -1))
        row, column = np.concatenate(points, axis=1)
        self._counts = np.array([each.shape[1] for each in points])
        self._starts = self._counts.cumsum() - self._counts
        self._centre = (size - 1) / 2
        self._lever = LEVER_PX * scale
        x, y = ((axis - self._centre) / self._lever for axis in (column, row))
        self._axes = np.stack([np.ones_like(x), x, y]).astype(np.float32)
        self._at = np.stack([column, row]).astype(np.float32)
        self._grey = picture[row, column]
        gx = cv2.Scharr(picture, cv2.CV_32F, 1, 0, scale=1 / 32)[row, column]
        gy = cv2.Scharr(picture, cv2.CV_32F, 0, 1, scale=1 / 32)[row, column]
        _, x, y = self._axes
        self._slopes = self._centred(np.stack([gx, gy, gx * x + gy * y, gy * x - gx * y]))
        self._least = PIXELS / np.square(np.multiply(PRIOR_PX, scale))
        self._place = np.zeros(4)  # shift (u, v), px, and scale and turn times the lever

    def remove(self, picture: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
        """Return `picture` (S, S) float32 with the head moved back to where the reference has it,
        and the head's motion (4,) float32 as `model.flow.head_motion.remove_head_motion` gives it.
        Pictures come in order: each starts from the last one's motion."""
        for _ in range(ROUNDS):
            self._place = self._place - self._step(picture)
        u, v, scale, turn = (self._place / (1, 1, self._lever, self._lever)).tolist()
        grown, across = 1 + scale, self._centre
        back = np.array(
            [
                [grown, -turn, u - across * (scale - turn)],
                [turn, grown, v - across * (scale + turn)],
            ]
        )
        still = cv2.warpAffine(
            picture,
            back,
            picture.shape[::-1],
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(still, np.float32), np.array([u, v, turn, math.log1p(scale)], np.float32)

    def _step(self, picture: ArrayF32) -> ArrayF64:
        """Return by how much the head's place is off."""
        u, v, scale, turn = self._place.tolist()
        at = self._at + np.array([[u, scale, -turn], [v, turn, scale]], np.float32) @ self._axes
        now = cv2.remap(picture, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        away = self._centred(now[:, 0] - self._grey)
        sizes = np.abs(away)
        middle = len(sizes) // 2
        spread = 3 * max(float(np.partition(sizes, middle)[middle]), NOISE_GREY)
        weighted = self._slopes / (1 + (away / np.float32(spread)) ** 2)
        normal = (weighted @ self._slopes.T).astype(np.float64)
        least = self._least * spread**2
        normal.ravel()[::5] += least  # its diagonal
        step: ArrayF64 = np.linalg.solve(normal, weighted @ away + least * self._place)
        return step

    def _centred(self, rows: ArrayF32) -> ArrayF32:
        """Return `rows` without each box's mean: its brightness may change."""
        means = np.add.reduceat(rows, self._starts, axis=-1) / self._counts
        centred: ArrayF32 = rows - np.repeat(means.astype(np.float32), self._counts, axis=-1)
        return centred
