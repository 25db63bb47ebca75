"""How far a classifier's probabilities can be trusted, and sets of names that can be.

    python -m calibrate confidence predictions.csv --coverage 0.9 --out confidence.json \\
        --plot reliability.html

From predictions on clips that the classifier was not trained on:

- temperature: the T for which softmax(logits / T) gives the labels the greatest likelihood
  (C. Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2);
- conformal sets: all classes whose probability is at least 1 - q hold the true one with the chosen
  coverage, whatever the classifier, as long as new clips are like these (split conformal
  prediction, V. Vovk et al. 2005; with the LAC score 1 - p(true), M. Sadinle, J. Lei,
  L. Wasserman, Least ambiguous set-valued classifiers, JASA 114, 2019).

Half of the clips (or of the subjects, if they are known) fit the temperature. The other half, which
the fit does not see, shows the calibration and gives q.
"""

import json
import math
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
from realtime.results.run_summary import check_new, versions

FORMAT, VERSION = "fmanet-live confidence", 1
BINS = 10
LEAST_CLIPS = 20
"""Least number of clips: ten to fit the temperature and ten to check it."""
_TINY = 1e-6  # tables are rounded: a 0 does not mean certainty


@dataclass(frozen=True, slots=True)
class Conformal:
    """Prediction sets: the classes with a probability of at least 1 - `quantile`."""

    coverage: float
    """Least share of sets that hold the true class, on average over such calibrations."""
    quantile: float
    clips: int
    """Number of clips that `quantile` was taken from."""
    measured: float
    """Coverage on the other half."""
    mean_size: float
    """Mean number of classes in a set, on the other half."""


@dataclass(frozen=True, slots=True)
class ConfidenceReport:
    """The findings on a classifier's confidence."""

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
    conformal: Conformal | None


def main(arguments: Sequence[str]) -> None:
    """`calibrate confidence`: fit, print, write."""
    parser = Parser(
        prog=program("calibrate confidence"),
        description="Temperature, reliability and conformal sets from held-out predictions.",
    )
    parser.add_argument(
        "predictions", type=Path, help="CSV or JSON; see calibrate.confidence.predictions"
    )
    parser.add_argument("--coverage", type=float, help="of conformal sets; default: none are made")
    parser.add_argument("--seed", type=int, default=0, help="of the split into halves")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="must not exist")
    parser.add_argument("--plot", type=Path, metavar="HTML", help="reliability; must not exist")
    options = parser.parse_args(arguments)
    for path in (options.out, options.plot):
        if path is not None:
            check_new(path)
    predictions = read_predictions(options.predictions)
    fit, shown = split(predictions, options.seed)
    confidence = measure(predictions, fit, shown, options.coverage)
    found = {
        "format": FORMAT,
        "version": VERSION,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "predictions": options.predictions.name,
        "labels": predictions.labels,
        "software": versions(),
        **asdict(confidence),
    }
    options.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if options.plot is not None:
        before, truth = predictions.probabilities[shown], predictions.truth[shown]
        after = apply_temperature(before, confidence.temperature)
        options.plot.write_text(page(before, after, truth), "utf-8")
    print(_words(confidence))


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
    predictions: Predictions,
    fit: NDArray[np.int64],
    shown: NDArray[np.int64],
    coverage: float | None,
) -> ConfidenceReport:
    """A report with the temperature from the clips `fit` and all else from the clips `shown`.
    Raises `InputError` if there are too few clips for `coverage`."""
    probabilities, truth = predictions.probabilities, predictions.truth
    temperature = fit_temperature(logits(probabilities[fit]), truth[fit])
    before, after = probabilities[shown], apply_temperature(probabilities[shown], temperature)
    conformal = None
    if coverage is not None:
        quantile = conformal_quantile(after, truth[shown], coverage)
        other = apply_temperature(probabilities[fit], temperature)
        sets = other >= 1 - quantile
        conformal = Conformal(
            coverage=coverage,
            quantile=quantile,
            clips=len(shown),
            measured=float(sets[np.arange(len(fit)), truth[fit]].mean()),
            mean_size=float(sets.sum(axis=1).mean()),
        )
    return ConfidenceReport(
        temperature=temperature,
        clips=len(truth),
        ece_before=recognition.calibration_error(before, truth[shown]),
        ece_after=recognition.calibration_error(after, truth[shown]),
        nll_before=_nll(before, truth[shown]),
        nll_after=_nll(after, truth[shown]),
        by_subject=predictions.subjects is not None,
        conformal=conformal,
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


def conformal_quantile(probabilities: ArrayF64, truth: NDArray[np.int64], coverage: float) -> float:
    """The ⌈(n + 1) coverage⌉-th smallest of the scores 1 - p(true). Raises `InputError` if n
    labels are too few for this coverage."""
    if not 0 < coverage < 1:
        raise InputError(f"--coverage {coverage:g}: choose more than 0 and less than 1")
    n = len(truth)
    rank = math.ceil((n + 1) * coverage - 1e-9)
    if rank > n:
        least = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise InputError(
            f"--coverage {coverage:g} needs at least {least} labelled clips in the half that "
            f"makes the sets, {2 * least} in all; there are {n}"
        )
    scores = np.sort(1 - probabilities[np.arange(n), truth])
    return float(scores[rank - 1])


def _nll(probabilities: ArrayF64, truth: NDArray[np.int64]) -> float:
    chosen = np.maximum(probabilities[np.arange(len(truth)), truth], _TINY)
    return float(-np.log(chosen).mean())


def _words(confidence: ConfidenceReport) -> str:
    how = "too sure of itself" if confidence.temperature > 1 else "not sure enough of itself"
    lines = [
        f"temperature {confidence.temperature:.3f} ({how}), from {confidence.clips} clips, halves "
        + ("without a common subject" if confidence.by_subject else "at random"),
        f"calibration error {confidence.ece_before:.3f} → {confidence.ece_after:.3f}, negative "
        f"log likelihood {confidence.nll_before:.3f} → {confidence.nll_after:.3f}",
    ]
    sets = confidence.conformal
    if sets is not None:
        lines.append(
            f"sets of coverage {sets.coverage:g}: classes of probability "
            f"{1 - sets.quantile:.3f} and more; on the other half {sets.measured:.3f}, "
            f"{sets.mean_size:.2f} classes each"
        )
    return "\n".join(lines)
