"""Eyes from open to closed: the skin above the eye stretches down as the lid, its lashes with it,
and hides an eyeball that stays where it is."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.patches import Patch, at_levels, line, smoothstep, taken_from

LEVELS = 25

_RIGHT = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133))
_LEFT = (
    (263, 466, 388, 387, 386, 385, 384, 398, 362),
    (263, 249, 390, 373, 374, 380, 381, 382, 362),
)
_BROWS = ((52, 65, 53), (282, 295, 283))
_UPPER_SHARE = 0.92  # of the closing is the upper lid's, the rest the lower's
_UPPER_LOWER_MM = 1.0  # the upper lid's edge lies below its landmarks, which follow the lashes
_LOWER_LOWER_MM = 0.5  # the lower one's too
_LASHES_MM = 3.2  # height of the lashes that stand before the open eye's lid
_BROW_MM = 1.5  # of brow hair below its landmarks
_CHEEK_MM = 6.0  # how far down the lower lid's rise reaches
_EDGE_MM = 0.5
_SHADE, _SHADE_MM = 0.45, 1.4  # the lid's shadow on the eyeball
_LINE, _LINE_MM = 0.62, 0.7  # the line of the lashes, its darkness and half width
_LASH_COLOUR = (58.0, 38.0, 30.0)


def eyelids(texture: ImageU8, landmarks: ArrayF32, px_per_mm: float) -> tuple[Patch, Patch]:
    """Both eyes of a face with landmarks (468, 2) in texture px, level 0 open to 1 closed: the
    person's right eye, then the left."""
    fine = texture.astype(np.float32)
    right, left = (
        _eye(fine, landmarks[list(upper)], landmarks[list(lower)], landmarks[list(brow)], px_per_mm)
        for (upper, lower), brow in zip((_RIGHT, _LEFT), _BROWS, strict=True)
    )
    return right, left


@dataclass(frozen=True, slots=True)
class _Eye:
    """The open eye over its columns, texture px."""

    top: ArrayF64
    """The upper lid's edge."""
    bottom: ArrayF64
    """The lower lid's edge."""
    brow: float
    """Where the brow ends, below which the lid's skin stretches."""
    wide: ArrayF64
    """1 where the eye is open, 0 at and beyond its corners."""
    mm: float
    """A mm of the face."""


def _eye(
    texture: ArrayF32, upper: ArrayF32, lower: ArrayF32, brow: ArrayF32, px_per_mm: float
) -> Patch:
    corners = upper[[0, -1], 0]
    x0 = int(corners.min() - 6 * px_per_mm)
    x1 = int(corners.max() + 6 * px_per_mm)
    y0 = int(brow[:, 1].min())
    y1 = int(lower[:, 1].max() + 10 * px_per_mm)
    x = np.arange(x0, x1, dtype=np.float64)
    y = np.arange(y0, y1, dtype=np.float64)[:, None]
    top, bottom = line(upper, x, px_per_mm), line(lower, x, px_per_mm)
    wide = smoothstep((bottom - top) / (4 * px_per_mm))
    eye = _Eye(
        top=top + _UPPER_LOWER_MM * px_per_mm * wide,
        bottom=np.maximum(bottom + _LOWER_LOWER_MM * px_per_mm * wide, top),
        brow=float(brow[:, 1].max()) + _BROW_MM * px_per_mm,
        wide=wide,
        mm=px_per_mm,
    )
    columns = np.broadcast_to(x, (len(y), len(x)))
    pictures = at_levels(partial(_closed, texture, columns, y, eye), np.linspace(0.0, 1.0, LEVELS))
    return Patch(x0, y0, 0.0, 1.0, pictures)


def _closed(texture: ArrayF32, x: ArrayF64, y: ArrayF64, eye: _Eye, level: float) -> ImageU8:
    gap = np.maximum(eye.bottom - eye.top, 0.0)
    falls, rises = level * _UPPER_SHARE * gap, level * (1 - _UPPER_SHARE) * gap
    lid_edge, lower_edge = eye.top + falls, eye.bottom - rises
    # Lashes that stood up before the lid point away from it as it falls: the skin's lowest strip,
    # which shows them, goes under, and a line of lashes is drawn instead.
    strip = level * _LASHES_MM * eye.mm * eye.wide
    edge, way = eye.top - strip, falls + strip
    # The skin's way fades out towards the brow above and the cheek below; both stretch, so what
    # comes to y is found by inverting a rising function column by column.
    down = y + way * smoothstep(1 - (edge - y) / np.maximum(edge - eye.brow, 4 * eye.mm))
    up = y - rises * smoothstep(1 - (y - eye.bottom) / (_CHEEK_MM * eye.mm))
    lid = taken_from(texture, x, np.minimum(_inverse(down, y), edge))
    cheek = taken_from(texture, x, np.maximum(_inverse(up, y), eye.bottom))
    eyeball = taken_from(texture, x, np.broadcast_to(y, x.shape))
    shade = np.exp(-np.maximum(y - lid_edge, 0) / (_SHADE_MM * eye.mm))
    eyeball = eyeball * (1 - _SHADE * level * shade * eye.wide)[..., None]
    soft = _EDGE_MM * eye.mm
    is_lid = smoothstep((lid_edge - y) / soft + 0.5)[..., None]
    is_cheek = smoothstep((y - lower_edge) / soft + 0.5)[..., None]
    drawn = eyeball * (1 - is_cheek) + cheek * is_cheek
    drawn = drawn * (1 - is_lid) + lid * is_lid
    away = (y - lid_edge) / (_LINE_MM * eye.mm)
    lashes = _LINE * smoothstep(np.array(2 * level)) * np.exp(-(away**2)) * eye.wide
    drawn = drawn * (1 - lashes[..., None]) + np.array(_LASH_COLOUR) * lashes[..., None]
    picture: ImageU8 = np.clip(drawn + 0.5, 0, 255).astype(np.uint8)
    return picture


def _inverse(way: ArrayF64, y: ArrayF64) -> ArrayF64:
    """For each column, the y that `way`, (h, w) and rising in y, brings to the rows `y` (h, 1)."""
    rows = y[:, 0]
    return np.stack([np.interp(rows, column, rows) for column in way.T], axis=1)
