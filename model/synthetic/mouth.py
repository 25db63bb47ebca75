"""Draws the mouth of speech. The lower lip moves down with the jaw and uncovers what is behind it,
or both lips close over the teeth, which do not move."""

from functools import partial

import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.patches import Patch, draw_patch, edge_line, sample_picture, smoothstep

JAW_LEVELS = 21

_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
_CHIN, _NOSE = 152, 2
_OPEN_MM = 7.0  # how far the lower lip moves down at level 1
_CLOSE_SHARE = 0.75  # share of the gap between the lips that closes at level -1
_UPPER_SHARE = 0.3  # the upper lip's share of that
_SIDE_MM = 26.0  # motion fades out this far beside the mouth's corners
_NECK_MM = 22.0  # and this far below the chin
_DARK, _TONGUE = (44.0, 18.0, 17.0), (118.0, 58.0, 55.0)  # RGB below the teeth; at the lower lip
_EDGE_MM = 1.0
_INVERSIONS = 8


def draw_mouth(texture: ImageU8, landmarks: ArrayF32, px_per_mm: float) -> Patch:
    """Mouth and chin at level -1 (nearly closed), 0 (at rest) to 1 (open). `landmarks` are
    (468, 2) in texture px."""
    place = _Mouth(landmarks, px_per_mm, texture.shape[1], texture.shape[0])
    values = texture.astype(np.float32)
    levels = np.linspace(-1.0, 1.0, JAW_LEVELS)
    draw = partial(_draw_level, values, place)
    return draw_patch(int(place.x[0]), int(place.y[0, 0]), levels, draw)


class _Mouth:
    """Where the mouth is, and how far the skin around it moves at a level; texture px."""

    def __init__(self, landmarks: ArrayF32, px_per_mm: float, width: int, height: int) -> None:
        upper, lower = landmarks[list(_UPPER)], landmarks[list(_LOWER)]
        corners = upper[[0, -1]]
        middle, half = float(corners[:, 0].mean()), float(np.ptp(corners[:, 0])) / 2
        reach = half + _SIDE_MM * px_per_mm
        self._nose_y, self._chin_y = float(landmarks[_NOSE, 1]), float(landmarks[_CHIN, 1])
        self._corner_y = float(corners[:, 1].mean())
        self.mm = px_per_mm
        self.x = np.arange(max(int(middle - reach), 0), min(int(middle + reach), width), 1.0)
        """(w,) columns of the patch."""
        bottom = min(int(self._chin_y + _NECK_MM * px_per_mm), height)
        self.y = np.arange(int(self._nose_y), bottom, 1.0)[:, None]
        """(h, 1) rows of the patch."""
        self.inside = np.abs(self.x - middle) < half
        self.top = edge_line(upper, self.x, px_per_mm)
        """(w,) the upper lip's inner edge."""
        self.bottom = np.maximum(edge_line(lower, self.x, px_per_mm), self.top)
        """(w,) the lower lip's inner edge."""
        self._gap = float((self.bottom - self.top).max())
        self._offset = (self.x - middle) / half
        self._rim = smoothstep((reach - np.abs(self.x - middle)) / (8 * px_per_mm) - 0.2)

    def lower_lip_shift(self, y: ArrayF64, level: float) -> ArrayF64:
        """How far lower lip, chin and neck move down at the rows `y`."""
        shift = _OPEN_MM * self.mm * level
        if level < 0:
            shift = (1 - _UPPER_SHARE) * _CLOSE_SHARE * self._gap * level
        # As wide as the mouth at the lip, and as wide as the chin further down.
        deep = smoothstep((y - self._corner_y) / (self._chin_y - self._corner_y))
        across = np.exp(-((self._offset / (0.4 + 0.65 * deep)) ** 2) / 2) * self._rim
        starts = smoothstep((y - self._corner_y) / (12 * self.mm) + 0.5)
        starts = np.where(self.inside, np.maximum(starts, 0.5), starts)
        ends = 1 - smoothstep((y - self._chin_y) / ((_NECK_MM - 2) * self.mm))
        # Closing lips lift the chin less than an opening jaw lowers it.
        chin = 1 - (0.45 if level < 0 else 0.15) * deep
        shifts: ArrayF64 = shift * across * starts * ends * chin
        return shifts

    def upper_lip_shift(self, y: ArrayF64, level: float) -> ArrayF64:
        """How far the upper lip moves down at the rows `y`; an opening jaw does not move it."""
        shift = -_UPPER_SHARE * _CLOSE_SHARE * self._gap * min(level, 0.0)
        across = np.exp(-((self._offset / 0.55) ** 2) / 2)
        up = smoothstep((y - self._nose_y) / np.maximum(self.top - self._nose_y, 1.0))
        down = 1 - smoothstep((y - self.bottom) / (8 * self.mm))
        shifts: ArrayF64 = shift * across * up * down
        return shifts


def _draw_level(texture: ArrayF32, place: _Mouth, level: float) -> ArrayF64:
    x, y = np.broadcast_arrays(place.x, place.y)
    lower = upper = y
    for _ in range(_INVERSIONS):
        lower = y - place.lower_lip_shift(lower, level)
    for _ in range(_INVERSIONS if level < 0 else 0):
        upper = y - place.upper_lip_shift(upper, level)
    soft = _EDGE_MM * place.mm
    teeth = texture[int(y[0, 0]) :, int(x[0, 0]) :][: y.shape[0], : y.shape[1]]
    deep = smoothstep((y - place.bottom) / (_OPEN_MM * place.mm))[..., None]
    dark = np.array(_DARK) * (1 - deep) + np.array(_TONGUE) * deep
    opening = smoothstep(np.array(level * _OPEN_MM / _EDGE_MM))  # nothing dark shows at rest
    ends = (opening * smoothstep((y - place.bottom) / soft + 0.5))[..., None]
    between = teeth * (1 - ends) + dark * ends
    # Beside the mouth there is only skin, which both lips move.
    lip = sample_picture(texture, x, np.where(place.inside, lower, lower + upper - y))
    below = np.where(place.inside, smoothstep((lower - place.bottom) / soft + 0.5), 1.0)[..., None]
    drawn = between * (1 - below) + lip * below
    above = np.where(place.inside, smoothstep((place.top - upper) / soft + 0.5), 0.0)[..., None]
    return np.asarray(drawn * (1 - above) + sample_picture(texture, x, upper) * above)
