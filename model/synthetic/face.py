"""A real portrait brought to life: the demo source, and footage whose truth is known."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from model.errors import InputError
from model.records import ArrayF32, ImageU8
from model.synthetic.courses import Sway
from model.synthetic.disturbances import Glances, Light, gaze_mask
from model.synthetic.noise import NoiseBank
from model.synthetic.painter import Painter
from model.synthetic.portrait import CANVAS_SIZE, astronaut, prepare
from model.synthetic.schedule import BLOCK_S, Block, Schedule, TrueExpression, plan_block

MIN_SIZE = (160, 120)
"""Smallest frame (width, height), either way round: smaller faces show no micro-expression."""


@dataclass(frozen=True, slots=True)
class FaceNuisance:
    """What a camera and a living head add."""

    noise: float = 1.5
    """Sensor noise, standard deviation in grey levels."""
    sway: float = 1.0
    """Head motion against that of someone who sits still."""
    speech: float = 1.0
    """Size of the movements of speech against the usual."""
    glances_per_min: float = 0.0
    """Looks to the side and back."""
    light: float = 0.0
    """Greatest change of the room's light, as a share; there are ten or so a minute."""
    flicker: float = 0.0
    """Amplitude of the mains' flicker at 100 Hz, as a share."""

    def __post_init__(self) -> None:
        for name, most in _NUISANCE_RANGES.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise InputError(f"{name} {value:g} must be 0 to {most:g}")


_NUISANCE_RANGES = {
    "noise": 100,
    "sway": 100,
    "speech": 10,
    "glances_per_min": 60,
    "light": 0.9,
    "flicker": 0.9,
}


class SyntheticFace:
    """A portrait that sways, blinks, speaks, and shows expressions at known times.

    Every frame is a pure function of (seed, fps, size, index), so frames can be drawn in any
    order and from several threads; time is index / fps.
    """

    def __init__(
        self,
        *,
        seed: int,
        fps: float,
        size: tuple[int, int] = (640, 480),
        portrait: ImageU8 | None = None,
        schedule: Schedule | None = None,
        nuisance: FaceNuisance | None = None,
    ) -> None:
        """`size` is (width, height); `portrait` is (H, W, 3) uint8 RGB with one face from the
        front, by default scikit-image's astronaut.

        Raises `InputError` for a size, rate or portrait that cannot be used.
        """
        if not (np.isfinite(fps) and fps > 0):
            raise InputError(f"fps {fps:g} must be above 0")
        if seed < 0:
            raise InputError(f"seed {seed} must be 0 or more")
        if min(size) < min(MIN_SIZE) or max(size) < max(MIN_SIZE):
            raise InputError(f"size {size[0]}x{size[1]} must be at least 160x120")
        self._seed, self._fps, self._size = seed, float(fps), size
        self._schedule = schedule or Schedule()
        self._nuisance = nuisance or FaceNuisance()
        self._portrait = astronaut(size) if portrait is None else prepare(portrait, size)
        self._sway = Sway(seed)
        self._noise = NoiseBank(size, self._nuisance.noise) if self._nuisance.noise > 0 else None
        self._plan = lru_cache(maxsize=8)(self._new_plan)
        self._field = lru_cache(maxsize=8)(self._new_field)
        self._painter = Painter(self._portrait)
        n = self._nuisance
        self._glances = Glances(seed, n.glances_per_min) if n.glances_per_min else None
        self._gaze = gaze_mask(self._portrait.landmarks_canvas, CANVAS_SIZE)[..., None]
        self._light = Light(seed, size, n.light, n.flicker) if n.light or n.flicker else None

    def image(self, index: int) -> ImageU8:
        """Frame `index` (0, 1, …): (H, W, 3) uint8 RGB."""
        time_s = index / self._fps
        number = int(time_s // BLOCK_S)
        block = self._plan(number)
        skin = np.zeros((CANVAS_SIZE[1], CANVAS_SIZE[0], 2), np.float32)
        for k, expression in enumerate(block.expressions):
            strength = expression.course.strength(time_s)
            if strength > 0:
                skin += self._field(number, k) * np.float32(strength)
        jaw = 0.0
        for bout in block.speech:
            opens, purses = (self._nuisance.speech * way for way in bout.at(time_s))
            jaw += opens
            if purses:
                skin += self._painter.pursed * np.float32(purses)
        closed = max((blink.course.strength(time_s) for blink in block.blinks), default=0.0)
        if self._glances is not None:
            gaze = np.array(self._glances.at(time_s), np.float32)
            skin += self._gaze * gaze * np.float32(1 - closed)
        pose = self._sway.at(time_s, self._nuisance.sway)
        image = self._painter.paint(pose, skin if skin.any() else None, closed=closed, jaw=jaw)
        if self._light is not None:
            image = self._light.shine(image, time_s)
        if self._noise is not None:
            self._noise.add(image, np.random.default_rng([self._seed, index]))
        return image

    def head_px(self, index: int) -> ArrayF32:
        """(468, 2) float32 image px: where FaceMesh's points of the resting face are in frame
        `index` as its head is placed there, whatever the skin does."""
        pose = self._sway.at(index / self._fps, self._nuisance.sway)
        moved = np.linalg.inv(self._painter.neutral_from_image(pose))
        points: ArrayF32 = self._portrait.landmarks_px @ moved[:2, :2].T + moved[:2, 2]
        return points.astype(np.float32)

    def truth(self, duration_s: float) -> tuple[TrueExpression, ...]:
        """All that has begun and ended within the first `duration_s` seconds, in the order of
        onsets."""
        blocks = [self._plan(k) for k in range(int(max(duration_s, 0.0) // BLOCK_S) + 1)]
        planned = (p.truth for block in blocks for p in (*block.expressions, *block.blinks))
        ended = (row for row in planned if row.offset_s <= duration_s)
        return tuple(sorted(ended, key=lambda row: row.onset_s))

    def _new_plan(self, number: int) -> Block:
        lid_way_px = self._portrait.lid_way_mm  # a mm of the face is a px of the crop
        return plan_block(self._schedule, self._seed, number, lid_way_px=lid_way_px)

    def _new_field(self, number: int, k: int) -> ArrayF32:
        expression = self._plan(number).expressions[k]
        return self._portrait.field(expression.strengths, expression.truth.amplitude_px)
