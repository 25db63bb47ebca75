"""A face in constant motion is told from one that only blinks, or moves once."""

import numpy as np

from model.records import SpotSignal, Stamp
from realtime.results.restlessness import RESTLESS_S, find_restless
from realtime.results.results import SignalAt
from realtime.spotting.motion import REGIONS

FLOOR_PX = dict.fromkeys(REGIONS, 0.25)
FPS = 10


def history(*thresholds: float) -> list[SignalAt]:
    """One sample a tenth of a second, with the threshold of the mouth's right corner."""
    found = []
    for index, px in enumerate(thresholds):
        threshold = np.full(len(REGIONS), 0.3, np.float32)
        threshold[REGIONS.index("mouth_corner_right")] = px
        signal = SpotSignal(np.zeros(len(REGIONS), np.float32), threshold, ())
        found.append(SignalAt(Stamp(index, index / FPS), signal))
    return found


LONG = round(RESTLESS_S * FPS) + 2


def test_a_threshold_that_stays_high_is_that_of_a_restless_region() -> None:
    assert find_restless(history(*[2.4] * LONG), FLOOR_PX) == {"mouth_corner_right": 2.4}


def test_a_threshold_that_was_high_for_a_while_is_not() -> None:
    once = history(*[0.3] * (LONG - LONG // 3), *[2.4] * (LONG // 3))
    assert find_restless(once, FLOOR_PX) == {}
    silenced = history(*[np.inf] * LONG)
    assert find_restless(silenced, FLOOR_PX) == {}


def test_too_short_a_time_says_nothing() -> None:
    assert find_restless(history(*[2.4] * 10), FLOOR_PX) == {}
    assert find_restless([], FLOOR_PX) == {}
