"""Whether a checkpoint's own figures are found again."""

from dataclasses import replace
from pathlib import Path

import pytest
from easy import easy_samples

from model.evaluation.report_set import (
    OTHER_GENERATOR,
    REPRODUCED_WITHIN,
    compare_metrics,
    compare_report,
)
from model.inference.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from model.metrics.checkpoint_scores import measure_checkpoint
from model.training.loop import fit
from model.training.recipe import Recipe
from model.training.training_samples import Sources

SAMPLES = easy_samples(60, 0, none_share=0.2)


def test_figures_are_compared_name_by_name() -> None:
    stored = {"uf1": 0.8, "uar": 0.7}
    assert (
        compare_metrics(stored, {"uf1": 0.8 + REPRODUCED_WITHIN / 2, "uar": 0.7, "new": 1.0})
        == "reproduced"
    )
    assert compare_metrics({}, stored) == ""
    assert compare_metrics(stored, {"uf1": 0.81, "uar": 0.7}) == (
        "differs: uf1 is 0.810, the checkpoint says 0.800"
    )
    assert "uar is in the checkpoint alone" in compare_metrics(stored, {"uf1": 0.8})
    assert "uf1" in compare_metrics({"uf1": 0.5}, {"uf1": float("nan")})
    assert compare_metrics({"uf1": float("nan")}, {"uf1": float("nan")}) == "reproduced"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "easy.safetensors"
    recipe = Recipe("mmcof-cnn", options={"width": 4}, epochs=1, data=Sources().summary())
    fit(recipe, easy_samples(48, 1, none_share=0.2), SAMPLES, path)
    checkpoint, weights = read_checkpoint(path)
    checkpoint = replace(checkpoint, metrics=measure_checkpoint(path, SAMPLES))
    save_checkpoint(path, checkpoint, weights)
    return path


def compare(path: Path, checkpoint: Checkpoint) -> str:
    return compare_report(path, checkpoint, SAMPLES, "cpu")


def test_own_figures_are_found_again(trained: Path) -> None:
    checkpoint = read_checkpoint(trained)[0]
    assert compare(trained, checkpoint) == "reproduced"
    other = replace(checkpoint, metrics={**checkpoint.metrics, "uf1": 0.123})
    assert compare(trained, other).endswith("the checkpoint says 0.123")


def test_figures_of_an_earlier_generator_are_not_compared(trained: Path) -> None:
    checkpoint = read_checkpoint(trained)[0]
    data = {**checkpoint.recipe["data"], "generator": 1}
    older = replace(
        checkpoint,
        recipe={**checkpoint.recipe, "data": data},
        metrics={**checkpoint.metrics, "uf1": 0.123},
    )
    assert compare(trained, older) == OTHER_GENERATOR
