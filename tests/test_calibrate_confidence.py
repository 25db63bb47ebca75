"""Temperature, reliability and conformal sets, on predictions whose calibration is known."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.__main__ import main
from calibrate.confidence.conformal import (
    apply_temperature,
    conformal_quantile,
    logits,
    measure,
    split,
)
from calibrate.confidence.predictions import Predictions, read_predictions
from model.errors import InputError
from model.inference.confidence import fit_temperature

LABELS = ("negative", "positive", "surprise")


def drawn(seed: int, n: int, sharper: float = 1.0, subjects: int = 0) -> Predictions:
    """Predictions whose logits are `sharper` times those that the labels were drawn by."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.2, (n, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in true])
    names = tuple(f"s{k % subjects}" for k in range(n)) if subjects else None
    return Predictions(LABELS, apply_temperature(true, 1 / sharper), truth, names)


@pytest.mark.parametrize("sharper", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_sharpened_the_logits(sharper: float) -> None:
    found = drawn(1300, 4000, sharper)
    assert fit_temperature(logits(found.probabilities), found.truth) == pytest.approx(
        sharper, rel=0.1
    )


def test_calibration_improves_on_the_half_that_was_not_fitted() -> None:
    found = drawn(1301, 1000, 3.0)
    result = measure(found, *split(found, 0), 0.9)
    assert result.ece_after < result.ece_before / 2
    assert result.nll_after < result.nll_before
    assert result.conformal is not None
    assert result.conformal.measured == pytest.approx(0.9, abs=0.04)
    assert 1 < result.conformal.mean_size < 3


@given(st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_conformal_sets_hold_the_truth_as_often_as_chosen(coverage: float) -> None:
    covered = []
    for seed in range(1300, 1360):
        found, new = drawn(seed, 40, 2.0), drawn(seed + 500, 200, 2.0)
        quantile = conformal_quantile(found.probabilities, found.truth, coverage)
        sets = new.probabilities >= 1 - quantile
        covered.append(sets[np.arange(200), new.truth].mean())
    # Between the chosen coverage and 1 / (n + 1) more, on average.
    assert coverage - 0.02 < np.mean(covered) < coverage + 1 / 41 + 0.02


@pytest.mark.parametrize(("coverage", "least"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_too_few_labels_for_a_coverage_are_told_with_the_least(coverage: float, least: int) -> None:
    enough = drawn(1302, least)
    assert 0 <= conformal_quantile(enough.probabilities, enough.truth, coverage) <= 1
    if least > 1:
        few = drawn(1302, least - 1)
        with pytest.raises(InputError, match=f"at least {least} labelled clips"):
            conformal_quantile(few.probabilities, few.truth, coverage)


@pytest.mark.parametrize("coverage", [0.0, 1.0, math.nan])
def test_a_coverage_that_makes_no_sense_is_refused(coverage: float) -> None:
    with pytest.raises(InputError, match="--coverage"):
        conformal_quantile(np.full((9, 3), 1 / 3), np.zeros(9, np.int64), coverage)


@given(st.integers(2, 12), st.integers(20, 80), st.integers(0, 9))
def test_halves_share_no_subject_and_lose_no_clip(subjects: int, clips: int, seed: int) -> None:
    found = drawn(1303, clips, subjects=subjects)
    fit, shown = split(found, seed)
    assert sorted([*fit, *shown]) == list(range(clips))
    assert found.subjects is not None
    assert len(fit)
    assert len(shown)
    assert not {found.subjects[k] for k in fit} & {found.subjects[k] for k in shown}


def test_too_few_clips_or_subjects_are_told() -> None:
    with pytest.raises(InputError, match="19 labelled clips are too few: at least 20"):
        split(drawn(1304, 19), 0)
    with pytest.raises(InputError, match="at least 2 subjects"):
        split(drawn(1304, 30, subjects=1), 0)


def write_csv(path: Path, found: Predictions) -> Path:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["subject", "label", *(f"p_{label}" for label in LABELS), "p_AU12"])
        for k, row in enumerate(found.probabilities):
            whose = found.subjects[k] if found.subjects else ""
            table.writerow([whose, LABELS[found.truth[k]], *row.round(4), 0.3])
    return path


def test_csv_and_json_say_the_same(tmp_path: Path) -> None:
    found = drawn(1305, 30, subjects=5)
    from_csv = read_predictions(write_csv(tmp_path / "p.csv", found))
    document = {
        "labels": LABELS,
        "probabilities": found.probabilities.tolist(),
        "truth": found.truth.tolist(),
        "subjects": found.subjects,
    }
    (tmp_path / "p.json").write_text(json.dumps(document))
    from_json = read_predictions(tmp_path / "p.json")
    assert from_csv.labels == from_json.labels == LABELS
    assert from_csv.subjects == from_json.subjects == found.subjects
    assert (from_csv.truth == from_json.truth).all()
    assert from_csv.probabilities == pytest.approx(from_json.probabilities, abs=1e-3)


def test_what_leaving_one_subject_out_writes_is_read(tmp_path: Path) -> None:
    table = tmp_path / "predictions.csv"
    table.write_text("subject,clip,truth,predicted,a,b\n1,x,b,a,0.7,0.3\n2,y,a,a,0.9,0.1\n")
    found = read_predictions(table)
    assert (found.labels, found.subjects) == (("a", "b"), ("1", "2"))
    assert found.truth.tolist() == [1, 0]
    assert found.probabilities == pytest.approx(np.array([[0.7, 0.3], [0.9, 0.1]]))


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_spreadsheet_program_hides_no_subjects(delimiter: str, tmp_path: Path) -> None:
    # Its byte order mark stood before the first column's name: halves then shared subjects.
    found = drawn(1305, 30, subjects=5)
    table = write_csv(tmp_path / "p.csv", found)
    text = table.read_text()
    assert text.startswith("subject,")
    table.write_text(text.replace(",", delimiter), encoding="utf-8-sig")
    assert read_predictions(table).subjects == found.subjects


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.csv", "label,b\n1,2\n", "its classes are"),
        ("p.csv", "p_a,p_b\n0.5,0.5\n", "'label' is missing"),
        ("p.csv", "label,p_a,p_b\nc,0.5,0.5\n", r"\['c'\] are none of"),
        ("p.csv", "label,p_a,p_b\na,0.5,0.1\n", "sum to 0.6"),
        ("p.csv", "label,p_a,p_b\na,x,0.1\n", "could not convert"),
        ("p.csv", "label,p_a,p_b\n", "0 labels"),
        ("p.json", "{", "no predictions"),
        ("p.json", '{"labels": ["a", "b"]}', "'probabilities' is missing"),
        ("p.json", "[]", "no predictions"),
        ("p.json", "[" * 9000, "nested too deeply"),
        (
            "p.json",
            '{"labels": ["a", "b"], "probabilities": [[1%s, 0]], "truth": ["a"]}' % ("0" * 400),
            "too large",
        ),
    ],
)
def test_what_holds_no_predictions_is_told(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words) as told:
        read_predictions(tmp_path / name)
    assert "\n" not in str(told.value)


def test_the_command_writes_a_file_and_a_plot_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_csv(tmp_path / "p.csv", drawn(1306, 200, 3.0, subjects=20))
    out, plot = tmp_path / "c.json", tmp_path / "r.html"
    command = ["confidence", str(table), "--coverage", "0.9", "--out", str(out)]
    assert main([*command, "--plot", str(plot)]) == 0
    document = json.loads(out.read_text())
    assert (document["format"], document["version"]) == ("fmanet-live confidence", 1)
    assert document["temperature"] > 1.5
    assert document["conformal"]["coverage"] == 0.9
    assert "too sure of itself" in capsys.readouterr().out
    assert plot.read_text().count('aria-label="reliability"') == 2
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err
    few = ["confidence", str(table), "--coverage", "0.995", "--out", str(tmp_path / "no.json")]
    assert main(few) == 2
    assert "at least 199 labelled clips" in capsys.readouterr().err
    assert not (tmp_path / "no.json").exists()
