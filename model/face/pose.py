"""Smooths the pose of the crop in the picture: strongly while the head rests, hardly while it moves
(One-Euro filter, Casiez et al., CHI 2012)."""

import cmath
import math
from dataclasses import dataclass

from model.face.aligned_crop import CROP_PX, LEVER_PX, similarity
from model.records import ArrayF64

_MIN_CUTOFF_HZ = 1.0
_CUTOFF_HZ_PER_PX_S = 0.2
_SPEED_CUTOFF_HZ = 3.0
_MIDDLE_PX = complex(CROP_PX / 2, CROP_PX / 2)


@dataclass(frozen=True, slots=True)
class _Pose:
    """A similarity, or a change of one. Points are complex numbers x + iy: on so few, NumPy takes
    several times as long."""

    centre: complex
    """The crop's centre in the image, px."""
    growth: complex
    """Log of the scale plus i times the turn, rad."""

    def minus(self, other: "_Pose") -> "_Pose":
        growth = self.growth - other.growth
        turn = math.remainder(growth.imag, 2 * math.pi)
        return _Pose(self.centre - other.centre, complex(growth.real, turn))

    def plus(self, change: "_Pose", gain: float) -> "_Pose":
        """This and `gain` times the change."""
        return _Pose(self.centre + gain * change.centre, self.growth + gain * change.growth)


class PoseFilter:
    """Smooths the crop's transform, with one speed (in crop px) and one cutoff for all of it."""

    def __init__(self) -> None:
        self._pose: _Pose | None = None
        self._raw: _Pose | None = None
        self._speed = _Pose(0j, 0j)
        self._time_s = 0.0

    def push(self, crop_from_image: ArrayF64, time_s: float) -> ArrayF64:
        """Smooth the transform measured at `time_s`. Both are similarities (2, 3) float64, crop px
        ← image px. Times must increase."""
        pose = _pose(crop_from_image)
        if self._pose is None or self._raw is None:
            self._pose = pose
        else:
            dt = max(time_s - self._time_s, 1e-6)
            gain, change, speed = _gain(_SPEED_CUTOFF_HZ, dt), pose.minus(self._raw), self._speed
            self._speed = speed = _Pose(
                speed.centre + gain * (change.centre / dt - speed.centre),
                speed.growth + gain * (change.growth / dt - speed.growth),
            )
            scale = math.exp(self._pose.growth.real)
            px_per_s = math.hypot(scale * abs(speed.centre), LEVER_PX * abs(speed.growth))
            cutoff_hz = _MIN_CUTOFF_HZ + _CUTOFF_HZ_PER_PX_S * px_per_s
            self._pose = self._pose.plus(pose.minus(self._pose), _gain(cutoff_hz, dt))
        self._raw = pose
        self._time_s = time_s
        return _transform(self._pose)


def _gain(cutoff_hz: float, dt: float) -> float:
    return 1 - math.exp(-2 * math.pi * cutoff_hz * dt)


def _pose(crop_from_image: ArrayF64) -> _Pose:
    (a, _, x), (b, _, y) = crop_from_image.tolist()
    factor = complex(a, b)
    return _Pose((_MIDDLE_PX - complex(x, y)) / factor, cmath.log(factor))


def _transform(pose: _Pose) -> ArrayF64:
    factor = cmath.exp(pose.growth)
    return similarity(factor, _MIDDLE_PX - factor * pose.centre)
