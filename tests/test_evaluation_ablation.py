"""The ablation measures what it says, the same each time, and goes on where it stopped."""

from dataclasses import replace
from pathlib import Path

import pytest
from easy import easy_samples

from model.classifiers import CLASSIFIERS
from model.cli import exit_code
from model.errors import InputError
from model.evaluation.ablation import (
    VARIANTS,
    AblationRow,
    Variant,
    VariantAnswers,
    format_ablation,
    main,
    measure_variant,
    score_variant,
)
from model.lazy_loading import load_entry
from model.metrics.recognition import ConfidenceInterval
from model.training.recipe import Recipe

VARIANT = Variant("COF, narrow", "cof-cnn", {"width": 8})
TRAINING = easy_samples(48, 0)
REPORT = easy_samples(30, 1, none_share=0.2)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[VariantAnswers, Path]:
    """What a system answers, and the folder with what is kept of it."""
    folder = tmp_path_factory.mktemp("ablation")
    return measured(folder), folder


def measured(out: Path, epochs: int = 6) -> VariantAnswers:
    usual = Recipe("cof-cnn", options=VARIANT.options, epochs=epochs, batch=12, learning_rate=1e-2)
    recipes = [replace(usual, seed=seed) for seed in (1, 2)]
    return measure_variant(VARIANT, recipes, TRAINING, REPORT, out)


def test_every_system_and_every_part_has_its_line() -> None:
    assert {variant.classifier for variant in VARIANTS} == set(CLASSIFIERS)
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    for variant in VARIANTS:
        network = load_entry(CLASSIFIERS, variant.classifier, "classifier")
        network(classes=3, action_units=2, **variant.options)


def test_a_system_is_measured_once(answers: tuple[VariantAnswers, Path]) -> None:
    once, folder = answers
    row = score_variant(once)
    assert row.uf1.value > 0.6
    assert row.uf1.low <= row.uf1.value <= row.uf1.high
    assert row.parameters > 1000
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("cof-narrow-*")}
    assert {path.suffix for path in kept} == {".safetensors", ".csv"}
    assert score_variant(measured(folder)) == row
    assert kept == {path: path.stat().st_mtime_ns for path in folder.glob("cof-narrow-*")}
    with pytest.raises(InputError, match="another --out"):
        measured(folder, epochs=7)


def test_systems_are_compared_on_the_same_faces(answers: tuple[VariantAnswers, Path]) -> None:
    better, _ = answers
    worse = replace(better, name="worse", both=(better.both + 1) % 3)
    assert score_variant(better, better).above_reference is None
    above = score_variant(worse, better).above_reference
    assert above is not None
    assert above.value == score_variant(worse).uf1.value - score_variant(better).uf1.value
    assert above.low <= above.value <= above.high < 0
    others = replace(better, name="others", subjects=better.subjects[::-1])
    with pytest.raises(InputError, match="different expressions"):
        score_variant(others, better)


def test_the_table_is_markdown() -> None:
    score, less = ConfidenceInterval(0.5, 0.4, 0.6), ConfidenceInterval(-0.02, -0.04, 0.001)
    first = AblationRow("fmanet", 129089, score, None, score, 0.345)
    text = format_ablation([first, AblationRow("jfm", 192552, score, less, score, 0.345)])
    lines = text.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| fmanet | 129,089 | 0.500 (0.400 to 0.600) | – |")
    assert "| -0.020 (-0.040 to +0.001) |" in lines[3]
    assert len({each.count("|") for each in lines}) == 1


@pytest.mark.parametrize("options", [["--systems", "vgg"], ["--epochs", "0"], ["--pairs", "1"]])
def test_unusable_options_are_one_line(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["ablate", *options])
    assert exit_code(main) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
