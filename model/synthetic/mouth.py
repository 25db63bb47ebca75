"""The mouth of speech: the lower lip goes down with the jaw and uncovers what lies behind, or both
lips close over the teeth, which stay where they are."""

from functools import partial

import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.patches import Patch, at_levels, line, smoothstep, taken_from

LEVELS = 21

_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
_CHIN, _NOSE = 152, 2
_OPEN_MM = 7.0  # the lower lip's way at level 1
_CLOSE_SHARE = 0.75  # of the gap between the lips closes at level -1
_UPPER_SHARE = 0.3  # of that closing is the upper lip's
_SIDE_MM = 26.0  # beside the mouth's corners, where motion has faded out
_NECK_MM = 22.0  # below the chin, likewise
_DARK, _TONGUE = (44.0, 18.0, 17.0), (118.0, 58.0, 55.0)  # below the teeth; at the lower lip
_EDGE_MM = 1.0
_INVERSIONS = 8


def mouth(texture: ImageU8, landmarks: ArrayF32, px_per_mm: float) -> Patch:
    """The mouth and chin of a face with landmarks (468, 2) in texture px, level -1 nearly closed,
    0 at rest, 1 open."""
    place = _Mouth(landmarks, px_per_mm, texture.shape[1], texture.shape[0])
    fine = texture.astype(np.float32)
    pictures = at_levels(partial(_drawn, fine, place), np.linspace(-1.0, 1.0, LEVELS))
    return Patch(int(place.x[0]), int(place.y[0, 0]), -1.0, 1.0, pictures)


class _Mouth:
    """Where the mouth is, and how far each place around it goes at a level; texture px."""

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
        self.top = line(upper, self.x, px_per_mm)
        """(w,) the upper lip's inner edge."""
        self.bottom = np.maximum(line(lower, self.x, px_per_mm), self.top)
        """(w,) the lower lip's inner edge."""
        self._gap = float((self.bottom - self.top).max())
        self._offset = (self.x - middle) / half
        self._rim = smoothstep((reach - np.abs(self.x - middle)) / (8 * px_per_mm) - 0.2)

    def lower_way(self, y: ArrayF64, level: float) -> ArrayF64:
        """Downwards, of the lower lip, chin and neck."""
        way = _OPEN_MM * self.mm * level
        if level < 0:
            way = (1 - _UPPER_SHARE) * _CLOSE_SHARE * self._gap * level
        # Round the lip like a mouth, further down as wide as the chin.
        deep = smoothstep((y - self._corner_y) / (self._chin_y - self._corner_y))
        across = np.exp(-((self._offset / (0.4 + 0.65 * deep)) ** 2) / 2) * self._rim
        starts = smoothstep((y - self._corner_y) / (12 * self.mm) + 0.5)
        starts = np.where(self.inside, np.maximum(starts, 0.5), starts)
        ends = 1 - smoothstep((y - self._chin_y) / ((_NECK_MM - 2) * self.mm))
        # Closing lips lift the chin less than an opening jaw drops it.
        chin = 1 - (0.45 if level < 0 else 0.15) * deep
        faded: ArrayF64 = way * across * starts * ends * chin
        return faded

    def upper_way(self, y: ArrayF64, level: float) -> ArrayF64:
        """Downwards, of the upper lip; an opening jaw leaves it where it is."""
        way = -_UPPER_SHARE * _CLOSE_SHARE * self._gap * min(level, 0.0)
        across = np.exp(-((self._offset / 0.55) ** 2) / 2)
        up = smoothstep((y - self._nose_y) / np.maximum(self.top - self._nose_y, 1.0))
        down = 1 - smoothstep((y - self.bottom) / (8 * self.mm))
        faded: ArrayF64 = way * across * up * down
        return faded


def _drawn(texture: ArrayF32, place: _Mouth, level: float) -> ImageU8:
    x, y = np.broadcast_arrays(place.x, place.y)
    lower = upper = y
    for _ in range(_INVERSIONS):
        lower = y - place.lower_way(lower, level)
    for _ in range(_INVERSIONS if level < 0 else 0):
        upper = y - place.upper_way(upper, level)
    soft = _EDGE_MM * place.mm
    teeth = texture[int(y[0, 0]) :, int(x[0, 0]) :][: y.shape[0], : y.shape[1]]
    deep = smoothstep((y - place.bottom) / (_OPEN_MM * place.mm))[..., None]
    dark = np.array(_DARK) * (1 - deep) + np.array(_TONGUE) * deep
    opened = smoothstep(np.array(level * _OPEN_MM / _EDGE_MM))  # nothing dark shows at rest
    ends = (opened * smoothstep((y - place.bottom) / soft + 0.5))[..., None]
    between = teeth * (1 - ends) + dark * ends
    # Beside the mouth nothing hides anything: skin alone, moved by both lips.
    lip = taken_from(texture, x, np.where(place.inside, lower, lower + upper - y))
    below = np.where(place.inside, smoothstep((lower - place.bottom) / soft + 0.5), 1.0)[..., None]
    drawn = between * (1 - below) + lip * below
    above = np.where(place.inside, smoothstep((place.top - upper) / soft + 0.5), 0.0)[..., None]
    drawn = drawn * (1 - above) + taken_from(texture, x, upper) * above
    picture: ImageU8 = np.clip(drawn + 0.5, 0, 255).astype(np.uint8)
    return picture
