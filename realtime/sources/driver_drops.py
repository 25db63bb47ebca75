"""Detects frames that a camera's driver dropped, from the frames' times.

V4L2 numbers its frames, but OpenCV does not pass the numbers on. While the camera keeps its rate, a
gap of a whole number of periods shows the same. If every interval is long (in the dark, say), the
rate has changed and nothing is missing.
"""

import statistics
from collections import deque

INTERVALS = 30
"""The period is the median of this many intervals."""
MIN_INTERVALS = 10
"""The period is known after this many intervals."""
PERIOD_TOLERANCE = 0.2
"""Greatest distance, in periods, of an interval from a whole number, and of a regular one from
1."""
CAMERA_AWAY_S = 1.5
"""A longer gap means that the camera was away."""


class GapCounter:
    """Takes the times of a camera's frames in order."""

    def __init__(self) -> None:
        self._intervals_s: deque[float] = deque(maxlen=INTERVALS)
        self._last_s: float | None = None
        self._regular = False

    def push(self, time_s: float) -> int:
        """Return how many frames are missing before the one at `time_s`."""
        last_s, self._last_s = self._last_s, time_s
        if last_s is None:
            return 0
        interval_s = time_s - last_s
        lost = self._count_lost(interval_s)
        self._intervals_s.append(interval_s)
        return lost

    def reset(self) -> None:
        """Forget the last time, because the camera was away."""
        self._intervals_s.clear()
        self._last_s = None
        self._regular = False

    def _count_lost(self, interval_s: float) -> int:
        if len(self._intervals_s) < MIN_INTERVALS:
            return 0
        periods = interval_s / statistics.median(self._intervals_s)
        was_regular, self._regular = self._regular, abs(periods - 1) <= PERIOD_TOLERANCE
        whole = round(periods)
        if not was_regular or whole < 2 or interval_s > CAMERA_AWAY_S:
            return 0
        return whole - 1 if abs(periods - whole) <= PERIOD_TOLERANCE else 0
