"""Smooths the pose of the crop in the picture: strongly while the head rests, hardly while it moves
(One-Euro filter, Casiez et al., CHI 2012)."""

import math

import numpy as np

from model.face.aligned_crop import CROP_PX
from model.records import ArrayF64

_MIN_CUTOFF_HZ = 1.0
_CUTOFF_HZ_PER_PX_S = 0.2
_SPEED_CUTOFF_HZ = 3.0
_LEVER_PX = CROP_PX * 3 / 8  # turn and scale count by the motion they cause this far out


class PoseFilter:
    """Smooths the crop's transform, with one speed (in crop px) and one cutoff for all of it."""

    def __init__(self) -> None:
        self._pose: ArrayF64 | None = None
        self._raw: ArrayF64 | None = None
        self._speed: ArrayF64 = np.zeros(4)
        self._time_s = 0.0

    def push(self, crop_from_image: ArrayF64, time_s: float) -> ArrayF64:
        """Smooth the transform measured at `time_s`. Both are similarities (2, 3) float64, crop px
        ← image px. Times must increase."""
        pose = _pose(crop_from_image)
        if self._pose is None or self._raw is None:
            self._pose = pose
        else:
            dt = max(time_s - self._time_s, 1e-6)
            speed = _difference(pose, self._raw) / dt
            self._speed += _gain(_SPEED_CUTOFF_HZ, dt) * (speed - self._speed)
            px_per_s = float(np.linalg.norm(self._speed * _weights(self._pose)))
            cutoff_hz = _MIN_CUTOFF_HZ + _CUTOFF_HZ_PER_PX_S * px_per_s
            self._pose = self._pose + _gain(cutoff_hz, dt) * _difference(pose, self._pose)
        self._raw = pose
        self._time_s = time_s
        return _transform(self._pose)


def _gain(cutoff_hz: float, dt: float) -> float:
    return 1 - math.exp(-2 * math.pi * cutoff_hz * dt)


def _difference(pose: ArrayF64, other: ArrayF64) -> ArrayF64:
    change = pose - other
    change[2] = math.remainder(change[2], 2 * math.pi)
    return change


def _weights(pose: ArrayF64) -> ArrayF64:
    scale = math.exp(pose[3])
    return np.array([scale, scale, _LEVER_PX, _LEVER_PX])


def _pose(crop_from_image: ArrayF64) -> ArrayF64:
    """A similarity as x and y of the crop's centre in the image, turn in rad, log of the scale."""
    a, b = crop_from_image[0, 0], crop_from_image[1, 0]
    centre = np.linalg.solve(crop_from_image[:, :2], CROP_PX / 2 - crop_from_image[:, 2])
    return np.array([centre[0], centre[1], math.atan2(b, a), math.log(math.hypot(a, b))])


def _transform(pose: ArrayF64) -> ArrayF64:
    scale = math.exp(pose[3])
    c, s = scale * math.cos(pose[2]), scale * math.sin(pose[2])
    linear = np.array([[c, -s], [s, c]])
    return np.column_stack([linear, CROP_PX / 2 - linear @ pose[:2]])
