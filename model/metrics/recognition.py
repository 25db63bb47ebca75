"""Scores of recognition.

Counts are pooled over all folds before any ratio is taken (See et al., MEGC 2019, "Recognition"):
a mean of per-fold scores would weight a subject with one clip like one with thirty. Truth and
predictions are class numbers. A class whose ratio is 0/0 is left out of means.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.errors import InputError
from model.records import ArrayF32

Confusion = NDArray[np.int64]
"""(C, C) int64: rows are true classes, columns predicted ones."""
Indices = NDArray[np.int64]

LEVEL = 0.95
"""Share of the draws that an interval covers."""
DRAWS = 1000
"""How often subjects are drawn."""


def confusion(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Confusion:
    """Counts (C, C) of N clips, from class numbers (N,) in 0 … C − 1.

    Raises `InputError` on lengths that differ and on numbers out of range.
    """
    rows, columns = _class_numbers(truth, classes), _class_numbers(predicted, classes)
    if rows.shape != columns.shape:
        raise InputError(f"{rows.size} true classes but {columns.size} predictions")
    counts = np.bincount(rows * classes + columns, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def f1_by_class(counts: Confusion) -> NDArray[np.float64]:
    """2 TP / (2 TP + FP + FN) of each class (C,); NaN for a class neither true nor predicted."""
    hits = np.diagonal(counts)
    return _ratio(2 * hits, counts.sum(axis=0) + counts.sum(axis=1))


def recall_by_class(counts: Confusion) -> NDArray[np.float64]:
    """TP / N of each class (C,); NaN for a class without clips."""
    return _ratio(np.diagonal(counts), counts.sum(axis=1))


def uf1(counts: Confusion) -> float:
    """Unweighted F1: the mean of `f1_by_class`; NaN without clips."""
    return _mean(f1_by_class(counts))


def uar(counts: Confusion) -> float:
    """Unweighted average recall: the mean of `recall_by_class`; NaN without clips."""
    return _mean(recall_by_class(counts))


def accuracy(counts: Confusion) -> float:
    """Share of clips named right; NaN without clips."""
    total = int(counts.sum())
    return float(np.trace(counts) / total) if total else math.nan


@dataclass(frozen=True, slots=True)
class Bin:
    """The clips whose confidence lies in one range."""

    low: float
    """Lower limit, exclusive."""
    high: float
    """Upper limit, inclusive."""
    clips: int
    confidence: float
    """Mean probability of the predicted class; NaN without clips."""
    accuracy: float
    """Share named right; NaN without clips."""


def calibration_error(probabilities: ArrayLike, truth: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error, 0–1: the mean gap between the confidence in the predicted class
    and its accuracy, over equally wide bins of confidence (C. Guo et al., On calibration of
    modern neural networks, ICML 2017, section 2). `probabilities` is (N, C), rows sum to 1.

    Raises `InputError` on other shapes, on values outside 0–1, and without clips.
    """
    return expected_error(reliability(probabilities, truth, bins))


def expected_error(bins: Iterable[Bin]) -> float:
    """The mean gap between confidence and accuracy of `bins`, weighted by their clips; NaN without
    clips."""
    filled = [each for each in bins if each.clips]
    clips = sum(each.clips for each in filled)
    gaps = sum(each.clips * abs(each.accuracy - each.confidence) for each in filled)
    return gaps / clips if clips else math.nan


def reliability(probabilities: ArrayLike, truth: ArrayLike, bins: int = 15) -> tuple[Bin, ...]:
    """Bins of equal width from 0 to 1, rising. Takes and raises what `calibration_error` does."""
    shares = np.asarray(probabilities, np.float64)
    if shares.ndim != 2 or shares.size == 0 or bins < 1:
        raise InputError(f"calibration needs (N, C) probabilities and bins, got {shares.shape}")
    if not (np.isfinite(shares).all() and shares.min() >= 0 and shares.max() <= 1 + 1e-6):
        raise InputError("calibration needs probabilities from 0 to 1")
    numbers = _class_numbers(truth, shares.shape[1])
    if len(numbers) != len(shares):
        raise InputError(f"{len(numbers)} true classes but {len(shares)} rows of probabilities")
    right = shares.argmax(axis=1) == numbers
    return bin_confidence(shares.max(axis=1), right, [number / bins for number in range(bins + 1)])


def bin_confidence(
    confidence: ArrayLike, right: ArrayLike, edges: Sequence[float]
) -> tuple[Bin, ...]:
    """The bins between rising `edges`, of confidences (N,) from 0 to 1 and whether each was right,
    (N,) bool."""
    values, hits = np.asarray(confidence, np.float64), np.asarray(right, bool)
    # A confidence on an edge belongs to the bin below it, as in the paper's (m − 1)/M < p ≤ m/M.
    place = np.clip(np.searchsorted(edges, values) - 1, 0, len(edges) - 2)
    found = []
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = place == number
        count = int(inside.sum())
        mean = float(values[inside].mean()) if count else math.nan
        share = float(hits[inside].mean()) if count else math.nan
        found.append(Bin(low, high, count, mean, share))
    return tuple(found)


