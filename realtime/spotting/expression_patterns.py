"""How the skin moves in an expression: directions to look in. And how a face seems to move without
one.

`scanned_units.csv` holds, for each facial action and side, how far the regions of a scanned face
move at full strength (u, v in px of the 128 px crop). It was measured on the ICT Face Model Light
(USC Institute for Creative Technologies, 2020, MIT licence) by `tests/scanned_face.py`.
`scanned_places.csv` says where the regions lie on that face: x and y in the crop, and z towards the
camera, px.
Which actions come together, how strongly and on which side is the catalogue's
(`model.synthetic.expressions`).
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from model.labels import CLASSES
from model.records import ArrayF64
from model.synthetic.expressions import sample_expression
from realtime.spotting.motion import REGIONS

SCANNED_UNITS = Path(__file__).with_name("scanned_units.csv")
COLUMNS = ("unit", "side", *(f"{region}_{axis}" for region in REGIONS for axis in "uv"))
"""Of the table. The side is the person's: right, left, or both."""

_COUNT, _SEED = 300, 3
_LEAST_PX = 0.3  # an expression that moves no region by this much at full strength is not seen


NEAR_PX = 20.0
"""Standard deviation of the distance within which regions share their noise."""
OWN, SHIFT, TURN = 0.3, 0.3, 0.4
"""Variances of a region's own noise, of a shift of all regions and of a turn of the head, against
that of the noise which neighbours share."""
BLINK_BROWS_PX, BLINK_BROW_PX, BLINK_LID_PX, BLINK_FACE_PX = 0.5, 0.25, 0.4, 0.1
"""How far a blink seems to move all brows up or down together, each brow, the lids, and the face,
standard deviations. Measured on four people; the mesh moves the crop as it loses the eyes."""


def read_units(path: Path) -> Mapping[tuple[str, str], ArrayF64]:
    """Return the motion, (2 R,) as u and v of each region, of each unit and side."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (row["unit"], row["side"]): np.array([float(row[name]) for name in COLUMNS[2:]])
            for row in csv.DictReader(file)
        }


@cache
def expression_patterns() -> ArrayF64:
    """Return directions of expressions, (P, 2 R), each with its strongest region at 1."""
    units = read_units(SCANNED_UNITS)
    still = np.zeros(2 * len(REGIONS))
    rng = np.random.default_rng(_SEED)
    patterns = []
    for k in range(_COUNT):
        motion = still.copy()
        for unit, (right, left) in sample_expression(rng, CLASSES[k % len(CLASSES)]).items():
            motion += right * units.get((unit, "right"), still)
            motion += left * units.get((unit, "left"), still)
            motion += (right + left) / 2 * units.get((unit, "both"), still)
        size = float(np.hypot(motion[0::2], motion[1::2]).max())
        if size > _LEAST_PX:
            patterns.append(motion / size)
    return np.array(patterns)


@cache
def region_places() -> ArrayF64:
    """Return where the regions lie on the scanned face, (R, 3): x, y, and z towards the camera,
    px of the crop."""
    with Path(__file__).with_name("scanned_places.csv").open(encoding="utf-8", newline="") as file:
        places = {
            row["region"]: [float(row[axis]) for axis in "xyz"] for row in csv.DictReader(file)
        }
    return np.array([places[name] for name in REGIONS])


@cache
def usual_noise() -> ArrayF64:
    """Return the covariance of the regions' apparent motion on a face at rest, (2 R, 2 R), with a
    mean variance of 1: neighbours move together, and a head that turns moves what is near the
    camera further."""
    place = region_places()
    apart = np.linalg.norm(place[:, None, :2] - place[None, :, :2], axis=2)
    near = place[:, 2] - place[:, 2].mean()
    near /= near.std()
    shared = np.exp(-((apart / NEAR_PX) ** 2) / 2) + SHIFT + TURN * np.outer(near, near)
    covariance = np.kron(shared, np.eye(2)) + OWN * np.eye(2 * len(REGIONS))
    scaled: ArrayF64 = covariance * (len(covariance) / np.trace(covariance))
    return scaled


@cache
def blink_noise() -> ArrayF64:
    """Return the covariance, (2 R, 2 R) px², of what a blink adds to the regions' motion."""
    brows = np.array([name.startswith("brow") for name in REGIONS])
    lids = np.array([name.startswith("lid") for name in REGIONS])
    together = np.kron(brows, (0.0, BLINK_BROWS_PX))
    own = np.repeat(BLINK_BROW_PX**2 * brows + BLINK_LID_PX**2 * lids, 2)
    covariance: ArrayF64 = np.outer(together, together) + np.diag(own)
    return covariance + BLINK_FACE_PX**2 * usual_noise()
