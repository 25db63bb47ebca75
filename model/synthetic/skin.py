"""How the skin of one drawn face follows its action units, in px of the 128 px crop.

Half of the faces move by the catalogue, whose muscles pull the skin around them as Gaussians; the
others as a scanned face does. On each, places, directions, reach and gain differ, as they do from
person to person.
"""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from model.face.aligned_crop import CROP_PX
from model.records import ArrayF32, ArrayF64
from model.synthetic.action_units import Strengths, displacement_field, peak_px, px_per_mm
from model.synthetic.sample_variation import Nuisance
from model.synthetic.scanned_face import UNITS, point_motion, scanned_face
from model.synthetic.still_faces import smooth_noise

_STEP_PX = 2  # of the grid on which a scanned field is spread
_REACH_MM = 2.8  # sigma of the Gaussian by which skin follows the scanned points around it
_STILL_WEIGHT = 0.05  # weight of skin that nothing moves: the field fades beyond the face


Field = Callable[[Strengths], ArrayF32]
"""Gives the displacement (2, 128, 128) px of the skin under some strengths."""


class Skin:
    """How the skin of one face follows its action units. This differs between faces."""

    def __init__(
        self, landmarks_px: ArrayF32, rng: np.random.Generator, nuisance: Nuisance
    ) -> None:
        """`landmarks_px` (468, 2) of the face at rest; `rng` samples what belongs to the person."""
        error = nuisance.landmark_px * smooth_field(rng, 40)
        column, row = np.clip(np.rint(landmarks_px), 0, CROP_PX - 1).astype(int).T
        points = landmarks_px + error[:, row, column].T
        extent = float(np.exp(rng.normal(0, nuisance.extent_log)))
        gain = np.exp(nuisance.gain_log * smooth_noise(rng, 30))
        turn = nuisance.direction_rad * smooth_noise(rng, 40)
        self._cos, self._sin = gain * np.cos(turn), gain * np.sin(turn)
        scanned = rng.random() < nuisance.scan_share
        self._field = (_scanned if scanned else _drawn)(points, extent)

    def displace(self, strengths: Strengths) -> ArrayF32:
        """Displacement of the skin, (2, S, S) px."""
        u, v = self._field(strengths)
        return np.stack([self._cos * u - self._sin * v, self._sin * u + self._cos * v])

    def peak_px(self, strengths: Strengths) -> float:
        """The greatest displacement within the crop."""
        return max(peak_px(self.displace(strengths)), 1e-3)


def smooth_field(rng: np.random.Generator, grain_px: float) -> ArrayF32:
    """(2, S, S) of `smooth_noise`."""
    return np.stack([smooth_noise(rng, grain_px), smooth_noise(rng, grain_px)])


def _drawn(points: ArrayF32, extent: float) -> Field:
    """The field by the catalogue."""
    return lambda strengths: displacement_field(points, strengths, CROP_PX, extent=extent)


def _scanned(points: ArrayF32, extent: float) -> Field:
    """The field by the scan. Units that no scan has, and the lids in a blink, move by the
    catalogue."""
    centres = np.arange(0, CROP_PX, _STEP_PX) + (_STEP_PX - 1) / 2
    sigma = _REACH_MM * px_per_mm(points) * extent
    across, along = (
        np.exp(-(((centres[:, None] - points[:, axis]) / sigma) ** 2) / 2) for axis in (0, 1)
    )
    total = along @ across.T + _STILL_WEIGHT

    def field(strengths: Strengths) -> ArrayF32:
        known = {
            unit: (right * _gain(unit), left * _gain(unit))
            for unit, (right, left) in strengths.items()
            if unit in UNITS
        }
        others = {unit: sides for unit, sides in strengths.items() if unit not in known}
        moved = point_motion(points, known)
        coarse = np.stack([(along * moved[:, axis]) @ across.T / total for axis in (0, 1)], axis=-1)
        fine = cv2.resize(coarse.astype(np.float32), (CROP_PX, CROP_PX))
        spread: ArrayF32 = np.ascontiguousarray(fine.transpose(2, 0, 1))
        return spread + displacement_field(points, others, CROP_PX) if others else spread

    return field


@cache
def _gain(unit: str) -> float:
    """What makes the scan's unit at full strength as large as the catalogue's: the scan opens the
    jaw by 30 mm."""
    rest: ArrayF64 = scanned_face().rest_mm[:, :2] + CROP_PX / 2
    both = {unit: (1.0, 1.0)}
    catalogued = peak_px(displacement_field(rest.astype(np.float32), both, CROP_PX))
    scanned = point_motion(rest.astype(np.float32), both)
    return catalogued / float(np.linalg.norm(scanned, axis=1).max())
