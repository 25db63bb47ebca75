"""Percentiles of latencies over a run of any length, in bounded memory.

Values are counted in log-spaced bins, so percentiles over the whole run are correct to half a
percent. Keeping only the last N values would forget the worst minute of an hour. A random sample
of N would lose the tail, which is what these figures are for. Maximum and count are exact.

Not thread-safe: the owner locks, copies, and computes the summary from the copy.
"""

import copy
import math
from dataclasses import dataclass

import numpy as np

_LOWEST_MS = 1e-3
_HIGHEST_MS = 1e7
_STEP = math.log(1.01)  # a bin's middle is within 0.5 % of every value in it
_BINS = math.ceil(math.log(_HIGHEST_MS / _LOWEST_MS) / _STEP) + 1


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Percentiles in ms over `n` values. All are 0.0 when `n` is 0: look at `n` first."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    """The 99.9th percentile; for fewer than 1000 values, the greatest."""
    max: float = 0.0
    n: int = 0


class Percentiles:
    """Collects latencies in ms."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self._n = 0
        self._max = 0.0

    def add(self, ms: float) -> None:
        """Take one latency in ms. Raises `ValueError` unless it is finite and at least 0: any other
        value is a bug upstream and would falsify the percentiles."""
        if not (math.isfinite(ms) and ms >= 0):
            raise ValueError(f"a latency is a finite number of ms from 0 up, got {ms}")
        clipped = min(max(ms, _LOWEST_MS), _HIGHEST_MS)
        self._counts[int(math.log(clipped / _LOWEST_MS) / _STEP)] += 1
        self._n += 1
        self._max = max(self._max, ms)

    def copy(self) -> "Percentiles":
        """Return a copy, in microseconds: 18 kB."""
        other = copy.copy(self)
        other._counts = self._counts.copy()
        return other

    def summary(self) -> LatencySummary:
        """Return the percentiles so far: each is the smallest value that at least p % do not
        exceed."""
        if self._n == 0:
            return LatencySummary()
        ranks = [math.ceil(self._n * p / 100) for p in (50, 95, 99, 99.9)]
        bins = np.searchsorted(np.cumsum(self._counts), ranks)
        values = np.minimum(_LOWEST_MS * np.exp((bins + 0.5) * _STEP), self._max)
        p50, p95, p99, p999 = (float(value) for value in values)
        return LatencySummary(p50, p95, p99, p999, self._max, self._n)
