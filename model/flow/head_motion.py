"""Measures and removes the head's motion, from the parts of a face that expressions hardly move.

In an aligned crop, the remaining head motion is a small similarity: shift, turn and scale. It is
fitted to the flow over bone (nose bridge, temples, cheek bones, upper forehead) and subtracted
everywhere. If an action unit does move one of these parts, its points are outliers. Iteratively
reweighted least squares with Cauchy weights suppresses them (P. W. Holland, R. E. Welsch, Comm.
Stat. A 6, 1977).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from model.face.aligned_crop import CROP_PX
from model.records import ArrayF32, ArrayF64

STABLE_BOXES_PX = (
    (54, 42, 74, 80),  # nose bridge and back, sides included
    (8, 36, 20, 56),  # the person's right temple
    (108, 36, 120, 56),
    (12, 60, 30, 76),  # cheek bones
    (98, 60, 116, 76),
    (34, 6, 94, 18),  # upper forehead
)
"""(x0, y0, x1, y1) in px of the 128 px crop, the nose bridge first."""

_STEP_PX = 3  # the flow is smoother than this, so more points only cost time
ROUNDS = 6
"""Rounds of reweighting."""
NOISE_PX = 0.03
"""Residuals below this count the same; px of the 128 px crop."""


def remove_head_motion(flow: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
    """Split the `flow` of an aligned crop into the face's motion and the head's.

    `flow` is (2, S, S) float32 px, (u, v), of an aligned crop of any size S from 16 on. Returns the
    residual (2, S, S) float32 px and the head's motion (4,) float32: shift (u, v) of the crop's
    centre in px of this crop, turn in rad (clockwise for the viewer), log of the scale.
    """
    size = flow.shape[1]
    rows, columns, place, bridge = stable_points(size)
    moved = flow[0, rows, columns] + 1j * flow[1, rows, columns].astype(np.float64)
    noise = NOISE_PX * size / CROP_PX

    # The nose bridge moves least, so start from its motion to tell outliers.
    still = moved[bridge]
    shift, growth = complex(np.median(still.real), np.median(still.imag)), 0j
    middle = len(moved) // 2
    for _ in range(ROUNDS):
        residual = np.abs(moved - shift - growth * place)
        # This is the upper median. `np.median` takes several times as long.
        spread = max(float(np.partition(residual, middle)[middle]), noise)
        weights = 1 / (1 + (residual / spread) ** 2)
        weights /= weights.sum()
        shift, growth = _weighted_similarity(place, moved, weights)

    scale, turn = np.float32(growth.real), np.float32(growth.imag)
    shift_u, shift_v = np.float32(shift.real), np.float32(shift.imag)
    x, y = _axes(size)
    residual_flow = np.empty_like(flow)
    residual_flow[0] = flow[0] - (shift_u + scale * x) + turn * y
    residual_flow[1] = flow[1] - (shift_v + scale * y) - turn * x
    return residual_flow, np.array([shift_u, shift_v, turn, np.log1p(scale)], np.float32)


def _weighted_similarity(
    place: NDArray[np.complex128], moved: NDArray[np.complex128], weights: ArrayF64
) -> tuple[complex, complex]:
    """Shift and growth of the least-squares fit `moved` = shift + growth · `place`. Points are
    complex numbers x + iy; growth is the change of scale plus i times the turn. `weights` must sum
    to 1."""
    centre, mean = weights @ place, weights @ moved
    arm = place - centre
    weighted = weights * arm
    growth = np.vdot(weighted, moved - mean) / np.vdot(weighted, arm).real
    return complex(mean - growth * centre), complex(growth)


@cache
def stable_points(
    size: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.complex128], NDArray[np.bool_]]:
    """Rows and columns of the sampled points, their places x + iy from the crop's centre, and
    whether each is on the nose bridge."""
    scale = size / CROP_PX
    step = max(1, round(_STEP_PX * scale))
    rows, columns, bridge = [], [], []
    for number, box in enumerate(STABLE_BOXES_PX):
        x0, y0, x1, y1 = (round(edge * scale) for edge in box)
        grid = np.mgrid[y0:y1:step, x0:x1:step].reshape(2, -1)
        rows.append(grid[0])
        columns.append(grid[1])
        bridge.append(np.full(grid.shape[1], number == 0))
    row, column = np.concatenate(rows), np.concatenate(columns)
    x_axis, y_axis = _axes(size)
    place = x_axis[0, column].astype(np.float64) + 1j * y_axis[row, 0].astype(np.float64)
    return row, column, place, np.concatenate(bridge)


@cache
def _axes(size: int) -> tuple[ArrayF32, ArrayF32]:
    """x (1, S) and y (S, 1) in px from the crop's centre."""
    axis = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    return axis[None, :], axis[:, None]
