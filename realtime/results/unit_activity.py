"""How far each action unit moves the face at the moment, for the page's strips.

A continuous measure, not a find: the motion of the regions against the face at rest, as a sum of
the units' motions on a scanned face (non-negative least squares; C. L. Lawson and R. J. Hanson,
Solving Least Squares Problems, 1974, chapter 23).
"""

from collections import deque
from dataclasses import dataclass
from functools import cache

import numpy as np

from model.records import ArrayF32, ArrayF64, MotionSample
from realtime.spotting.expression_patterns import SCANNED_UNITS, read_units

EVERY_S = 0.125
REST_S = 6.0
"""The face at rest is the median of this time, as for macro-expressions."""
LEAST_REST_S = 1.0
LEAST_PX = 1.0
"""A unit that moves no region by this much at full strength is not told from noise."""


@cache
def unit_patterns() -> tuple[tuple[str, ...], ArrayF64]:
    """Return the unit of each pattern, (P,) names, twice if it has two sides; and the patterns,
    (2 R, P), u and v of each region, with the strongest region at 1."""
    scanned = read_units(SCANNED_UNITS)
    reach = {key: float(np.hypot(m[0::2], m[1::2]).max()) for key, m in scanned.items()}
    kept = [key for key, px in reach.items() if px >= LEAST_PX]
    patterns = np.stack([scanned[key] / reach[key] for key in kept], axis=1)
    return tuple(unit for unit, _ in kept), patterns


def activity_units() -> tuple[str, ...]:
    """Return the names of the units, in their order."""
    return tuple(dict.fromkeys(unit_patterns()[0]))


@dataclass(frozen=True, slots=True, eq=False)
class UnitMeasurement:
    """How far each action unit moved the face at a moment."""

    time_s: float
    """On the source's clock."""
    px: ArrayF32
    """(U,) float32, of each of `activity_units`: crop px of the region that it moves most, the
    stronger side."""


class UnitActivity:
    """Follows one face. Takes a tenth of a millisecond each `EVERY_S`."""

    def __init__(self) -> None:
        self._rest: deque[tuple[float, ArrayF32]] = deque()
        self._track: int | None = None
        self._last_s = -np.inf

    def measure(self, motion: MotionSample | None) -> UnitMeasurement | None:
        """Return a measurement; None between two of them, without a face, while eyes, head or light
        disturb, and until the face at rest is known."""
        if motion is None or motion.track != self._track:
            self._rest.clear()
            self._track = None if motion is None else motion.track
        if motion is None:
            return None
        now_s = motion.stamp.time_s
        if 0 <= now_s - self._last_s < EVERY_S:
            return None
        self._last_s = now_s
        self._rest.append((now_s, motion.displacement))
        while now_s - self._rest[0][0] > REST_S:
            self._rest.popleft()
        if motion.flags or now_s - self._rest[0][0] < LEAST_REST_S:
            return None
        from scipy.optimize import nnls  # takes a while; only pages that show the strips need it

        units, patterns = unit_patterns()
        rest = np.median([displacement for _, displacement in self._rest], axis=0)
        strengths, _ = nnls(patterns, (motion.displacement - rest).ravel().astype(np.float64))
        names = activity_units()
        found = np.zeros(len(names), np.float32)
        np.maximum.at(found, [names.index(unit) for unit in units], strengths)
        return UnitMeasurement(now_s, found)
