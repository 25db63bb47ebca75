"""Displacement fields of facial actions as a scanned face makes them.

`scanned_points.npz` holds where each FaceMesh point goes in each of 57 actions at full strength. It
was measured on the ICT Face Model Light by `tests/scanned_points.py` (USC Institute for Creative
Technologies, ICT-FaceKit, 2020, MIT licence; R. Li et al., "Learning Formation of Physically Based
Face Attributes", CVPR 2020). The model itself is not part of this project.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import cv2
import numpy as np

from model.errors import InputError
from model.records import ArrayF32, ArrayF64
from model.synthetic.action_units import (
    Strengths,
    displacement_field,
    eyeball_mask,
    px_per_mm,
)

SkinMotion = Literal["catalogue", "scan"]
"""How skin moves: by the Gaussians of `action_units.toml`, or as on the scanned face."""

UNITS: Mapping[str, str] = {
    "AU1": "browInnerUp",
    "AU2": "browOuterUp",
    "AU4": "browDown",
    "AU5": "eyeWide",
    "AU6": "cheekSquint",
    "AU7": "eyeSquint",
    "AU9": "noseSneer",
    "AU10": "mouthUpperUp",
    "AU12": "mouthSmile",
    "AU14": "mouthDimple",
    "AU15": "mouthFrown",
    "AU17": "mouthShrugLower",
    "AU18": "mouthPucker",
    "AU20": "mouthStretch",
    "AU24": "mouthPress",
    "AU25": "mouthLowerDown",
    "AU26": "jawOpen",
}
"""The scanned action nearest to each FACS unit, by the model's makers. AU23 has none."""

_STEP_PX = 2  # of the grid on which a field is computed
_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_RINGS = (1.35, 1.7)  # the skin rests on the face's oval, enlarged by these
_FADE_MM = 3.0
_EDGE_CELLS = 5
_SMOOTHING_MM = 2.0  # keeps lips, whose points lie close together, from folding
_UPPER_LIDS = (
    *(246, 161, 160, 159, 158, 157, 173, 247, 30, 29, 27, 28, 56, 190, 33, 133),
    *(466, 388, 387, 386, 385, 384, 398, 467, 260, 259, 257, 258, 286, 414, 263, 362),
)


@dataclass(frozen=True)
class ScannedFace:
    """The scanned face at the FaceMesh points; x to the image's right, y down, z to the camera."""

    rest_mm: ArrayF64
    """(468, 3) at rest, about the middle between the inner eye corners, which are 32 mm apart."""
    moves_mm: Mapping[str, ArrayF64]
    """(468, 3) by action: "browDown_L" (the person's left), "jawOpen"."""


@cache
def scanned_face() -> ScannedFace:
    """The shipped figures; read once."""
    path = files("model.synthetic").joinpath("scanned_points.npz")
    with path.open("rb") as file, np.load(file) as arrays:
        moves = arrays["moves_mm"].astype(np.float64)
        names = [str(name) for name in arrays["names"]]
        return ScannedFace(
            arrays["rest_mm"].astype(np.float64), dict(zip(names, moves, strict=True))
        )


def scanned_field(
    landmarks_px: ArrayF32, strengths: Strengths, size: int | tuple[int, int]
) -> ArrayF32:
    """`model.synthetic.action_units.displacement_field` with the skin moved as on the scanned face,
    turned and sized as this face. A unit that no scan has moves by the catalogue."""
    known = {unit: sides for unit, sides in strengths.items() if unit in UNITS}
    others = {unit: sides for unit, sides in strengths.items() if unit not in UNITS}
    field = action_field(landmarks_px, _actions(known), size)
    return field + displacement_field(landmarks_px, others, size) if others else field


def point_motion(landmarks_px: ArrayF32, strengths: Strengths) -> ArrayF64:
    """How far this face's points (468, 2) px move as the scan's do, in px. Every unit has to be one
    of `UNITS`."""
    return _motion_mm(_actions(strengths)) @ _px_from_mm(landmarks_px.astype(np.float64))


