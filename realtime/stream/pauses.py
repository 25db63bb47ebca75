"""Remembers when a run was paused, for data that arrive late."""

import math
import threading
from collections import deque

_KEPT = 64  # more pauses than anyone makes in the few seconds that data may be late


class Pauses:
    """The last pauses of one run, on the system's monotonic clock. Any thread may use it."""

    def __init__(self) -> None:
        self.running = threading.Event()
        """Cleared during a pause, otherwise set."""
        self.running.set()
        self._lock = threading.Lock()
        self._spans: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def begin(self, now_s: float) -> None:
        """Begin a pause."""
        with self._lock:
            self._spans.append((now_s, math.inf))
        self.running.clear()

    def end(self, now_s: float) -> None:
        """End the current pause."""
        with self._lock:
            begin_s, _ = self._spans.pop()
            self._spans.append((begin_s, now_s))
        self.running.set()

    def overlap(self, begin_s: float, end_s: float) -> bool:
        """Return whether any of the time from `begin_s` to `end_s` was in a pause."""
        with self._lock:
            return any(begin_s <= until_s and since_s <= end_s for since_s, until_s in self._spans)
