"""Percentiles: within half a percent, over the whole run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.stream.latency import LatencySummary, Percentiles

latencies = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=300)


def nearest_rank(values: list[float], p: float) -> float:
    return sorted(values)[math.ceil(len(values) * p / 100) - 1]


def test_nothing_measured_is_said_by_n() -> None:
    assert Percentiles().summary() == LatencySummary(n=0)


@given(latencies)
def test_percentiles_are_within_half_a_percent(values: list[float]) -> None:
    percentiles = Percentiles()
    for value in values:
        percentiles.add(value)
    summary = percentiles.summary()
    shown = (summary.p50, summary.p95, summary.p99, summary.p999)
    for p, got in zip((50, 95, 99, 99.9), shown, strict=True):
        assert got == pytest.approx(nearest_rank(values, p), rel=0.0051)
    assert (summary.max, summary.n) == (max(values), len(values))


def test_a_bad_minute_at_the_start_is_not_forgotten() -> None:
    percentiles = Percentiles()
    for value in np.concatenate([np.full(50, 900.0), np.full(2000, 5.0)]):
        percentiles.add(float(value))
    summary = percentiles.summary()
    assert summary.p99 == pytest.approx(900, rel=0.0051)
    assert summary.p95 == pytest.approx(5, rel=0.0051)
    assert summary.max == 900


@pytest.mark.parametrize("ms", [math.nan, math.inf, -1.0])
def test_what_is_no_latency_is_refused(ms: float) -> None:
    with pytest.raises(ValueError, match="latency"):
        Percentiles().add(ms)


def test_a_copy_stays_as_it_is() -> None:
    percentiles = Percentiles()
    percentiles.add(3.0)
    before = percentiles.copy()
    percentiles.add(50.0)
    assert (before.summary().n, before.summary().max) == (1, 3.0)
    assert percentiles.summary().n == 2
