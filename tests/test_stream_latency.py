"""Percentiles: exact while few, within 1 % when many, whole-run always."""

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
def test_few_values_give_exact_percentiles(values: list[float]) -> None:
    percentiles = Percentiles()
    for value in values:
        percentiles.add(value)
    summary = percentiles.summary()
    assert summary.p50 == nearest_rank(values, 50)
    assert summary.p95 == nearest_rank(values, 95)
    assert summary.p99 == nearest_rank(values, 99)
    assert summary.p999 == nearest_rank(values, 99.9)
    assert (summary.max, summary.n) == (max(values), len(values))


@given(latencies)
def test_many_values_give_percentiles_within_one_percent(values: list[float]) -> None:
    percentiles = Percentiles(exact=10)
    for value in values:
        percentiles.add(value)
    summary = percentiles.summary()
    for p, got in ((50, summary.p50), (95, summary.p95), (99.9, summary.p999)):
        assert got == pytest.approx(nearest_rank(values, p), rel=0.0101)
    assert (summary.max, summary.n) == (max(values), len(values))


def test_a_bad_minute_at_the_start_is_not_forgotten() -> None:
    percentiles = Percentiles(exact=100)
    for value in np.concatenate([np.full(50, 900.0), np.full(2000, 5.0)]):
        percentiles.add(float(value))
    summary = percentiles.summary()
    assert summary.p99 == pytest.approx(900, rel=0.01)
    assert summary.p95 == pytest.approx(5, rel=0.01)
    assert summary.max == 900


@pytest.mark.parametrize("ms", [math.nan, math.inf, -1.0])
def test_what_is_no_latency_is_refused(ms: float) -> None:
    with pytest.raises(ValueError, match="latency"):
        Percentiles().add(ms)
