"""Calibrated confidence: fits a temperature, and the least confidence that counts as an answer.

C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On calibration of modern neural networks, ICML 2017,
section 4.2 (temperature scaling). Refusing on the greatest probability: D. Hendrycks, K. Gimpel:
A baseline for detecting misclassified and out-of-distribution examples, ICLR 2017.

Both are fitted on samples that the weights were not trained on, and hold for similar samples only:
a fit on synthetic pairs promises nothing for recorded faces.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from model.engine.forward import softmax
from model.errors import InputError
from model.inference.predictions import run_network
from model.inference.samples import SampleSet
from model.labels import NO_EXPRESSION
from model.records import ArrayF32

TEMPERATURES = (0.25, 10.0)
"""Lowest and highest temperature tried. If every sample is named right, the best would be 0."""
MOST_REFUSED = 0.1
"""At most this share of the correctly named expressions may be refused."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """What the checkpoint stores about confidence."""

    temperature: float
    """Logits are divided by this."""
    least: float
    """0–1: an answer below it means "no clear expression"; 0 refuses nothing."""


def fit_confidence(network: nn.Module, validation: SampleSet, device: str = "cpu") -> Confidence:
    """Fit both on `validation`.

    Each sample counts twice, with both phases and with the first alone, because the same values
    serve early and final answers. The temperature is 1 if no sample has an expression; the least
    confidence is 0 if every sample has one.
    """
    logits = np.concatenate(
        [
            run_network(network, validation, first_phase_only=alone, device=device).logits
            for alone in (False, True)
        ]
    )
    labels = np.tile(validation.labels, 2)
    named = labels != NO_EXPRESSION
    temperature = fit_temperature(logits[named], labels[named]) if named.any() else 1.0
    shares = softmax(logits / np.float32(temperature))
    return Confidence(temperature, fit_threshold(shares, labels))


def fit_temperature(logits: ArrayF32, labels: ArrayLike) -> float:
    """The temperature within `TEMPERATURES` that maximises the likelihood of the true classes (N,)
    given the logits (N, C). Raises `InputError` without samples."""
    z = np.asarray(logits, np.float64)
    truth = np.asarray(labels, np.int64)
    if z.ndim != 2 or len(z) == 0 or truth.shape != z.shape[:1] or not np.isfinite(z).all():
        raise InputError(
            f"a temperature needs finite logits (N, C) and N classes, got {z.shape} and "
            f"{truth.shape}"
        )
    own = z[np.arange(len(z)), truth]

    def slope(sharpness: float) -> float:
        """Slope of the negative log-likelihood, which is convex in 1 / temperature."""
        scaled = sharpness * z
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        expected = (weights * z).sum(axis=1) / weights.sum(axis=1)
        return float((expected - own).mean())

    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2 / (low + high)


def fit_threshold(probabilities: ArrayF32, labels: ArrayLike) -> float:
    """The least confidence, from probabilities (N, C) and labels (N,), some `NO_EXPRESSION`.

    It maximises Youden's J: the share of samples without expression that are refused, plus the
    share of samples with one that are kept. It refuses at most `MOST_REFUSED` of the correctly
    named expressions. Of equal values the lowest is returned; 0 if refusing gains nothing or if one
    kind of sample is missing.
    """
    confidence = np.asarray(probabilities.max(axis=1), np.float64)
    truth = np.asarray(labels, np.int64)
    none = truth == NO_EXPRESSION
    right = ~none & (probabilities.argmax(axis=1) == truth)
    if none.all() or not none.any():
        return 0.0
    levels = np.unique(confidence)
    # Halfway between neighbouring confidences, so that rounding does not matter.
    tried = np.concatenate([[0.0], (levels[:-1] + levels[1:]) / 2])
    refused_none, refused = (_below(confidence[chosen], tried) for chosen in (none, ~none))
    gain = refused_none - refused
    if right.any():
        gain[_below(confidence[right], tried) > MOST_REFUSED] = -np.inf
    return float(tried[int(gain.argmax())])


def _below(values: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the values below each of the limits."""
    return np.searchsorted(np.sort(values), limits) / len(values)
