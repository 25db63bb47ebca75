"""Percentiles of every value that was measured, and how sure they are.

Neighbouring frames share their stalls, so intervals resample blocks of consecutive frames, not
frames (moving block bootstrap: H. R. Künsch, Ann. Statist. 17(3), 1989): drawn frame by frame,
one stall of twenty frames would count as twenty independent observations.
"""

import math
from dataclasses import dataclass

import numpy as np

from model.records import ArrayF64

RANKS = (50.0, 95.0, 99.0, 99.9)
"""In percent."""
NAMES = ("p50", "p95", "p99", "p999")
"""What they are called."""
BLOCK_S = 0.5
RESAMPLES = 1000
CONFIDENCE = 0.95
FEWEST_BLOCKS = 8
"""With fewer an interval would say more about the blocks than about the program."""

_SEED = 0
_AT_ONCE = 2**22  # values resampled at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Tail:
    """Percentiles in ms. A value is None where there is none: the percentile is a frame that was
    never analysed, or it is so far out that no value lies beyond it."""

    p50: float | None
    p95: float | None
    p99: float | None
    p999: float | None
    max: float | None
    n: int
    intervals: dict[str, tuple[float, float | None]]
    """95 % interval by percentile; an upper end of None has no bound. Empty if too few values."""


def tail(values_ms: ArrayF64, per_s: float) -> Tail:
    """Of latencies in the order in which they arose, about `per_s` of them a second, `inf` for
    what was never done. Each percentile is the smallest value that at least p % do not exceed."""
    n = len(values_ms)
    if n == 0:
        return Tail(None, None, None, None, None, 0, {})
    ordered = np.sort(values_ms)
    known = [p for p in RANKS if n >= fewest(p)]
    found = {name: _finite(ordered[rank(n, p)]) for name, p in zip(NAMES, known, strict=False)}
    intervals: dict[str, tuple[float, float | None]] = {}
    block = block_length(per_s)
    if n >= FEWEST_BLOCKS * block and np.isfinite(ordered[0]):
        drawn = resampled(values_ms, block, tuple(known))
        rest = (1 - CONFIDENCE) / 2
        low, high = (drawn[_at(RESAMPLES, share)] for share in (rest, 1 - rest))
        intervals = {
            name: (float(a), _finite(b))
            for name, a, b in zip(NAMES, low, high, strict=False)
            if np.isfinite(a)
        }
    p50, p95, p99, p999 = (found.get(name) for name in NAMES)
    return Tail(p50, p95, p99, p999, _finite(ordered[-1]), n, intervals)


def fewest(p: float) -> int:
    """Values that it takes to have one beyond percentile `p`."""
    return math.ceil(100 / (100 - p) - 1e-9)


def rank(n: int, p: float) -> int:
    """Place, from 0, of percentile `p` among `n` ordered values."""
    return _at(n, p / 100)


def block_length(per_s: float) -> int:
    """Values in a block, at `per_s` of them a second."""
    return max(1, round(BLOCK_S * per_s))


def resampled(values: ArrayF64, block: int, percents: tuple[float, ...]) -> ArrayF64:
    """Each of `percents` of `RESAMPLES` series drawn from `values` in blocks: float64, a column
    for each, sorted down the columns."""
    n = len(values)
    rng = np.random.default_rng(_SEED)
    blocks = -(-n // block)
    within = np.arange(block)
    ranks = [rank(n, p) for p in percents]
    rows: list[ArrayF64] = []
    at_once = max(1, _AT_ONCE // n)
    for first in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - first)
        starts = rng.integers(0, n - block + 1, (count, blocks, 1))
        series = values[(starts + within).reshape(count, -1)[:, :n]]
        series.partition(sorted(set(ranks)), axis=1)
        rows.append(series[:, ranks])
    return np.sort(np.concatenate(rows), axis=0)


def _at(n: int, share: float) -> int:
    # What is left of 0.999 × 1000 in binary must not push the rank one up.
    return min(n - 1, max(0, int(np.ceil(n * share - 1e-9)) - 1))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
