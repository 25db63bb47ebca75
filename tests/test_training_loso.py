"""Leave-one-subject-out: no face on both sides, and the one that is tested chooses nothing."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from easy import easy_samples
from hypothesis import given
from hypothesis import strategies as st

from model.errors import CheckpointError, InputError
from model.inference.checkpoint import read_checkpoint
from model.inference.samples import SampleSet
from model.metrics.subject_folds import leave_one_subject_out
from model.training import loso
from model.training.loop import fit
from model.training.loso import FoldAnswers, fold_samples, leave_one_out, pool_folds
from model.training.recipe import Recipe

RECIPE = Recipe("mmcof-cnn", options={"width": 4}, epochs=2, batch=12)
SAMPLES = easy_samples(36, 0, subjects=4)
ALWAYS = replace(easy_samples(12, 1, subjects=2), subjects=("synthetic/0", "synthetic/1") * 6)


def weights(folder: Path, fold: int) -> dict[str, torch.Tensor]:
    (path,) = folder.glob(f"{fold:03d}-*.safetensors")
    return read_checkpoint(path)[1]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@given(
    st.lists(st.integers(0, 6), min_size=4, max_size=24).filter(lambda s: len(set(s)) > 2),
    st.sampled_from([0.0, 0.2, 0.6]),
    st.integers(0, 3),
)
def test_no_subject_stands_on_both_sides(numbers: list[int], share: float, seed: int) -> None:
    n = len(numbers)
    samples = replace(easy_samples(n, 0), subjects=tuple(f"easy/{s}" for s in numbers))
    for fold in leave_one_subject_out(samples.subjects):
        training, validation = fold_samples(fold, samples, ALWAYS, share, seed)
        sides = [set(training.subjects), {fold.subject}]
        if validation is not None:
            sides.append(set(validation.subjects))
        assert sum(map(len, sides)) == len(set.union(*sides)) == len(set(numbers)) + 2
        assert set(ALWAYS.subjects) <= set(training.subjects)


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_the_test_subject_chooses_nothing(share: float, tmp_path: Path) -> None:
    """Other pixels and labels of a subject change no weight of the fold that tests it, and of
    every other fold they do."""
    tested = np.array([subject == "easy/01" for subject in SAMPLES.subjects])
    phases, labels = SAMPLES.phases.copy(), SAMPLES.labels.copy()
    phases[tested] = phases[tested][::-1, ..., ::-1, :]
    labels[tested] = (labels[tested] + 1) % 3
    other = replace(SAMPLES, phases=phases, labels=labels)
    for name, samples in (("one", SAMPLES), ("other", other)):
        leave_one_out(RECIPE, samples, ALWAYS, tmp_path / name, validation_share=share)
    changed = [
        not same(weights(tmp_path / "one", fold), weights(tmp_path / "other", fold))
        for fold in range(1, 5)
    ]
    assert not changed[1]
    if not share:
        assert changed == [True, False, True, True]


def test_what_is_written(tmp_path: Path) -> None:
    recipe = replace(RECIPE, options={}, epochs=16, learning_rate=8e-3)
    report = leave_one_out(recipe, SAMPLES, None, tmp_path)
    assert report == json.loads((tmp_path / "report.json").read_text())
    assert report["uf1"]["value"] > 0.6
    assert report["clips"] == 36
    assert report["subjects"] == 4
    assert report["init"] is None
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["clip"] for row in rows) == sorted(SAMPLES.clips)
    assert np.mean([row["truth"] == row["predicted"] for row in rows]) == pytest.approx(
        report["accuracy"]["value"]
    )
    assert len(list(tmp_path.glob("*.safetensors"))) == 4


def test_folds_of_another_version_are_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_one_out(RECIPE, SAMPLES, None, tmp_path)
    monkeypatch.setattr(loso, "_CODE", ("training/recipe.py",))
    with pytest.raises(InputError, match="another version"):
        leave_one_out(RECIPE, SAMPLES, None, tmp_path)


def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    def interrupt(answers: FoldAnswers, _: str) -> None:
        if answers.subject == "easy/01":
            raise KeyboardInterrupt

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = leave_one_out(RECIPE, SAMPLES, None, whole)
    with pytest.raises(KeyboardInterrupt):
        leave_one_out(RECIPE, SAMPLES, None, parts, after_fold=interrupt)
    computed: list[FoldAnswers] = []
    found = leave_one_out(
        RECIPE, SAMPLES, None, parts, after_fold=lambda answers, _: computed.append(answers)
    )
    assert [answers.subject for answers in computed] == ["easy/02", "easy/03"]
    assert found == expected
    with pytest.raises(InputError, match="another folder"):
        leave_one_out(replace(RECIPE, seed=1), SAMPLES, None, parts)


def test_weights_that_have_seen_a_face_are_not_started_from(tmp_path: Path) -> None:
    """Also where it was the weights before them that have; what they have seen is written."""
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    fit(replace(RECIPE, data={"sets": ["easy"]}), SAMPLES, None, first)
    fit(replace(RECIPE, data={"sets": ["casme2"]}), SAMPLES, None, second, init=first)
    for init in (first, second):
        with pytest.raises(InputError, match=f"{init.name} was trained on easy: it would be"):
            leave_one_out(RECIPE, SAMPLES, None, tmp_path / "out", init=init)
    assert not (tmp_path / "out").exists()
    other = replace(SAMPLES, subjects=tuple(f"other/{name[5:]}" for name in SAMPLES.subjects))
    recipe = replace(RECIPE, epochs=1)
    leave_one_out(recipe, other, None, tmp_path / "out", init=second)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["init"] == {"name": "second.safetensors", "sets": ["casme2", "easy"]}


def test_each_fold_starts_from_the_same_weights(tmp_path: Path) -> None:
    init = tmp_path / "init.safetensors"
    fit(RECIPE, ALWAYS, None, init)

    def change(*_: object) -> None:
        fit(replace(RECIPE, seed=1), ALWAYS, None, init)

    with pytest.raises(CheckpointError, match=r"has other weights in .*init\.safetensors"):
        leave_one_out(RECIPE, SAMPLES, None, tmp_path / "out", init=init, after_fold=change)


def test_scores_are_pooled_over_folds() -> None:
    """By hand: one fold has a single clip, named wrongly; a mean over folds would say one half."""
    sure = tuple(tuple(map(float, row)) for row in np.eye(3))
    folds = [
        FoldAnswers("a/1", ("x", "y", "z"), (0, 1, 2), sure),
        FoldAnswers("b/1", ("w",), (0,), (sure[1],)),
    ]
    report = pool_folds(folds, ("negative", "positive", "surprise"))
    assert report["accuracy"]["value"] == pytest.approx(3 / 4)
    assert report["uf1"]["value"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert report["uar"]["value"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert report["by_data_set"]["a"]["uf1"]["value"] == 1
    assert report["by_data_set"]["b"]["clips"] == 1


@pytest.mark.parametrize(
    ("samples", "always", "share"),
    [
        (replace(SAMPLES, subjects=("easy/00",) * 36), None, 0.0),
        (replace(SAMPLES, subjects=("easy/00", "easy/01") * 18), None, 0.3),
        (SAMPLES, SAMPLES, 0.0),
    ],
)
def test_what_cannot_be_split_is_refused(
    samples: SampleSet, always: SampleSet | None, share: float, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="subject"):
        leave_one_out(RECIPE, samples, always, tmp_path, validation_share=share)
