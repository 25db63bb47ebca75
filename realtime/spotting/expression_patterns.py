"""How the skin moves in an expression: directions to look in.

`scanned_units.csv` holds, for each facial action and side, how far the regions of a scanned face
move at full strength (u, v in px of the 128 px crop). It was measured on the ICT Face Model Light
(USC Institute for Creative Technologies, 2020, MIT licence) by `tests/scanned_face.py`.
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
