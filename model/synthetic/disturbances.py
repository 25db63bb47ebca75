"""Disturbances for a spotter that are no expressions: glances, changing light, a camera that
hunts for its exposure, and sensor noise.

Glances, light and exposure depend on the seed only, in blocks of their own. A face without them is
otherwise the same, frame by frame.
"""

import math
from functools import lru_cache

import cv2
import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.action_units import EYES
from model.synthetic.courses import ease_between
from model.synthetic.event_schedule import PLAN_S
from model.synthetic.patches import smoothstep

GLANCE_MM = (1.2, 3.0)
"""How far the irises move to the side in a glance; up or down, at most a third of that."""
MAINS_FLICKER_HZ = 100.0
"""Of lamps on 50 Hz mains. A camera shows the alias at its frame rate."""
ROLLING_SHUTTER_S = 0.012
"""Time between the first and the last row of a frame."""
CHANGES_PER_MIN = 10.0
"""How often the light changes."""
HUNTS_PER_MIN = 8.0
"""How often a camera hunts for its exposure."""

_CALM_S = 0.7
_SHEET_MARGIN_PX = 128
_COLOUR = 0.5  # separate noise of each colour, as a share of the brightness noise
_STILL, _FADE = 0.5, 0.7  # in half axes of the eye: the part that moves as one, and its soft edge


class Glances:
    """Glances: the eyes move to the side within 30 to 60 ms, stay, and come back."""

    def __init__(self, seed: int, per_min: float) -> None:
        self._seed, self._per_min = seed, per_min
        self._keys = lru_cache(maxsize=8)(self._new_keys)

    def gaze(self, time_s: float) -> tuple[float, float]:
        """Shift of the irises to the right and down in the picture, mm; 0 at rest."""
        number = int(time_s // PLAN_S)
        times, places = self._keys(number)
        ((right, down),) = ease_between(times, places, np.array([time_s - number * PLAN_S]))
        return float(right), float(down)

    def _new_keys(self, number: int) -> tuple[ArrayF64, ArrayF64]:
        """Times within the block, (K,), and the shift of the irises then, (K, 2) mm."""
        rng = np.random.default_rng([self._seed, number, 0x61])
        times, places = [0.0], [(0.0, 0.0)]
        mean_s = 60 / self._per_min if self._per_min else math.inf
        now = float(rng.exponential(mean_s))
        while now + 2.2 < PLAN_S:
            side, down = rng.uniform(*GLANCE_MM) * rng.choice([-1, 1]), rng.uniform(-1, 1) / 3
            place = (float(side), float(abs(side) * down))
            goes, stays, returns = rng.uniform((0.03, 0.25, 0.03), (0.06, 1.5, 0.06))
            times += [now, now + goes, now + goes + stays, now + goes + stays + returns]
            places += [(0.0, 0.0), place, place, (0.0, 0.0)]
            now = times[-1] + 0.3 + float(rng.exponential(mean_s))
        times.append(PLAN_S)
        places.append((0.0, 0.0))
        return np.array(times), np.array(places)


def gaze_mask(landmarks: ArrayF32, size: tuple[int, int]) -> ArrayF32:
    """How much each pixel of a picture moves with the irises, 0 to 1, (H, W) float32. `landmarks`
    are (468, 2) in px of the picture, whose `size` is (width, height). The lids stay, as in a
    glance to the side."""
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float64)
    mask = np.zeros((size[1], size[0]))
    for eye in EYES:
        outer, inner, upper, lower = landmarks[list(eye)].astype(np.float64)
        middle = (outer + inner + upper + lower) / 4
        half_width, half_height = np.linalg.norm(outer - inner) / 2, (lower - upper)[1] / 2
        away = np.hypot((x - middle[0]) / half_width, (y - middle[1]) / max(half_height, 1.0))
        mask += 1 - smoothstep((away - _STILL) / _FADE)
    return mask.astype(np.float32)


