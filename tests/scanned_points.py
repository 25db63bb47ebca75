"""Measures where a scanned face's skin goes at the FaceMesh points: the figures behind
`model.synthetic.scanned_face`.

    python tests/scanned_points.py ict_face_model.npz model/synthetic/scanned_points.npz

`tests/scanned_face.py` says what the model holds. The points are found on it from the Multi-PIE
points, which both have, by a thin-plate spline between the demo portrait and the mean face, seen
from the front.
"""

import sys
from pathlib import Path

import numpy as np
from scanned_face import INNER_EYE_CORNERS as MULTI_PIE_EYES
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree

from model.cli import exit_code
from model.errors import InputError
from model.face.aligned_crop import INNER_EYE_CORNERS
from model.records import ArrayF32, ArrayF64
from model.synthetic.action_units import INNER_EYE_MM, px_per_mm
from model.synthetic.portrait import read_landmarks

MULTI_PIE = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
"""The FaceMesh point nearest to each of the 68."""
_UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
_LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
_LIPS_MEET = 0.35  # of the jaw's motion: more is lower lip
_NEAREST, _BLUR_MM = 8, 1.5  # vertices that a point is the mean of, and their Gaussian weight
_HIDDEN_MM = 6.0  # a vertex this far behind its neighbours' foremost lies inside the mouth or lids
_NEIGHBOURS_MM = 3.0


def main(arguments: list[str]) -> None:
    """Measure the model at the first path and write the figures to the second."""
    if len(arguments) != 2:
        raise InputError("give two paths: the model (.npz) and the figures to write (.npz)")
    with np.load(arguments[0]) as model:
        arrays = {name: model[name] for name in model.files}
    neutral = arrays["neutral"].astype(np.float64)
    multi_pie = neutral[arrays["landmarks_68"]]
    mm = INNER_EYE_MM / float(np.linalg.norm(np.diff(multi_pie[MULTI_PIE_EYES], axis=0)))
    names = [str(name) for name in arrays["expression_names"]]
    moves = mm * arrays["expressions"].astype(np.float64)
    jaw = np.linalg.norm(moves[names.index("jawOpen")], axis=1)
    shares = _shares(mm * neutral, mm * multi_pie, jaw / jaw.max())
    down = np.array([1, -1, 1])
    rest = mm * (shares @ neutral) * down
    rest -= rest[list(INNER_EYE_CORNERS)].mean(axis=0)
    with Path(arguments[1]).open("xb") as file:
        np.savez_compressed(
            file,
            names=np.array(names),
            rest_mm=rest.astype(np.float32),
            moves_mm=(np.einsum("pv,evc->epc", shares, moves) * down).astype(np.float16),
        )


def _shares(neutral: ArrayF64, multi_pie: ArrayF64, jaw: ArrayF64) -> ArrayF64:
    """(468, V): each FaceMesh point as shares of vertices. `neutral` is (V, 3) mm."""
    portrait: ArrayF32 = read_landmarks("portrait_landmarks.csv")
    known = portrait[list(MULTI_PIE)].astype(np.float64)
    size = px_per_mm(portrait)
    spline = RBFInterpolator(known / size, multi_pie[:, :2], smoothing=1.0)
    places = spline(portrait.astype(np.float64) / size)
    tree = KDTree(neutral[:, :2])
    front = np.array(
        [
            neutral[near, 2].max() - neutral[i, 2] < _HIDDEN_MM
            for i, near in enumerate(tree.query_ball_point(neutral[:, :2], _NEIGHBOURS_MM))
        ]
    )
    shares = np.zeros((len(places), len(neutral)))
    for k, place in enumerate(places):
        usable = front.copy()
        if k in _UPPER_LIP:
            usable &= jaw < _LIPS_MEET
        if k in _LOWER_LIP:
            usable &= jaw >= _LIPS_MEET
        vertices = np.flatnonzero(usable)
        away = np.linalg.norm(neutral[vertices, :2] - place, axis=1)
        near = np.argsort(away)[:_NEAREST]
        weights = np.exp(-((away[near] - away[near[0]]) ** 2) / (2 * _BLUR_MM**2))
        shares[k, vertices[near]] = weights / weights.sum()
    return shares


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
