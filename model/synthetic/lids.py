"""Draws the eyes from open to closed. The skin above the eye stretches down as the lid, with its
lashes, and covers the eyeball, which does not move."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.patches import Patch, draw_patch, edge_line, sample_picture, smoothstep

LID_LEVELS = 25

_EYES = (
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133),
     (52, 65, 53)),
    ((263, 466, 388, 387, 386, 385, 384, 398, 362), (263, 249, 390, 373, 374, 380, 381, 382, 362),
     (282, 295, 283)),
)  # fmt: skip  # upper lid, lower lid and brow of the right and the left eye
_UPPER_SHARE = 0.92  # the upper lid's share of the closing; the lower lid does the rest
_UPPER_BELOW_MM = 1.0  # the upper lid's edge is this far below its landmarks, which are on lashes
_LOWER_BELOW_MM = 0.5  # the same for the lower lid
_LASHES_MM = 3.2  # height of the lashes in front of the open eye's lid
_BROW_MM = 1.5  # the brow's hair extends this far below its landmarks
_CHEEK_MM = 6.0  # the lower lid's motion fades out this far below it
_EDGE_MM = 0.5
_SHADE, _SHADE_MM = 0.45, 1.4  # the lid's shadow on the eyeball: darkness and reach
_LINE, _LINE_MM = 0.62, 0.7  # the line of lashes: darkness and half width
_LASH_COLOUR = (58.0, 38.0, 30.0)


def draw_eyelids(texture: ImageU8, landmarks: ArrayF32, px_per_mm: float) -> tuple[Patch, Patch]:
    """The person's right and left eye, from level 0 (open) to 1 (closed). `landmarks` are (468, 2)
    in texture px."""
    values = texture.astype(np.float32)
    right, left = (
        _draw_eye(values, *(landmarks[list(part)] for part in eye), px_per_mm=px_per_mm)
        for eye in _EYES
    )
    return right, left


@dataclass(frozen=True, slots=True)
class _Eye:
    """The open eye, by column, in texture px."""

    top: ArrayF64
    """The upper lid's edge."""
    bottom: ArrayF64
    """The lower lid's edge."""
    brow: float
    """The brow's lower end; below it the lid's skin stretches."""
    opening: ArrayF64
    """1 where the eye is open, 0 at its corners and beyond."""
    mm: float
    """Texture px per mm of the face."""


def _draw_eye(
    texture: ArrayF32, upper: ArrayF32, lower: ArrayF32, brow: ArrayF32, *, px_per_mm: float
) -> Patch:
    corners = upper[[0, -1], 0]
    x0 = int(float(corners.min()) - 6 * px_per_mm)
    x1 = int(float(corners.max()) + 6 * px_per_mm)
    y0 = int(brow[:, 1].min())
    y1 = int(float(lower[:, 1].max()) + 10 * px_per_mm)
    x = np.arange(x0, x1, dtype=np.float64)
    y = np.arange(y0, y1, dtype=np.float64)[:, None]
    top, bottom = edge_line(upper, x, px_per_mm), edge_line(lower, x, px_per_mm)
    opening = smoothstep((bottom - top) / (4 * px_per_mm))
    eye = _Eye(
        top=top + _UPPER_BELOW_MM * px_per_mm * opening,
        bottom=np.maximum(bottom + _LOWER_BELOW_MM * px_per_mm * opening, top),
        brow=float(brow[:, 1].max()) + _BROW_MM * px_per_mm,
        opening=opening,
        mm=px_per_mm,
    )
    columns = np.broadcast_to(x, (len(y), len(x)))
    levels = np.linspace(0.0, 1.0, LID_LEVELS)
    return draw_patch(x0, y0, levels, partial(_draw_level, texture, columns, y, eye))


def _draw_level(texture: ArrayF32, x: ArrayF64, y: ArrayF64, eye: _Eye, level: float) -> ArrayF64:
    gap = np.maximum(eye.bottom - eye.top, 0.0)
    fall, rise = level * _UPPER_SHARE * gap, level * (1 - _UPPER_SHARE) * gap
    lid_edge, lower_edge = eye.top + fall, eye.bottom - rise
    # The portrait's lashes stand in front of the lid, and must point away from it as it falls. So
    # hide the lowest strip of skin, which shows them, and draw a line of lashes instead.
    strip = level * _LASHES_MM * eye.mm * eye.opening
    edge, travel = eye.top - strip, fall + strip
    # The motion fades out towards the brow and the cheek, so the skin stretches. Find what comes to
    # y by inverting an increasing function, column by column.
    down = y + travel * smoothstep(1 - (edge - y) / np.maximum(edge - eye.brow, 4 * eye.mm))
    up = y - rise * smoothstep(1 - (y - eye.bottom) / (_CHEEK_MM * eye.mm))
    lid = sample_picture(texture, x, np.minimum(_inverse(down, y), edge))
    cheek = sample_picture(texture, x, np.maximum(_inverse(up, y), eye.bottom))
    eyeball = sample_picture(texture, x, np.broadcast_to(y, x.shape))
    shade = np.exp(-np.maximum(y - lid_edge, 0) / (_SHADE_MM * eye.mm))
    eyeball = eyeball * (1 - _SHADE * level * shade * eye.opening)[..., None]
    soft = _EDGE_MM * eye.mm
    is_lid = smoothstep((lid_edge - y) / soft + 0.5)[..., None]
    is_cheek = smoothstep((y - lower_edge) / soft + 0.5)[..., None]
    drawn = eyeball * (1 - is_cheek) + cheek * is_cheek
    drawn = drawn * (1 - is_lid) + lid * is_lid
    away = (y - lid_edge) / (_LINE_MM * eye.mm)
    lashes = _LINE * smoothstep(np.array(2 * level)) * np.exp(-(away**2)) * eye.opening
    return np.asarray(drawn * (1 - lashes[..., None]) + np.array(_LASH_COLOUR) * lashes[..., None])


def _inverse(target: ArrayF64, y: ArrayF64) -> ArrayF64:
    """For each column, the y that `target`, (h, w) and increasing in y, moves to the rows `y`
    (h, 1)."""
    rows = y[:, 0]
    return np.stack([np.interp(rows, column, rows) for column in target.T], axis=1)