class Light:
    """A room's light: its level and direction change, and it flickers with the mains."""

    def __init__(self, seed: int, size: tuple[int, int], change: float, flicker: float) -> None:
        """`size`: the frame's (width, height). `change`: the greatest change of the level, as a
        share; `flicker`: the amplitude of the flicker, as a share."""
        self._seed, self._change, self._flicker = seed, change, flicker
        self._across = np.linspace(-1, 1, size[0])
        self._down_s = np.linspace(0, ROLLING_SHUTTER_S, size[1])
        self._keys = lru_cache(maxsize=8)(self._new_keys)

    def apply(self, image: ImageU8, time_s: float) -> ImageU8:
        """`image` (H, W, 3) uint8 RGB, in the light at `time_s`."""
        level, side = self._state(time_s)
        angle = 2 * np.pi * MAINS_FLICKER_HZ * (time_s + self._down_s)
        rows = level * (1 + self._flicker * np.sin(angle))
        gain = (rows[:, None] * (1 + side * self._across)).astype(np.float32)
        lit = cv2.multiply(image, cv2.merge([gain] * 3), dtype=cv2.CV_8U)
        return np.asarray(lit, dtype=np.uint8)

    def _state(self, time_s: float) -> tuple[float, float]:
        """The level (usually 1), and how much brighter the right edge is."""
        number = int(time_s // PLAN_S)
        times, states = self._keys(number)
        now = time_s - number * PLAN_S
        level, side = (float(np.interp(now, times, states[:, k])) for k in (0, 1))
        return level, side

    def _new_keys(self, number: int) -> tuple[ArrayF64, ArrayF64]:
        rng = np.random.default_rng([self._seed, number, 0x11])
        times, states = [0.0], [(1.0, 0.0)]
        now = float(rng.exponential(60 / CHANGES_PER_MIN))
        while now + 1.5 < PLAN_S - 1:
            lasts_s = float(np.exp(rng.uniform(np.log(0.05), np.log(1.0))))
            state = (1 + self._change * rng.uniform(-1, 1), self._change / 2 * rng.uniform(-1, 1))
            times += [now, now + lasts_s]
            states += [states[-1], (float(state[0]), float(state[1]))]
            now += lasts_s + float(rng.exponential(60 / CHANGES_PER_MIN))
        times += [PLAN_S - 1, PLAN_S]
        states += [states[-1], (1.0, 0.0)]
        return np.array(times), np.array(states)


class ExposureHunting:
    """A camera that overshoots when it adapts its exposure: the gain swings at 0.7 to 1.6 Hz, and
    calms down within a second or two."""

    def __init__(self, seed: int, amplitude: float) -> None:
        self._seed, self._amplitude = seed, amplitude
        self._swings = lru_cache(maxsize=8)(self._new_swings)

    def gain(self, time_s: float) -> float:
        """Factor of the picture's brightness; about 1."""
        number = int(time_s // PLAN_S)
        since = time_s - number * PLAN_S - self._swings(number)[:, 0]
        size, hz = self._swings(number)[:, 1:].T
        begun = since > 0
        swing = size * np.exp(-since / _CALM_S) * np.sin(2 * np.pi * hz * since)
        return 1 + float(swing[begun].sum())

    def _new_swings(self, number: int) -> ArrayF64:
        """(K, 3): when each begins within the block, its amplitude, and its frequency, Hz."""
        rng = np.random.default_rng([self._seed, number, 0xE5])
        count = int(HUNTS_PER_MIN * PLAN_S / 60)
        # They have ended before the block does, because the next one does not know of them.
        begins = rng.uniform(0, PLAN_S - 5 * _CALM_S, count)
        sizes = self._amplitude * rng.uniform(0.5, 1, count) * rng.choice([-1, 1], count)
        return np.column_stack([begins, sizes, rng.uniform(0.7, 1.6, count)])


class NoiseBank:
    """Sensor noise that costs almost nothing per frame: each gets a random part of a sheet."""

    def __init__(self, size: tuple[int, int], deviation: float) -> None:
        """`size` is the frame's (width, height), `deviation` in grey levels."""
        rng = np.random.default_rng(0)
        width, height = size[0] + _SHEET_MARGIN_PX, size[1] + _SHEET_MARGIN_PX
        bright = rng.standard_normal((height, width, 1), dtype=np.float32)
        colour = rng.standard_normal((height, width, 3), dtype=np.float32)
        sheet = np.rint((bright + _COLOUR * colour) * (deviation / math.hypot(1, _COLOUR)))
        # OpenCV is fast for uint8, which saturates: so keep what to add and what to subtract apart.
        self._more = np.clip(sheet, 0, 255).astype(np.uint8)
        self._less = np.clip(-sheet, 0, 255).astype(np.uint8)

    def add(self, image: ImageU8, rng: np.random.Generator) -> None:
        """Add noise to `image`, (H, W, 3) uint8, in place; `rng` chooses the part of the sheet."""
        x, y = (int(k) for k in rng.integers(0, _SHEET_MARGIN_PX, 2))
        rows, columns = slice(y, y + image.shape[0]), slice(x, x + image.shape[1])
        cv2.add(image, self._more[rows, columns], dst=image)
        cv2.subtract(image, self._less[rows, columns], dst=image)
