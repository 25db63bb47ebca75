"""Eyes from open to closed: the skin above the eye stretches down as the lid, its lashes with it,
and hides an eyeball that stays where it is."""

import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.patches import Patch, line, smoothstep, taken_from

LEVELS = 25

_RIGHT = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133))
_LEFT = (
    (263, 466, 388, 387, 386, 385, 384, 398, 362),
    (263, 249, 390, 373, 374, 380, 381, 382, 362),
)
_BROWS = ((52, 65, 53), (282, 295, 283))
_UPPER_SHARE = 0.88  # of the closing is the upper lid's, the rest the lower's
_LASH_MM = 0.7  # of what lies below the landmarks' lid edge goes with the lid
_CHEEK_MM = 6.0  # how far down the lower lid's rise reaches
_EDGE_MM = 0.5
_SHADE, _SHADE_MM = 0.3, 1.6  # the lid's shadow on the eyeball, by its depth and height


def eyelids(texture: ImageU8, landmarks: ArrayF32, px_per_mm: float) -> tuple[Patch, Patch]:
    """Both eyes of a face with landmarks (468, 2) in texture px, level 0 open to 1 closed: the
    person's right eye, then the left."""
    fine = texture.astype(np.float32)
    right, left = (
        _eye(fine, landmarks[list(upper)], landmarks[list(lower)], landmarks[list(brow)], px_per_mm)
        for (upper, lower), brow in zip((_RIGHT, _LEFT), _BROWS, strict=True)
    )
    return right, left


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
    gap = np.maximum(bottom - top, 0.0)
    top = top + np.minimum(_LASH_MM * px_per_mm, gap / 2)
    gap = np.maximum(bottom - top, 0.0)
    skin = np.maximum(top - brow[:, 1].max(), 4 * px_per_mm)
    columns = np.broadcast_to(x, (len(y), len(x)))
    pictures = [
        _closed(texture, columns, y, (top, bottom, gap, skin), level, px_per_mm)
        for level in np.linspace(0.0, 1.0, LEVELS)
    ]
    return Patch(x0, y0, 0.0, 1.0, np.stack(pictures))


def _closed(
    texture: ArrayF32,
    x: ArrayF64,
    y: ArrayF64,
    edges: tuple[ArrayF64, ArrayF64, ArrayF64, ArrayF64],
    level: float,
    px_per_mm: float,
) -> ImageU8:
    top, bottom, gap, skin = edges
    falls, rises = level * _UPPER_SHARE * gap, level * (1 - _UPPER_SHARE) * gap
    lid_edge, lower_edge = top + falls, bottom - rises
    # The skin's way fades out towards the brow above and the cheek below; both stretch, so what
    # comes to y is found by inverting a rising function column by column.
    down = y + falls * smoothstep(1 - (top - y) / skin)
    up = y - rises * smoothstep(1 - (y - bottom) / (_CHEEK_MM * px_per_mm))
    lid = taken_from(texture, x, np.minimum(_inverse(down, y), top))
    cheek = taken_from(texture, x, np.maximum(_inverse(up, y), bottom))
    eyeball = taken_from(texture, x, np.broadcast_to(y, x.shape))
    shade = np.exp(-np.maximum(y - lid_edge, 0) / (_SHADE_MM * px_per_mm))
    eyeball = eyeball * (1 - _SHADE * level * shade * (gap > 0))[..., None]
    soft = _EDGE_MM * px_per_mm
    is_lid = smoothstep((lid_edge - y) / soft + 0.5)[..., None]
    is_cheek = smoothstep((y - lower_edge) / soft + 0.5)[..., None]
    drawn = eyeball * (1 - is_cheek) + cheek * is_cheek
    drawn = drawn * (1 - is_lid) + lid * is_lid
    picture: ImageU8 = np.clip(drawn + 0.5, 0, 255).astype(np.uint8)
    return picture


def _inverse(way: ArrayF64, y: ArrayF64) -> ArrayF64:
    """For each column, the y that `way`, (h, w) and rising in y, brings to the rows `y` (h, 1)."""
    rows = y[:, 0]
    return np.stack([np.interp(rows, column, rows) for column in way.T], axis=1)
