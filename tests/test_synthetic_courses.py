"""Time courses of expressions, speech and head."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.synthetic.courses import Sway, sample_speech
from model.synthetic.event_schedule import PlannedExpression, TrueExpression

COURSE = PlannedExpression(TrueExpression(1.0, 1.15, 1.4, "micro", "", "", 1.0), 0.04, {})


@pytest.mark.parametrize("time_s", [0.0, 1.0, 1.4, 2.0])
def test_at_rest_up_to_the_onset_and_from_the_offset(time_s: float) -> None:
    assert COURSE.strength(time_s) == 0


@pytest.mark.parametrize("time_s", [1.131, 1.15, 1.169])
def test_full_strength_through_the_hold(time_s: float) -> None:
    assert COURSE.strength(time_s) == pytest.approx(1)


@given(st.floats(1.0, 1.13), st.floats(1.0, 1.13))
def test_rises_steadily_to_the_apex(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert COURSE.strength(low) <= COURSE.strength(high) + 1e-12


@given(st.floats(1.17, 1.4), st.floats(1.17, 1.4))
def test_falls_steadily_to_the_offset(a: float, b: float) -> None:
    early, late = sorted((a, b))
    assert COURSE.strength(early) >= COURSE.strength(late) - 1e-12


def test_speech_begins_and_ends_at_rest() -> None:
    bout = sample_speech(np.random.default_rng(3), 5.0, 8.0)
    for time_s in (4.9, 5.0, 8.0, 8.5):
        assert bout.pose(time_s) == pytest.approx((0.0, 0.0))


@pytest.mark.parametrize("seed", range(5))
def test_speech_opens_and_closes_a_few_times_a_second(seed: int) -> None:
    bout = sample_speech(np.random.default_rng(seed), 0.0, 4.0)
    times = np.arange(0, 4, 0.01)
    jaw = np.array([bout.pose(t)[0] for t in times])
    openings = np.count_nonzero((jaw[1:] > 0.1) & (jaw[:-1] <= 0.1))
    assert 8 <= openings <= 24
    assert -1 <= jaw.min() < 0 < jaw.max() <= 1
    assert np.abs(np.diff(jaw)).max() < 0.5


def test_sway_is_smooth_small_and_repeatable() -> None:
    times = np.arange(0, 120, 1 / 30)
    right = np.array([Sway(5).pose(t).right_mm for t in times[:5]])
    sway = Sway(5)
    path = np.array([sway.pose(t).right_mm for t in times])
    np.testing.assert_array_equal(path[:5], right)
    assert 0.5 < path.std() < 2.5
    assert np.abs(np.diff(path)).max() < 0.5


def test_no_sway_is_no_motion() -> None:
    pose = Sway(5).pose(3.0, 0.0)
    assert pose.right_mm == pose.down_mm == pose.turn_rad == pose.log_scale == 0
