"""How probable it is that a micro-expression is one: the numbers alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.spotting.me_probability import AT_BAR, HIGHEST, LOWEST, margin_of, me_probability


def test_what_is_just_strong_enough_has_the_usual_probability_and_the_other_way_round() -> None:
    assert margin_of(AT_BAR) == 1.0  # to the last bit: the usual list must stay as it is
    assert me_probability(1.0) == pytest.approx(AT_BAR)
    assert LiveConfig().least_me_probability == AT_BAR
    assert round(AT_BAR, 2) == AT_BAR  # the page's slider counts whole percents


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_more_strength_is_never_less_probable(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= me_probability(low) <= me_probability(high) < 1


@given(st.floats(LOWEST, HIGHEST))
def test_a_probability_comes_back_from_its_margin(probability: float) -> None:
    assert me_probability(margin_of(probability)) == pytest.approx(probability)


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.5, LOWEST - 0.01, float("nan")])
def test_an_impossible_wish_is_refused_with_the_limits(probability: float) -> None:
    with pytest.raises(InputError, match=r"--least-me-probability .*\(more expressions\) to 0.99"):
        LiveConfig(least_me_probability=probability)
