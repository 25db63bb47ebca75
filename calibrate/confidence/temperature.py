"""Measures how far a classifier's probabilities can be trusted, and fits a temperature to correct
them.

    python -m calibrate confidence predictions.csv --out confidence.json --plot reliability.html

The predictions must be on clips that the classifier was not trained on. The temperature is the T
for which softmax(logits / T) gives the labels the greatest likelihood (C. Guo et al., On
calibration of modern neural networks, ICML 2017, section 4.2). It is fitted on half of the clips
(or of the subjects, if known); the calibration is measured on the other half.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibrate.confidence.predictions import Predictions, read_predictions
from model.cli import Parser, program
from model.errors import InputError
from model.evaluation.html import document, reliability
from model.inference.confidence import fit_temperature
from model.metrics import recognition
from model.records import ArrayF32, ArrayF64
from realtime.results.run_summary import check_new, list_versions

FORMAT, VERSION = "fmanet-live confidence", 1
BINS = 10
LEAST_CLIPS = 20
"""Least number of clips: ten to fit the temperature and ten to check it."""
_TINY = 1e-6  # tables are rounded: a 0 does not mean certainty


@dataclass(frozen=True, slots=True)
class ConfidenceReport:
    """How well a classifier's confidence is calibrated."""

    temperature: float
    """Divides the logits; above 1, the classifier was too sure of itself."""
    clips: int
    ece_before: float
    """Expected calibration error on the half that did not fit the temperature."""
    ece_after: float
    nll_before: float
    """Mean negative log likelihood there, nats."""
    nll_after: float
    by_subject: bool
    """Whether the halves share no subject."""


def main(arguments: Sequence[str]) -> None:
    """`calibrate confidence`: fit, print, write."""
    parser = Parser(
        prog=program("calibrate confidence"),
        description="Fit a temperature on held-out predictions, and measure their reliability.",
    )
    parser.add_argument("predictions", type=Path, help="CSV; see calibrate.confidence.predictions")
    parser.add_argument("--seed", type=int, default=0, help="of the split into halves")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="must not exist")
    parser.add_argument("--plot", type=Path, metavar="HTML", help="page to write; must not exist")
    options = parser.parse_args(arguments)
    for path in (options.out, options.plot):
        if path is not None:
            check_new(path)
    predictions = read_predictions(options.predictions)
    fit, shown = split(predictions, options.seed)
    confidence = measure(predictions, fit, shown)
    found = {
        "format": FORMAT,
        "version": VERSION,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "predictions": options.predictions.name,
        "labels": predictions.labels,
        "software": list_versions(),
        **asdict(confidence),
    }
    options.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if options.plot is not None:
        before, truth = predictions.probabilities[shown], predictions.truth[shown]
        after = apply_temperature(before, confidence.temperature)
        options.plot.write_text(page(before, after, truth), "utf-8")
    print(_summary(confidence))


def page(before: ArrayF64, after: ArrayF64, truth: NDArray[np.int64]) -> str:
    """An HTML page with both calibrations of the same N clips side by side, from probabilities
    (N, C) before and after, and true class numbers (N,)."""
    bins = {
        "As trained": recognition.reliability(before, truth, BINS),
        "With temperature": recognition.reliability(after, truth, BINS),
    }
    plots = "".join(
        f"<figure><h3>{title}</h3>{reliability(each)}</figure>" for title, each in bins.items()
    )
    return document("Reliability", f'<h1>Reliability</h1>\n<div class="plots">{plots}</div>')


def split(predictions: Predictions, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Clip numbers of two halves, which share no subject if subjects are known."""
    n = len(predictions.truth)
    if n < LEAST_CLIPS:
        raise InputError(f"{n} labelled clips are too few: at least {LEAST_CLIPS} are needed")
    rng = np.random.default_rng(seed)
    if predictions.subjects is None:
        order = rng.permutation(n)
        return np.sort(order[: n // 2]), np.sort(order[n // 2 :])
    names, owner = np.unique(np.array(predictions.subjects), return_inverse=True)
    if len(names) < 2:
        raise InputError(f"all clips are of subject {names[0]}: at least 2 subjects are needed")
    order = rng.permutation(len(names))
    counts = np.bincount(owner)[order].cumsum()
    take = int(np.clip(np.searchsorted(counts, n / 2) + 1, 1, len(names) - 1))
    first = np.isin(owner, order[:take])
    return np.flatnonzero(first), np.flatnonzero(~first)


def measure(
    predictions: Predictions, fit: NDArray[np.int64], shown: NDArray[np.int64]
) -> ConfidenceReport:
    """A report with the temperature from the clips `fit` and all else from the clips `shown`."""
    probabilities, truth = predictions.probabilities, predictions.truth
    temperature = fit_temperature(logits(probabilities[fit]), truth[fit])
    before, after = probabilities[shown], apply_temperature(probabilities[shown], temperature)
    return ConfidenceReport(
        temperature=temperature,
        clips=len(truth),
        ece_before=recognition.calibration_error(before, truth[shown]),
        ece_after=recognition.calibration_error(after, truth[shown]),
        nll_before=_nll(before, truth[shown]),
        nll_after=_nll(after, truth[shown]),
        by_subject=predictions.subjects is not None,
    )


def apply_temperature(probabilities: ArrayF64, temperature: float) -> ArrayF64:
    """Probabilities (N, C) at another temperature: softmax(log p / T)."""
    scaled = logits(probabilities) / temperature
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: ArrayF64 = shares / shares.sum(axis=1, keepdims=True)
    return result


def logits(probabilities: ArrayF64) -> ArrayF32:
    """Logits (N, C) of these probabilities, known up to a constant in each row."""
    logs: ArrayF32 = np.log(np.maximum(probabilities, _TINY)).astype(np.float32)
    return logs


def _nll(probabilities: ArrayF64, truth: NDArray[np.int64]) -> float:
    chosen = np.maximum(probabilities[np.arange(len(truth)), truth], _TINY)
    return float(-np.log(chosen).mean())


def _summary(report: ConfidenceReport) -> str:
    how = "too sure of itself" if report.temperature > 1 else "not sure enough of itself"
    halves = "without a common subject" if report.by_subject else "at random"
    return (
        f"temperature {report.temperature:.3f} ({how}), from {report.clips} clips, halves "
        f"{halves}\ncalibration error {report.ece_before:.3f} → {report.ece_after:.3f}, "
        f"negative log likelihood {report.nll_before:.3f} → {report.nll_after:.3f}"
    )
