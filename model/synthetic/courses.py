"""How speech and the head move over time."""

from dataclasses import astuple, dataclass

import numpy as np

from model.records import ArrayF64

_SPEECH_STEP_S = 0.01
_SWAY_HZ = (0.06, 0.7)
_SWAY_WAVES = 5


def ease(part: ArrayF64 | float) -> ArrayF64 | float:
    """Minimum-jerk curve from 0 to 1, as `part` goes from 0 to 1."""
    return part**3 * (10 - 15 * part + 6 * part**2)


@dataclass(frozen=True, slots=True)
class Speech:
    """A bout of speech-like motion of the mouth."""

    onset_s: float
    offset_s: float
    track: ArrayF64
    """(K, 2), every 10 ms: jaw (1 wide open, 0 at rest, -1 lips nearly closed) and lips (1 pursed,
    -1 spread)."""

    def pose(self, time_s: float) -> tuple[float, float]:
        """Jaw and lips at a time; at rest outside the bout."""
        steps = (time_s - self.onset_s) / _SPEECH_STEP_S
        if not 0 <= steps < len(self.track) - 1:
            return 0.0, 0.0
        k = int(steps)
        jaw, lips = self.track[k] + (steps - k) * (self.track[k + 1] - self.track[k])
        return float(jaw), float(lips)


def sample_speech(rng: np.random.Generator, onset_s: float, offset_s: float) -> Speech:
    """Random syllables of 0.14 to 0.3 s, in groups with short pauses. The mouth opens four to six
    times a second, as in speech."""
    length_s = offset_s - onset_s
    times, poses = [0.0], [(0.0, 0.0)]
    now = 0.0
    while now < length_s - 0.6:
        opens, closes = rng.uniform(0.06, 0.13), rng.uniform(0.08, 0.17)
        lips = rng.uniform(-0.4, 0.8)
        times += [now + opens, now + opens + closes]
        poses += [
            (rng.uniform(0.2, 0.9), lips),
            (rng.uniform(-0.8, 0.1), lips * rng.uniform(0.3, 1.0)),
        ]
        now += opens + closes
        if rng.random() < 0.12:
            times += [now + 0.12, now + 0.12 + rng.uniform(0.05, 0.25)]
            poses += [(0.0, 0.0), (0.0, 0.0)]
            now = times[-1]
    times += [now + 0.15, length_s]
    poses += [(0.0, 0.0), (0.0, 0.0)]
    at = np.arange(0.0, length_s + _SPEECH_STEP_S, _SPEECH_STEP_S)
    return Speech(onset_s, offset_s, ease_between(np.array(times), np.array(poses), at))


def ease_between(times: ArrayF64, values: ArrayF64, at: ArrayF64) -> ArrayF64:
    """Values (N, K) at the times `at` (N,), between the `values` (M, K) at `times` (M,)."""
    k = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    part = np.clip((at - times[k]) / (times[k + 1] - times[k]), 0.0, 1.0)
    track: ArrayF64 = values[k] + np.asarray(ease(part))[:, None] * (values[k + 1] - values[k])
    return track


@dataclass(frozen=True, slots=True)
class HeadPose:
    """The head's position relative to rest; lengths in mm of the face."""

    right_mm: float
    down_mm: float
    turn_rad: float
    """In the image plane, clockwise for the viewer."""
    log_scale: float
    yaw_mm: float
    """How far the nose moves to the right of the picture, relative to the rest of the face."""
    pitch_mm: float
    """How far the nose moves down, relative to the rest of the face."""

    def times(self, factor: float) -> "HeadPose":
        """`factor` times as far from rest."""
        return HeadPose(*(factor * value for value in astuple(self)))

    def plus(self, other: "HeadPose") -> "HeadPose":
        """Both motions together."""
        return HeadPose(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class Sway:
    """The slow drift of a head that is held still: a sum of sines, the slower ones larger."""

    _RMS = np.array([1.3, 0.9, 0.008, 0.006, 0.25, 0.2])  # in the units of HeadPose

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 0x5A])
        shape = (len(self._RMS), _SWAY_WAVES)
        low, high = np.log(_SWAY_HZ)
        self._hz = np.exp(rng.uniform(low, high, shape))
        self._phase = rng.uniform(0, 2 * np.pi, shape)
        size = 1 / self._hz
        size /= np.sqrt(np.sum(size**2, axis=1, keepdims=True) / 2)
        self._size = size * self._RMS[:, None]

    def pose(self, time_s: float, amount: float = 1.0) -> HeadPose:
        """The pose at any time, `amount` times as far from rest."""
        angle = 2 * np.pi * self._hz * time_s + self._phase
        return HeadPose(*(float(x) for x in amount * np.sum(self._size * np.sin(angle), axis=1)))
