"""Tells a face in constant motion, whose thresholds have risen with it, from one at rest."""

from collections.abc import Mapping, Sequence

import numpy as np

from realtime.results.results import SignalAt
from realtime.spotting.motion import REGIONS

RESTLESS_S = 4.0
"""Thresholds raised for most of this time are those of a face in constant motion. A blink or a
turn of the head raises them for less."""
RESTLESS_FACTOR = 2.0
"""Times its floor, for a threshold that counts as raised."""


def find_restless(history: Sequence[SignalAt], floor_px: Mapping[str, float]) -> dict[str, float]:
    """Return the regions in constant motion, each with its usual threshold of the last
    `RESTLESS_S`, crop px. `history`: signals in order of time; empty if they span less.
    `floor_px`: the lowest threshold of each region."""
    if not history:
        return {}
    last_s = history[-1].stamp.time_s
    if last_s - history[0].stamp.time_s < RESTLESS_S:
        return {}
    recent = [e.signal.threshold for e in history if e.stamp.time_s >= last_s - RESTLESS_S]
    usual = np.median(recent, axis=0)
    return {
        name: round(float(px), 2)
        for name, px in zip(REGIONS, usual, strict=True)
        if np.isfinite(px) and px >= RESTLESS_FACTOR * floor_px[name]
    }
