"""Percentiles with confidence intervals.

A stall delays several frames in a row, so the intervals resample blocks of consecutive frames, not
single frames (moving block bootstrap: H. R. Künsch, Ann. Statist. 17(3), 1989). Frame by frame, a
stall of twenty frames would count as twenty independent observations.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.records import ArrayF64

NAMES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
"""Percentiles by name."""
RESAMPLED_BLOCK_S = 0.5
RESAMPLES = 1000
CONFIDENCE = 0.95
FEWEST_BLOCKS = 8
"""With fewer blocks, an interval would say more about the blocks than about the program."""

_SEED = 0
_AT_ONCE = 2**22  # values resampled at a time: 32 MB


def tail(values_ms: ArrayF64 | Sequence[float], per_s: float = 0.0) -> dict[str, Any]:
    """Return percentiles of latencies. `values_ms`: in order of time, about `per_s` a second, `inf`
    for what was never done. A percentile is the smallest value that at least p % do not exceed.

    `p50`, `p95`, `p99`, `p999`, `max`: ms; None if the value is `inf`, or if there are so few that
    none lies beyond it. `n`: how many. `intervals`: 95 % interval by percentile; an upper end of
    None is unbounded; empty if there are too few values.
    """
    values = np.asarray(values_ms, np.float64)
    n = len(values)
    found: dict[str, Any] = {**dict.fromkeys(NAMES), "max": None, "n": n, "intervals": {}}
    if n == 0:
        return found
    ordered = np.sort(values)
    known = {name: p for name, p in NAMES.items() if n >= fewest(p)}
    found |= {name: _finite(ordered[rank(n, p)]) for name, p in known.items()}
    found["max"] = _finite(ordered[-1])
    block = block_length(per_s)
    if n >= FEWEST_BLOCKS * block and np.isfinite(ordered[0]):
        low, high = interval(resample(values, block, tuple(known.values())))
        found["intervals"] = {
            name: (float(a), _finite(b))
            for name, a, b in zip(known, low, high, strict=True)
            if np.isfinite(a)
        }
    return found


def fewest(p: float) -> int:
    """Return how many values it takes for one to lie beyond percentile `p`."""
    return math.ceil(100 / (100 - p) - 1e-9)


def rank(n: int, p: float) -> int:
    """Return the index of percentile `p` among `n` sorted values."""
    # The rounding error of 0.999 × 1000 must not raise the rank by one.
    return min(n - 1, max(0, math.ceil(n * p / 100 - 1e-9) - 1))


def block_length(per_s: float) -> int:
    """Return the number of values in a block, at `per_s` values a second."""
    return max(1, round(RESAMPLED_BLOCK_S * per_s))


def resample(values: ArrayF64, block: int, percents: tuple[float, ...]) -> ArrayF64:
    """Return the percentiles `percents` of `RESAMPLES` series that are drawn from `values` in
    blocks: float64, a row for each series, a column for each percentile."""
    n = len(values)
    rng = np.random.default_rng(_SEED)
    ranks = [rank(n, p) for p in percents]
    rows: list[ArrayF64] = []
    at_once = max(1, _AT_ONCE // n)
    for first in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - first)
        starts = rng.integers(0, n - block + 1, (count, -(-n // block), 1))
        series = values[(starts + np.arange(block)).reshape(count, -1)[:, :n]]
        series.partition(sorted(set(ranks)), axis=1)
        rows.append(series[:, ranks])
    return np.concatenate(rows)


def interval(drawn: ArrayF64) -> ArrayF64:
    """Return the ends of the 95 % interval of each column of `drawn`: (2, columns)."""
    rest = (1 - CONFIDENCE) / 2 * 100
    return np.sort(drawn, axis=0)[[rank(len(drawn), share) for share in (rest, 100 - rest)]]


def format_percentile(found: Mapping[str, Any], name: str, *, interval: bool = False) -> str:
    """Return a percentile, or `max`, of a `tail` as text: "–" for too few values, "∞" if it
    is a frame that was never analysed. With `interval`, if it has one: "9.1 (8.8–9.6)"."""
    value = found[name]
    if value is None:
        return "∞" if found["n"] >= fewest(NAMES.get(name, 0.0)) else "–"
    ends = found["intervals"].get(name) if interval else None
    return format_ms(value) + (f" ({format_ms(ends[0])}–{format_ms(ends[1])})" if ends else "")


def format_ms(ms: float | None) -> str:
    """Return `ms` as text with the digits that matter; "∞" for None."""
    if ms is None:
        return "∞"
    return f"{ms:.2f}" if ms < 1 else f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
