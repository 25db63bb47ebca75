"""Scores against formulas written out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from model.errors import InputError
from model.metrics.class_prior import apply_prior, shares_of_others
from model.metrics.recognition import (
    SubjectScore,
    accuracy,
    average_precision,
    bootstrap,
    bootstrap_difference,
    by_subject,
    calibration_error,
    confusion,
    f1_by_class,
    mean_average_precision,
    recall_by_class,
    reliability,
    uar,
    uf1,
)

CLIPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40)


def test_a_known_example() -> None:
    # Three classes; class 0: 3 clips, 2 right; class 1: 2 clips, 1 right; class 2: 1 clip, right.
    counts = confusion([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2], 3)
    assert counts.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert f1_by_class(counts) == pytest.approx([4 / 5, 2 / 4, 2 / 3])
    assert recall_by_class(counts) == pytest.approx([2 / 3, 1 / 2, 1.0])
    assert uf1(counts) == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)
    assert uar(counts) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert accuracy(counts) == pytest.approx(4 / 6)


def test_naming_everything_alike_is_chance() -> None:
    # 90 : 30 : 25, all called the first: accuracy flatters, UF1 and UAR do not.
    truth = [0] * 90 + [1] * 30 + [2] * 25
    counts = confusion(truth, [0] * 145, 3)
    assert accuracy(counts) == pytest.approx(90 / 145)
    assert uar(counts) == pytest.approx(1 / 3)
    assert uf1(counts) == pytest.approx((2 * 90 / (2 * 90 + 55)) / 3)


@given(CLIPS)
def test_scores_follow_their_formulas(clips: list[tuple[int, int]]) -> None:
    truth, predicted = [t for t, _ in clips], [p for _, p in clips]
    counts = confusion(truth, predicted, 4)
    f1, recall = [], []
    for c in range(4):
        tp = sum(t == p == c for t, p in clips)
        fp = sum(p == c != t for t, p in clips)
        fn = sum(t == c != p for t, p in clips)
        if tp + fp + fn:
            f1.append(2 * tp / (2 * tp + fp + fn))
        if tp + fn:
            recall.append(tp / (tp + fn))
    if clips:
        assert uf1(counts) == pytest.approx(sum(f1) / len(f1))
        assert uar(counts) == pytest.approx(sum(recall) / len(recall))
        assert accuracy(counts) == pytest.approx(sum(t == p for t, p in clips) / len(clips))
    else:
        assert math.isnan(uf1(counts))
        assert math.isnan(uar(counts))
        assert math.isnan(accuracy(counts))


@given(CLIPS, st.permutations(range(4)))
def test_names_of_classes_do_not_matter(clips: list[tuple[int, int]], names: list[int]) -> None:
    truth, predicted = [t for t, _ in clips], [p for _, p in clips]
    one = confusion(truth, predicted, 4)
    other = confusion([names[t] for t in truth], [names[p] for p in predicted], 4)
    for score in (uf1, uar, accuracy):
        assert score(one) == pytest.approx(score(other), nan_ok=True)


def test_calibration_of_known_bins() -> None:
    # Two bins of ten: 0.95 and right half the time, 0.55 and always right.
    sure, unsure = [0.95, 0.05], [0.55, 0.45]
    error = calibration_error([sure, sure, unsure, unsure], [0, 1, 0, 0], bins=10)
    assert error == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert calibration_error([[1.0, 0.0], [0.0, 1.0]], [0, 1]) == 0.0
    assert calibration_error([[1.0, 0.0]], [1]) == 1.0


@given(st.integers(0, 100), st.integers(1, 20))
def test_calibration_follows_its_formula(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), 25)
    truth = rng.integers(3, size=25)
    expected = 0.0
    for m in range(bins):
        inside = [i for i, p in enumerate(probabilities) if m / bins < p.max() <= (m + 1) / bins]
        if inside:
            right = np.mean([probabilities[i].argmax() == truth[i] for i in inside])
            sure = np.mean([probabilities[i].max() for i in inside])
            expected += len(inside) / 25 * abs(right - sure)
    assert calibration_error(probabilities, truth, bins) == pytest.approx(expected)


def test_bins_hold_every_clip_once() -> None:
    bins = reliability([[0.95, 0.05], [0.9, 0.1], [0.55, 0.45]], [0, 1, 1], bins=10)
    assert [each.clips for each in bins] == [0, 0, 0, 0, 0, 1, 0, 0, 1, 1]
    assert (bins[8].low, bins[8].high) == (0.8, 0.9)
    assert bins[8].confidence == pytest.approx(0.9)
    assert [bins[i].accuracy for i in (5, 8, 9)] == [0.0, 0.0, 1.0]
    assert math.isnan(bins[0].accuracy)


PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@given(PAIRS)
def test_scores_are_those_of_scikit_learn(clips: list[tuple[int, int]]) -> None:
    truth, predicted = [t for t, _ in clips], [p for _, p in clips]
    counts = confusion(truth, predicted, 4)
    np.testing.assert_array_equal(
        counts, oracle.confusion_matrix(truth, predicted, labels=range(4))
    )
    assert accuracy(counts) == pytest.approx(oracle.accuracy_score(truth, predicted))
    # Both leave out a class that is neither true nor predicted, and for the recall one that is not
    # true.
    either = sorted({*truth, *predicted})
    assert uf1(counts) == pytest.approx(
        oracle.f1_score(truth, predicted, labels=either, average="macro", zero_division=0)
    )
    assert uar(counts) == pytest.approx(
        oracle.recall_score(
            truth, predicted, labels=sorted({*truth}), average="macro", zero_division=0
        )
    )


@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any), st.integers(0, 9))
def test_average_precision_is_that_of_scikit_learn(present: list[bool], seed: int) -> None:
    truth = np.array(present, np.float32)[:, None]
    scores = np.random.default_rng(seed).permutation(len(present)).astype(np.float32)[:, None]
    assert average_precision(truth, scores)[0] == pytest.approx(
        oracle.average_precision_score(truth[:, 0], scores[:, 0])
    )


def test_a_prior_that_is_right_makes_answers_right() -> None:
    """Classes of 3 : 1, a hint that is right in 2 of 3 cases: by hand."""
    equal = np.array([[2 / 3, 1 / 3], [1 / 3, 2 / 3]], np.float32)
    assert apply_prior(equal, [0.75, 0.25]) == pytest.approx(
        np.array([[6 / 7, 1 / 7], [3 / 5, 2 / 5]])
    )
    np.testing.assert_allclose(apply_prior(equal, [0.5, 0.5]), equal)


def test_a_subjects_own_clips_do_not_count_for_its_prior() -> None:
    labels, subjects = [0, 0, 1, 2, -1], ["a", "a", "b", "b", "b"]
    shares = shares_of_others(labels, subjects, 3)
    assert shares[0] == pytest.approx([1 / 5, 2 / 5, 2 / 5])
    assert shares[2] == pytest.approx([3 / 5, 1 / 5, 1 / 5])
    changed = shares_of_others([2, 1, *labels[2:]], subjects, 3)
    np.testing.assert_array_equal(changed[:2], shares[:2])


def test_precision_at_each_unit_that_is_there() -> None:
    # Ranked: there, not there, there → (1/1 + 2/3) / 2; a clip that nobody coded does not count.
    truth = np.array([[1, 0], [0, 0], [1, 0], [np.nan, 0]], np.float32)
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.3], [0.95, 0.4]], np.float32)
    found = average_precision(truth, scores)
    assert found[0] == pytest.approx((1 + 2 / 3) / 2)
    assert math.isnan(found[1])
    assert mean_average_precision(truth, scores) == found[0]
    assert mean_average_precision(truth[:, 1:], scores[:, 1:]) == 0


def test_each_subject_is_counted() -> None:
    found = by_subject([0, 1, 2], [0, 1, 1], ["b", "a", "b"])
    assert found == (SubjectScore("a", 1, 1), SubjectScore("b", 2, 1))


def test_bootstrap_draws_subjects_not_clips() -> None:
    truth = [0] * 50 + [1] * 50
    predicted = [0] * 50 + [0] * 50
    one_each = [str(i) for i in range(100)]
    two_only = ["a"] * 50 + ["b"] * 50
    narrow = bootstrap(truth, predicted, one_each, 2, accuracy)
    wide = bootstrap(truth, predicted, two_only, 2, accuracy)
    assert narrow.value == wide.value == 0.5
    assert 0.35 < narrow.low < 0.5 < narrow.high < 0.65
    assert (wide.low, wide.high) == (0.0, 1.0)
    assert narrow == bootstrap(truth, predicted, one_each, 2, accuracy)


def test_a_difference_is_taken_on_the_same_subjects() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400)
    subjects = [str(i // 4) for i in range(400)]
    # Both fail on the same half of the faces; the second on a few clips more.
    first = np.where(np.arange(400) < 200, 1 - truth, truth)
    second = np.where(np.arange(400) % 20 == 19, 1 - truth, first)
    alone = bootstrap(truth, first, subjects, 2, accuracy)
    paired = bootstrap_difference(truth, second, first, subjects, 2, accuracy)
    assert paired.value == pytest.approx(np.mean(second == truth) - np.mean(first == truth))
    assert paired.low <= paired.value <= paired.high < 0
    assert paired.high - paired.low < (alone.high - alone.low) / 2
    same = bootstrap_difference(truth, first, first, subjects, 2, accuracy)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_a_perfect_result_has_no_spread() -> None:
    truth = [0, 1, 2, 0, 1, 2]
    interval = bootstrap(truth, truth, ["a", "a", "a", "b", "b", "b"], 3, uf1)
    assert (interval.value, interval.low, interval.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("truth", "predicted"), [([0, 1], [0]), ([3], [0]), ([-1], [0]), ([0.5], [0]), ([[0]], [[0]])]
)
def test_wrong_class_numbers_are_refused(truth: list[int], predicted: list[int]) -> None:
    with pytest.raises(InputError):
        confusion(truth, predicted, 3)


@pytest.mark.parametrize("probabilities", [[0.5, 0.5], [[1.5, -0.5]], [], [[math.nan, 1.0]]])
def test_wrong_probabilities_are_refused(probabilities: list[float]) -> None:
    with pytest.raises(InputError):
        calibration_error(probabilities, [0])


def test_wrong_bootstraps_are_refused() -> None:
    with pytest.raises(InputError, match="subjects"):
        bootstrap([0, 1], [0, 1], ["a"], 2, uf1)
    with pytest.raises(InputError, match="0 clips"):
        bootstrap([], [], [], 2, uf1)