def _actions(strengths: Strengths) -> dict[str, float]:
    """The scan's actions for `strengths` of `UNITS`."""
    actions: dict[str, float] = {}
    for unit, (right, left) in strengths.items():
        action = UNITS[unit]
        if action in scanned_face().moves_mm:
            actions[action] = (right + left) / 2
        else:
            actions |= {f"{action}_R": right, f"{action}_L": left}
    return actions


def _motion_mm(actions: Mapping[str, float]) -> ArrayF64:
    """(468, 3) mm."""
    face = scanned_face()
    moved = np.zeros((len(face.rest_mm), 3))
    for name, strength in actions.items():
        if name not in face.moves_mm:
            raise InputError(f"unknown action {name!r}: the scan has {', '.join(face.moves_mm)}")
        moved += strength * face.moves_mm[name]
    return moved


def _px_from_mm(points: ArrayF64) -> ArrayF64:
    """(3, 2): px of this face's picture ← mm of the scan, the linear part of the affine map between
    both, which holds this face's size, its turn and how wide it is."""
    rest = np.column_stack([scanned_face().rest_mm, np.ones(len(points))])
    linear: ArrayF64 = np.linalg.lstsq(rest, points, rcond=None)[0][:3]
    return linear


def action_field(
    landmarks_px: ArrayF32, actions: Mapping[str, float], size: int | tuple[int, int]
) -> ArrayF32:
    """`scanned_field` for strengths by the scan's own actions. Raises `InputError` for a name that
    is none."""
    return _spread(landmarks_px, _motion_mm(actions), size)


def blink_field(landmarks_px: ArrayF32, size: int | tuple[int, int]) -> ArrayF32:
    """How the skin around the eyes follows in a full blink, (2, H, W) px: mostly the lower lids,
    towards the nose. The upper lids, which cover the eyeballs, are not part of it."""
    moves = scanned_face().moves_mm
    moved = moves["eyeBlink_L"] + moves["eyeBlink_R"]
    moved[list(_UPPER_LIDS)] = 0.0
    return _spread(landmarks_px, moved, size)


def _spread(landmarks_px: ArrayF32, moved: ArrayF64, size: int | tuple[int, int]) -> ArrayF32:
    """The field (2, H, W) px in which this face's points move as the scan's do by `moved` (468, 3)
    mm, with a thin-plate spline between them."""
    from scipy.interpolate import RBFInterpolator  # slow to import, and only these fields need it

    width, height = (size, size) if isinstance(size, int) else size
    points = landmarks_px[: len(moved)].astype(np.float64)
    scale = px_per_mm(points)
    oval = points[list(_OVAL)]
    middle = oval.mean(axis=0)
    still = np.concatenate([middle + (oval - middle) * ring for ring in _RINGS])
    spline = RBFInterpolator(
        np.concatenate([points, still]) / scale,
        np.concatenate([moved @ _px_from_mm(points), np.zeros_like(still)]),
        smoothing=_SMOOTHING_MM,
    )
    columns, rows = -(-width // _STEP_PX), -(-height // _STEP_PX)
    offset = (_STEP_PX - 1) / 2  # refining a grid keeps pixel centres in place, not corners
    x, y = np.meshgrid(np.arange(columns) * _STEP_PX + offset, np.arange(rows) * _STEP_PX + offset)
    coarse = spline(np.stack([x, y], axis=-1).reshape(-1, 2) / scale).reshape(rows, columns, 2)
    # Beyond the resting rings a spline would swing. At the picture's edges the skin rests, too.
    ring = (middle + (oval - middle) * _RINGS[0] - offset) / _STEP_PX
    mask = np.zeros((rows, columns))
    cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], (1.0,))
    cv2.rectangle(mask, (0, 0), (columns - 1, rows - 1), (0.0,), _EDGE_CELLS)
    coarse *= cv2.GaussianBlur(mask, (0, 0), _FADE_MM * scale / _STEP_PX)[..., None]
    fine = cv2.resize(
        coarse, (columns * _STEP_PX, rows * _STEP_PX), interpolation=cv2.INTER_LINEAR
    )[:height, :width]
    mask = eyeball_mask(points, np.arange(width, dtype=float), np.arange(height, dtype=float))
    return np.ascontiguousarray(fine.transpose(2, 0, 1) * mask, np.float32)
