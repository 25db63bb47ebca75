"""Gaps: frames that a camera's driver dropped, told from its own times.

V4L2 numbers its frames, but OpenCV does not hand the numbers over. A time that lies a whole number
of periods after the last one says the same, as long as the camera keeps its rate: where each
interval is long, in the dark for example, the rate has changed and nothing is missing.
"""

import statistics
from collections import deque

INTERVALS = 30
"""The period is the median of so many."""
KNOWN = 10
"""Intervals before which it is not known."""
NEAR = 0.2
"""How far, in periods, an interval may be from a whole number of them; and a regular one from 1."""
LONGEST_S = 1.5
"""A longer gap is the camera's, which is then told to have been away."""


class GapCounter:
    """Takes the times of a camera's frames in their order."""

    def __init__(self) -> None:
        self._intervals_s: deque[float] = deque(maxlen=INTERVALS)
        self._last_s: float | None = None
        self._regular = False

    def push(self, time_s: float) -> int:
        """How many frames are missing before the one of `time_s`."""
        last_s, self._last_s = self._last_s, time_s
        if last_s is None:
            return 0
        interval_s = time_s - last_s
        lost = self._lost(interval_s)
        self._intervals_s.append(interval_s)
        return lost

    def reset(self) -> None:
        """The camera was away: what comes next follows nothing."""
        self._intervals_s.clear()
        self._last_s = None
        self._regular = False

    def _lost(self, interval_s: float) -> int:
        if len(self._intervals_s) < KNOWN:
            return 0
        periods = interval_s / statistics.median(self._intervals_s)
        was_regular, self._regular = self._regular, abs(periods - 1) <= NEAR
        whole = round(periods)
        if not was_regular or whole < 2 or interval_s > LONGEST_S:
            return 0
        return whole - 1 if abs(periods - whole) <= NEAR else 0
