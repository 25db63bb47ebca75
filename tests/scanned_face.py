"""Measures how the spotter's regions move on a scanned face, and where they lie: the tables behind
`realtime.spotting.expression_patterns`.

    cd realtime/spotting
    python ../../tests/scanned_face.py ict_face_model.npz scanned_units.csv scanned_places.csv

The model is the ICT Face Model Light as arrays: `neutral` (V, 3), `expressions` (E, V, 3),
`expression_names` (E,), `landmarks_68` (68,) vertices of the Multi-PIE points; x to the person's
left, y up, z towards the camera.

`tests/scanned_points.py` measures the same model for `model.synthetic.scanned_face`. Neither can be
computed from the other: a region here is a mean over all vertices around it, weighted like the
spotter's regions, and a FaceMesh point there is a mean over the few nearest.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from model.cli import exit_code
from model.errors import InputError
from model.face.aligned_crop import EYE_HALF_PX, EYE_MIDPOINT_PX
from model.records import ArrayF64
from model.synthetic.scanned_face import UNITS
from realtime.spotting.expression_patterns import COLUMNS
from realtime.spotting.motion import REGION_SIGMA_PX, REGIONS

_POINTS: dict[str, dict[int, float]] = {
    "brow_outer_right": {17: 0.5, 18: 0.5},
    "brow_middle_right": {19: 1},
    "brow_inner_right": {20: 0.5, 21: 0.5},
    "brow_inner_left": {22: 0.5, 23: 0.5},
    "brow_middle_left": {24: 1},
    "brow_outer_left": {25: 0.5, 26: 0.5},
    "lid_lower_right": {40: 0.5, 41: 0.5},
    "lid_lower_left": {46: 0.5, 47: 0.5},
    "nose_wing_right": {31: 1},
    "nose_wing_left": {35: 1},
    "cheek_right": {31: 0.5, 3: 0.5},
    "cheek_left": {35: 0.5, 13: 0.5},
    "mouth_corner_right": {48: 1},
    "mouth_corner_left": {54: 1},
    "lip_upper": {50: 1 / 3, 51: 1 / 3, 52: 1 / 3},
    "lip_lower": {56: 1 / 3, 57: 1 / 3, 58: 1 / 3},
    "chin": {8: 0.7, 57: 0.3},
}
"""Each region's centre as shares of Multi-PIE points."""
INNER_EYE_CORNERS = [39, 42]
"""Multi-PIE points: the person's right, then left."""
_HIDDEN = 3.0  # model units (about cm) behind a region's centre: the back of the head


def main(arguments: list[str]) -> None:
    """Measure the model at the first path and write the tables to the second and third."""
    if len(arguments) != 3:
        raise InputError("give three paths: the model (.npz) and the two tables to write (.csv)")
    with np.load(arguments[0]) as model:
        arrays = {name: model[name] for name in model.files}
    neutral = arrays["neutral"].astype(np.float64)
    names = [str(name) for name in arrays["expression_names"]]
    points = neutral[arrays["landmarks_68"]]
    px = 2 * EYE_HALF_PX / float(np.linalg.norm(np.diff(points[INNER_EYE_CORNERS, :2], axis=0)))
    weights = _region_weights(neutral, points, REGION_SIGMA_PX / px)
    with Path(arguments[1]).open("x", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for unit, action in UNITS.items():
            for side, ending in (("right", "_R"), ("left", "_L"), ("both", "")):
                if action + ending in names:
                    moved = arrays["expressions"][names.index(action + ending)].astype(np.float64)
                    motion = px * (weights @ moved)[:, :2] * (1, -1)
                    table.writerow([unit, side, *(f"{value:.2f}" for value in motion.ravel())])
    middle = points[INNER_EYE_CORNERS].mean(axis=0)
    places = px * (weights @ neutral - middle) * (1, -1, 1) + (*EYE_MIDPOINT_PX, 0.0)
    with Path(arguments[2]).open("x", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("region", "x", "y", "z"))
        for name, place in zip(REGIONS, places, strict=True):
            table.writerow([name, *(f"{value:.1f}" for value in place)])


def _region_weights(neutral: ArrayF64, points: ArrayF64, sigma: float) -> ArrayF64:
    """Return (R, V): a Gaussian around each region's centre, over the front of the face."""
    centres = np.array([sum(w * points[k] for k, w in _POINTS[name].items()) for name in REGIONS])
    away = ((neutral[None, :, :2] - centres[:, None, :2]) ** 2).sum(axis=-1)
    weights = np.exp(-away / (2 * sigma**2))
    weights *= neutral[None, :, 2] > centres[:, None, 2] - _HIDDEN
    shares: ArrayF64 = weights / weights.sum(axis=1, keepdims=True)
    return shares


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
