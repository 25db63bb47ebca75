"""Temperature and the least confidence, against what they are defined by."""

import numpy as np
import pytest
import torch
from easy import easy_samples
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from model.engine.forward import softmax
from model.errors import InputError
from model.inference.confidence import (
    MOST_REFUSED,
    TEMPERATURES,
    fit_confidence,
    fit_temperature,
    fit_threshold,
)
from model.labels import NO_EXPRESSION
from model.records import ArrayF32


def drawn(temperature: float, count: int = 4000, seed: int = 0) -> tuple[ArrayF32, list[int]]:
    """Logits that are `temperature` times too large, and classes drawn as they should say."""
    rng = np.random.default_rng(seed)
    true = 2 * rng.normal(size=(count, 3)).astype(np.float32)
    labels = [int(rng.choice(3, p=p / p.sum())) for p in softmax(true).astype(np.float64)]
    return temperature * true, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.06)


@given(st.integers(0, 50), st.floats(0.3, 8.0))
def test_no_other_temperature_is_likelier(seed: int, other: float) -> None:
    logits, labels = drawn(2.0, 30, seed)

    def loss(temperature: float) -> float:
        shares = softmax(logits / temperature).astype(np.float64)
        return float(-np.log(shares[np.arange(30), labels]).mean())

    assert loss(fit_temperature(logits, labels)) <= loss(other) + 1e-6


def test_a_temperature_has_limits() -> None:
    perfect = np.eye(3, dtype=np.float32)
    assert fit_temperature(perfect, [0, 1, 2]) == pytest.approx(TEMPERATURES[0])
    assert fit_temperature(perfect, [1, 2, 0]) == pytest.approx(TEMPERATURES[1])
    for logits, labels in (
        (np.zeros((0, 3)), []),
        (perfect, [0]),
        (np.full((1, 3), np.nan), [0]),
    ):
        with pytest.raises(InputError, match="temperature"):
            fit_temperature(logits.astype(np.float32), labels)


def shares(confidence: list[float]) -> ArrayF32:
    """Two classes, the first named."""
    first = np.array(confidence, np.float32)
    return np.stack([first, 1 - first], axis=1)


def test_the_least_confidence_parts_what_can_be_parted() -> None:
    least = fit_threshold(shares([0.95, 0.9, 0.8, 0.6, 0.55]), [0, 0, 0, -1, -1])
    assert least == pytest.approx(0.7)
    # Named wrong: no loss if it is refused.
    assert fit_threshold(shares([0.9, 0.6, 0.7]), [0, 1, -1]) == pytest.approx(0.8)


def test_refusing_has_its_limits() -> None:
    assert fit_threshold(shares([0.9, 0.6]), [0, 1]) == 0
    assert fit_threshold(shares([0.9, 0.6]), [-1, -1]) == 0
    # Confidence says nothing: nothing is refused.
    assert fit_threshold(shares([0.6, 0.9]), [0, -1]) == 0
    # Of ten named right, one may be refused, however many others that would catch.
    confidence = [0.51 + 0.04 * i for i in range(10)]
    least = fit_threshold(shares([*confidence, *[0.7] * 90]), [0] * 10 + [-1] * 90)
    assert sum(c < least for c in confidence) <= 1


@given(st.integers(0, 200), st.integers(2, 60))
def test_few_right_answers_are_refused(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    answers = rng.dirichlet(np.ones(3), count).astype(np.float32)
    labels = rng.integers(NO_EXPRESSION, 3, count)
    least = fit_threshold(answers, labels)
    confidence = answers.max(axis=1)
    right = answers.argmax(axis=1) == labels
    assert 0 <= least <= 1
    if right.any():
        assert (confidence[right] < least).mean() <= MOST_REFUSED


class Places(nn.Module):
    """Names the place that moved, surer with both phases."""

    inputs = "flows"

    def forward(self, first: Tensor, second: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        rows = first[:, 1, :, 20:44].mean(dim=2)
        moved = [rows[:, 8 + 18 * c : 20 + 18 * c].mean(dim=1) for c in range(3)]
        classes = 3 * (1 + known)[:, None] * torch.stack(moved, dim=1)
        return classes, first.new_zeros(len(first), 4)


def test_a_network_is_calibrated_with_both_phases_and_with_one() -> None:
    samples = easy_samples(60, 0, none_share=0.3)
    fitted = fit_confidence(Places(), samples)
    assert fitted.temperature == pytest.approx(TEMPERATURES[0])
    assert 1 / 3 < fitted.least < 1
    named = samples.take(np.flatnonzero(samples.labels >= 0))
    assert fit_confidence(Places(), named).least == 0
    unnamed = samples.take(np.flatnonzero(samples.labels < 0))
    assert fit_confidence(Places(), unnamed).temperature == 1
