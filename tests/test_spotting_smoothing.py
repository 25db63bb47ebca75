import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.records import Stamp
from realtime.spotting.smoothing import History


def filled(times, values, *, keep_s=10.0, smoothing_s=0.02):
    history = History(1, keep_s, smoothing_s)
    for i, (time_s, value) in enumerate(zip(times, values, strict=True)):
        history.push(Stamp(i, float(time_s)), np.array([value]))
    return history


def test_a_constant_stays_constant():
    history = filled(np.arange(50) / 60, np.full(50, 3.0))
    np.testing.assert_allclose(history.values, 3.0)


@pytest.mark.parametrize("fps", [25, 30, 60, 120, 240])
def test_noise_falls_with_the_rate_and_a_ramp_is_kept(fps):
    n = 2 * fps
    times = np.arange(n) / fps
    noise = np.random.default_rng(0).normal(0, 1, n)
    settled = filled(times, times + noise).values[:-fps, 0] - times[:-fps]
    assert settled[fps // 4 :].std() < min(1.0, 1.3 * np.sqrt(14 / fps))
    ramp = filled(times, times).values[:, 0]
    np.testing.assert_allclose(ramp[fps // 4 : -fps // 4], times[fps // 4 : -fps // 4], atol=1e-9)


def test_settled_values_do_not_change_any_more():
    rng = np.random.default_rng(1)
    times, values = np.arange(100) / 100, rng.normal(0, 1, 100)
    short, long = filled(times[:80], values[:80]), filled(times, values)
    np.testing.assert_allclose(short.values[:74], long.values[:74])


@given(st.lists(st.floats(0.001, 0.5), min_size=1, max_size=700))
def test_it_keeps_its_time_and_finds_by_time(steps):
    times = np.cumsum(steps)
    history = filled(times, times, keep_s=1.0)
    kept = history.times_s
    assert kept[-1] == times[-1]
    assert np.all(np.diff(kept) > 0)
    wanted = int(np.sum(times >= times[-1] - 1.0))
    assert len(history) >= wanted
    assert history.stamp(-1) == Stamp(len(times) - 1, float(times[-1]))
    assert history.stamp(0).time_s == kept[0]
    position = history.since(float(times[-1]))
    assert kept[position] == times[-1]


def test_clear_forgets_all():
    history = filled([0.0, 0.1], [1.0, 2.0])
    history.clear()
    assert len(history) == 0
    history.push(Stamp(9, 5.0), np.array([7.0]))
    np.testing.assert_array_equal(history.values, [[7.0]])
