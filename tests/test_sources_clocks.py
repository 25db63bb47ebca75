"""Clocks of cameras: another machine's followed without steps, and frames that are missing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.sources.driver_drops import CAMERA_AWAY_S, MIN_INTERVALS, GapCounter
from realtime.stream.slewed_clock import SLEW, STEP_S, SlewedClock


@pytest.mark.parametrize("drift", [1e-4, -1e-4])
def test_a_clock_that_drifts_is_followed_for_hours(drift: float) -> None:
    """100 ppm are 0.36 s an hour. What is known of the offset is wrong by up to 2 ms."""
    rng = np.random.default_rng(1)
    clock, fps = SlewedClock(), 30
    there_s = np.arange(2 * 3600 * fps) / fps
    true_s = 5000 + there_s * (1 + drift)
    known_s = np.repeat(rng.uniform(-2e-3, 2e-3, 2 * 3600), fps) + (true_s - there_s)
    here_s = np.array([clock.here_s(t, o) for t, o in zip(there_s, known_s, strict=True)])
    assert np.abs(here_s - true_s).max() < 4e-3
    steps_s = np.diff(here_s) - 1 / fps
    assert np.abs(steps_s).max() <= SLEW / fps + 1e-9


@given(
    st.lists(
        st.tuples(st.floats(1e-3, 2.0), st.floats(-STEP_S / 2, STEP_S / 2)), min_size=2, max_size=50
    )
)
def test_no_time_runs_back_or_steps_whatever_is_known(frames: list[tuple[float, float]]) -> None:
    clock, there_s, pairs = SlewedClock(), 0.0, []
    for interval_s, offset_s in frames:
        there_s += interval_s
        pairs.append((there_s, clock.here_s(there_s, offset_s)))
    for (there_a, here_a), (there_b, here_b) in pairwise(pairs):
        apart_s = there_b - there_a
        assert here_b > here_a
        assert abs(here_b - here_a - apart_s) <= SLEW * apart_s + 1e-9


def test_a_clock_that_stood_still_is_caught_up_with() -> None:
    """A machine that slept: the time in between is a gap, not a hundred hours of slewing."""
    clock = SlewedClock()
    assert clock.here_s(10.0, 100.0) == 110.0
    assert clock.here_s(10.1, 100.0 + 3600) == pytest.approx(3710.1)
    # Never back: an answer that was delayed by seconds says so.
    assert clock.here_s(10.2, 100.0) == pytest.approx(3710.2, abs=1e-3)


def pushed(times_s: list[float]) -> list[int]:
    counter = GapCounter()
    return [counter.push(time_s) for time_s in times_s]


def test_frames_that_a_driver_dropped_are_told_from_its_times() -> None:
    kept = [n for n in range(60) if n not in (20, 35, 36, 50)]
    lost = pushed([n / 30 for n in kept])
    assert {kept[place]: n for place, n in enumerate(lost) if n} == {21: 1, 37: 2, 51: 1}


def test_a_rate_that_changes_is_no_loss() -> None:
    """Exposure in the dark: from 30 to 15 frames a second and back. The first long interval alone
    could be either."""
    times_s = [n / 30 for n in range(30)]
    times_s += [times_s[-1] + (n + 1) / 15 for n in range(30)]
    times_s += [times_s[-1] + (n + 1) / 30 for n in range(30)]
    assert sum(pushed(times_s)) <= 1


@given(st.lists(st.floats(0.8, 1.2), min_size=20, max_size=60))
def test_jitter_is_no_loss(periods: list[float]) -> None:
    assert sum(pushed(list(np.cumsum(periods) / 30))) == 0


def test_what_is_not_known_is_not_counted() -> None:
    counter = GapCounter()
    assert [counter.push(n / 30) for n in (0, 1, 5, 6)] == [0] * 4, "no period yet"
    counter.reset()
    for n in range(MIN_INTERVALS + 2):
        assert counter.push(100 + n / 30) == 0
    assert counter.push(100 + n / 30 + CAMERA_AWAY_S + 0.5) == 0, "the camera's own pause"