def mean_average_precision(truth: ArrayF32, scores: ArrayF32) -> float:
    """Mean `average_precision` of the action units that occur; 0 if none occurs."""
    precisions = average_precision(truth, scores)
    occurring = precisions[np.isfinite(precisions)]
    return float(occurring.mean()) if occurring.size else 0.0


def average_precision(truth: ArrayF32, scores: ArrayF32) -> NDArray[np.float64]:
    """Average precision (A,) of each action unit: the mean precision at the rank of each clip that
    shows it (M. Everingham et al., The PASCAL visual object classes challenge, IJCV 2010, section
    4.2, without interpolation); NaN for a unit that never occurs. `truth` (N, A) holds zeros and
    ones, NaN if not coded; `scores` (N, A) rank the clips."""
    precisions = np.full(truth.shape[1], math.nan)
    for number, (column, score) in enumerate(zip(truth.T, scores.T, strict=True)):
        coded = ~np.isnan(column)
        present: NDArray[np.bool_] = column[coded] > 0.5
        if present.any():
            ranked = present[np.argsort(-score[coded], kind="stable")]
            precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
            precisions[number] = precision[ranked].mean()
    return precisions


@dataclass(frozen=True, slots=True)
class ConfidenceInterval:
    """A score and its confidence interval."""

    value: float
    low: float
    high: float


def bootstrap(
    truth: ArrayLike,
    predicted: ArrayLike,
    subjects: Sequence[str],
    classes: int,
    score: Callable[[Confusion], float],
) -> ConfidenceInterval:
    """Percentile interval (`LEVEL`) of `score` over subjects drawn with replacement. Clips of one
    face are not independent, so whole subjects are drawn (A. C. Davison, D. V. Hinkley: Bootstrap
    methods and their application, 1997, section 3.8). Draws whose score is NaN are ignored; if
    they are more than a tail of the interval, its ends are NaN. Raises `InputError` without clips,
    or if the lengths differ.
    """
    return _interval(*_scores(truth, predicted, subjects, classes, score))


def bootstrap_difference(
    truth: ArrayLike,
    predicted: ArrayLike,
    reference: ArrayLike,
    subjects: Sequence[str],
    classes: int,
    score: Callable[[Confusion], float],
) -> ConfidenceInterval:
    """As `bootstrap`, for how far `predicted` scores above `reference` on the same clips. Each draw
    scores both on the same subjects, so clips that are hard for both cancel."""
    value, scores = _scores(truth, predicted, subjects, classes, score)
    other, others = _scores(truth, reference, subjects, classes, score)
    return _interval(value - other, scores - others)


def _scores(
    truth: ArrayLike,
    predicted: ArrayLike,
    subjects: Sequence[str],
    classes: int,
    score: Callable[[Confusion], float],
) -> tuple[float, NDArray[np.float64]]:
    """The score over all clips, and over each draw of subjects, which is the same each time."""
    whole = confusion(truth, predicted, classes)
    if not len(subjects) or len(subjects) != whole.sum():
        raise InputError(f"a bootstrap of {whole.sum()} clips got {len(subjects)} subjects")
    distinct, owner = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    counts = np.zeros((len(distinct), classes, classes), np.int64)
    np.add.at(counts, (owner, np.asarray(truth), np.asarray(predicted)), 1)
    drawn = np.random.default_rng(0).integers(len(distinct), size=(DRAWS, len(distinct)))
    return score(whole), np.array([score(counts[draw].sum(axis=0)) for draw in drawn])


def _interval(value: float, scores: NDArray[np.float64]) -> ConfidenceInterval:
    known = scores[np.isfinite(scores)]
    tail = (1 - LEVEL) / 2
    if scores.size - known.size > tail * scores.size:  # the ends may lie anywhere
        return ConfidenceInterval(value, math.nan, math.nan)
    low, high = np.quantile(known, [tail, 1 - tail])
    return ConfidenceInterval(value, float(low), float(high))


@dataclass(frozen=True, slots=True)
class SubjectScore:
    """How one subject's clips were named."""

    subject: str
    clips: int
    right: int


def by_subject(
    truth: ArrayLike, predicted: ArrayLike, subjects: Sequence[str]
) -> tuple[SubjectScore, ...]:
    """The score of each subject, by name. It is a plain count, because one subject rarely shows
    every class."""
    right = np.asarray(truth) == np.asarray(predicted)
    names = np.asarray(subjects, dtype=object)
    return tuple(
        SubjectScore(name, int((names == name).sum()), int(right[names == name].sum()))
        for name in sorted(set(subjects))
    )


def _class_numbers(values: ArrayLike, classes: int) -> Indices:
    numbers = np.asarray(values)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise InputError(
            f"class numbers must be whole and (N,), got {numbers.dtype} {numbers.shape}"
        )
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < classes):
        raise InputError(
            f"class numbers must lie in 0 … {classes - 1}, got {numbers.min()} to {numbers.max()}"
        )
    return numbers.astype(np.int64)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    ratio = np.full(part.shape, math.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _mean(values: NDArray[np.float64]) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else math.nan
