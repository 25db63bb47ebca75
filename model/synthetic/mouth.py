"""The mouth of speech: the lower lip goes down with the jaw and uncovers what lies behind, or both
lips close over the teeth, which stay where they are."""

import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.patches import Patch, line, smoothstep, taken_from

LEVELS = 21

_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
_CHIN, _NOSE = 152, 2
_OPEN_MM = 7.0  # the lower lip's way at level 1
_CLOSE_SHARE = 0.75  # of the gap between the lips closes at level -1
_UPPER_SHARE = 0.3  # of that closing is the upper lip's
_NECK_MM = 22.0  # below the chin, where its motion has faded out
_DARK, _TONGUE = (44.0, 18.0, 17.0), (118.0, 58.0, 55.0)  # below the teeth; at the lower lip
_EDGE_MM = 1.0
_INVERSIONS = 8


def mouth(texture: ImageU8, landmarks: ArrayF32, px_per_mm: float) -> Patch:
    """The mouth and chin of a face with landmarks (468, 2) in texture px, level -1 nearly closed,
    0 at rest, 1 open."""
    upper, lower = landmarks[list(_UPPER)], landmarks[list(_LOWER)]
    chin_y, nose_y = float(landmarks[_CHIN, 1]), float(landmarks[_NOSE, 1])
    middle, half = float(upper[[0, -1], 0].mean()), float(np.ptp(upper[[0, -1], 0])) / 2
    x0, x1 = int(middle - half - 26 * px_per_mm), int(middle + half + 26 * px_per_mm)
    y0 = int(nose_y)
    y1 = min(int(chin_y + _NECK_MM * px_per_mm), texture.shape[0])
    x = np.arange(max(x0, 0), min(x1, texture.shape[1]), dtype=np.float64)
    y = np.arange(y0, y1, dtype=np.float64)[:, None]
    shape = _Shape(upper, lower, middle, half, nose_y, chin_y, px_per_mm, x)
    fine = texture.astype(np.float32)
    pictures = [_drawn(fine, shape, x, y, level) for level in np.linspace(-1.0, 1.0, LEVELS)]
    return Patch(int(x[0]), y0, -1.0, 1.0, np.stack(pictures))


class _Shape:
    """How far each place of the lower face goes at a level, texture px."""

    def __init__(
        self,
        upper: ArrayF32,
        lower: ArrayF32,
        middle: float,
        half: float,
        nose_y: float,
        chin_y: float,
        px_per_mm: float,
        x: ArrayF64,
    ) -> None:
        self.px_per_mm = px_per_mm
        self.top = line(upper, x, px_per_mm)
        self.bottom = np.maximum(line(lower, x, px_per_mm), self.top)
        self.inside = (x > middle - half) & (x < middle + half)
        self._offset = (x - middle) / half
        self._corner_y = float(upper[[0, -1], 1].mean())
        self._half, self._nose_y, self._chin_y = half, nose_y, chin_y
        self._gap = float((self.bottom - self.top).max())

    def lower_way(self, y: ArrayF64, level: float) -> ArrayF64:
        """Downwards, of the lower lip, chin and neck."""
        way = _OPEN_MM * self.px_per_mm * level
        if level < 0:
            way = (1 - _UPPER_SHARE) * _CLOSE_SHARE * self._gap * level
        # Round the lip like a mouth, further down as wide as the chin.
        deep = smoothstep((y - self._corner_y) / (self._chin_y - self._corner_y))
        width = 0.4 + 0.65 * deep
        across = np.exp(-((self._offset / width) ** 2) / 2)
        starts = smoothstep((y - self._corner_y) / (12 * self.px_per_mm) + 0.5)
        # Closing lips lift the chin less than an opening jaw drops it.
        ends = 1 - smoothstep((y - self._chin_y) / ((_NECK_MM - 2) * self.px_per_mm))
        chin = 1 - (0.45 if level < 0 else 0.15) * deep
        rim = np.clip((2.0 - np.abs(self._offset)) / 0.5, 0, 1)
        faded: ArrayF64 = way * across * ends * chin * smoothstep(rim)
        return np.where(self.inside, faded * np.maximum(starts, 0.5), faded * starts)

    def upper_way(self, y: ArrayF64, level: float) -> ArrayF64:
        """Downwards, of the upper lip; an opening jaw leaves it where it is."""
        way = -_UPPER_SHARE * _CLOSE_SHARE * self._gap * min(level, 0.0)
        across = np.exp(-((self._offset / 0.55) ** 2) / 2)
        up = smoothstep((y - self._nose_y) / np.maximum(self.top - self._nose_y, 1.0))
        down = 1 - smoothstep((y - self.bottom) / (8 * self.px_per_mm))
        faded: ArrayF64 = way * across * up * down
        return faded


def _drawn(texture: ArrayF32, shape: _Shape, x: ArrayF64, y: ArrayF64, level: float) -> ImageU8:
    columns = np.broadcast_to(x, (len(y), len(x)))
    lower = upper = np.broadcast_to(y, columns.shape)
    for _ in range(_INVERSIONS):
        lower = y - shape.lower_way(lower, level)
        upper = y - shape.upper_way(upper, level)
    soft = _EDGE_MM * shape.px_per_mm
    teeth = texture[int(y[0, 0]) :, int(x[0]) :][: len(y), : len(x)]
    deep = smoothstep((y - shape.bottom) / (_OPEN_MM * shape.px_per_mm))[..., None]
    dark = np.array(_DARK) * (1 - deep) + np.array(_TONGUE) * deep
    opened = smoothstep(np.array(level * _OPEN_MM / _EDGE_MM))  # nothing dark shows at rest
    ends = (opened * smoothstep((y - shape.bottom) / soft + 0.5))[..., None]
    between = teeth * (1 - ends) + dark * ends
    # Beside the mouth nothing hides anything: skin alone, moved by both lips.
    lip = taken_from(texture, columns, np.where(shape.inside, lower, lower + upper - y))
    below = np.where(shape.inside, smoothstep((lower - shape.bottom) / soft + 0.5), 1.0)[..., None]
    drawn = between * (1 - below) + lip * below
    above = np.where(shape.inside, smoothstep((shape.top - upper) / soft + 0.5), 0.0)[..., None]
    drawn = drawn * (1 - above) + taken_from(texture, columns, upper) * above
    picture: ImageU8 = np.clip(drawn + 0.5, 0, 255).astype(np.uint8)
    return picture
