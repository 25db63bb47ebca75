"""Temperature and reliability, on predictions whose calibration is known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.__main__ import main
from calibrate.confidence.predictions import Predictions, read_predictions
from calibrate.confidence.temperature import apply_temperature, logits, measure, split
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
    result = measure(found, *split(found, 0))
    assert result.ece_after < result.ece_before / 2
    assert result.nll_after < result.nll_before


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


def test_a_table_of_predictions_is_read(tmp_path: Path) -> None:
    found = drawn(1305, 30, subjects=5)
    read = read_predictions(write_csv(tmp_path / "p.csv", found))
    assert read.labels == LABELS
    assert read.subjects == found.subjects
    assert (read.truth == found.truth).all()
    assert read.probabilities == pytest.approx(found.probabilities, abs=1e-3)


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
    ("text", "words"),
    [
        ("label,b\n1,2\n", "its classes are"),
        ("p_a,p_b\n0.5,0.5\n", "'label' is missing"),
        ("label,p_a,p_b\nc,0.5,0.5\n", r"\['c'\] are none of"),
        ("label,p_a,p_b\na,0.5,0.1\n", "sum to 0.6"),
        ("label,p_a,p_b\na,x,0.1\n", "could not convert"),
        ("label,p_a,p_b\na,inf,0.1\n", "no number"),
        ("label,p_a,p_b\n", "no rows"),
    ],
)
def test_what_holds_no_predictions_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(InputError, match=words) as told:
        read_predictions(tmp_path / "p.csv")
    assert "\n" not in str(told.value)


def test_the_command_writes_a_file_and_a_plot_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_csv(tmp_path / "p.csv", drawn(1306, 200, 3.0, subjects=20))
    out, plot = tmp_path / "c.json", tmp_path / "r.html"
    command = ["confidence", str(table), "--out", str(out)]
    assert main([*command, "--plot", str(plot)]) == 0
    document = json.loads(out.read_text())
    assert (document["format"], document["version"]) == ("fmanet-live confidence", 1)
    assert document["temperature"] > 1.5
    assert "too sure of itself" in capsys.readouterr().out
    assert plot.read_text().count('aria-label="reliability"') == 2
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err
