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
    at, bridge, axes, template = _fit_inputs(size)
    _, x, y = axes
    # One product with the weights gives all sums of the weighted fit.
    terms = template.copy()
    moved = terms[4:6]
    moved[:] = flow.reshape(2, -1).take(at, axis=1)
    u, v = moved
    np.add(x * u, y * v, out=terms[6])
    np.subtract(x * v, y * u, out=terms[7])

    # The nose bridge moves least, so start from its motion to tell outliers.
    shift_u, shift_v = _medians(moved[:, bridge])
    scale = turn = 0.0
    middle = len(at) // 2
    least = (NOISE_PX * size / CROP_PX) ** 2
    fit, away = np.empty((2, 3)), np.empty_like(moved)
    for _ in range(ROUNDS):
        fit[:] = (shift_u, scale, -turn), (shift_v, turn, scale)
        np.matmul(fit, axes, out=away)
        away -= moved
        away *= away
        squared = away[0] + away[1]
        # This is the upper median. `np.median` takes several times as long.
        spread = max(float(np.partition(squared, middle)[middle]), least)
        squared += spread
        # Cauchy's weights, up to a factor that the fit does not depend on.
        weight, at_x, at_y, reach, mean_u, mean_v, along, across = (terms @ (1 / squared)).tolist()
        power = reach - (at_x * at_x + at_y * at_y) / weight
        scale = (along - (at_x * mean_u + at_y * mean_v) / weight) / power
        turn = (across - (at_x * mean_v - at_y * mean_u) / weight) / power
        shift_u = (mean_u - scale * at_x + turn * at_y) / weight
        shift_v = (mean_v - scale * at_y - turn * at_x) / weight

    head = np.array([shift_u, shift_v, turn, scale], np.float32)
    across_px, down_px = _axes(size)
    residual = np.empty_like(flow)
    np.subtract(flow[0], head[0] + head[3] * across_px, out=residual[0])
    residual[0] += head[2] * down_px
    np.subtract(flow[1], head[1] + head[3] * down_px, out=residual[1])
    residual[1] -= head[2] * across_px
    head[3] = np.log1p(head[3])
    return residual, head


def _medians(rows: ArrayF64) -> tuple[float, float]:
    """The medians of two rows."""
    count = rows.shape[1]
    low, high = (count - 1) // 2, count // 2
    ranked = np.partition(rows, (low, high), axis=1)
    u, v = ((ranked[:, low] + ranked[:, high]) / 2).tolist()
    return u, v


@cache
def _fit_inputs(
    size: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp], ArrayF64, ArrayF64]:
    """What the fit needs of the N stable points, whatever their motion: positions in a flattened
    crop, which of them are on the nose bridge, (1, x, y) of each (3, N), and the terms (8, N) whose
    weighted sums give the fit: 1, x, y, x² + y², and room for u, v, their product along and across
    (x, y)."""
    rows, columns, place, bridge = stable_points(size)
    x, y = place.real, place.imag
    terms = np.zeros((8, len(place)))
    terms[:4] = np.ones_like(x), x, y, x * x + y * y
    return rows * size + columns, np.flatnonzero(bridge), terms[:3].copy(), terms


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
