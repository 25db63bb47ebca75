"""Training learns, goes on where it stopped, and ends in a checkpoint that works."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.checkpoint import load_classifier, read_checkpoint
from model.errors import exit_code
from model.flow import load_flow
from model.synthetic.pairs import ACTION_UNITS
from model.synthetic.pairset import PairSet
from model.train import Recipe, main, train

RECIPE = Recipe("mmcof-cnn", pairs=48, validation_pairs=24, epochs=3, batch=16)
"""The cheapest network; what is tested here knows nothing of networks."""


def easy_pairs(count: int, seed: int) -> PairSet:
    """Each class moves a place of its own downwards and back."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    flows = 0.1 * rng.normal(size=(count, 2, 2, 64, 64))
    for number, label in enumerate(labels):
        top = 8 + 18 * label
        flows[number, 0, 1, top : top + 12, 20:44] += 1
        flows[number, 1, 1, top : top + 12, 20:44] -= 1
    units = np.zeros((count, len(ACTION_UNITS)))
    units[np.arange(count), labels] = 1
    return PairSet(
        flows.astype(np.float16),
        labels.astype(np.int64),
        units.astype(np.float32),
        rng.uniform(0.2, 2.5, count).astype(np.float32),
    )


def interrupt(line: Mapping[str, float]) -> None:
    """The user presses Ctrl-C during the second epoch."""
    if line["epoch"] == 2:
        raise KeyboardInterrupt


def ignore(line: Mapping[str, float]) -> None:
    assert line["loss"] > 0


def run(
    out: Path, recipe: Recipe = RECIPE, after: Callable[[Mapping[str, float]], None] = ignore
) -> None:
    with torch.random.fork_rng():
        train(
            recipe,
            training=easy_pairs(recipe.pairs, 0),
            validation=easy_pairs(recipe.validation_pairs, 1),
            report=easy_pairs(recipe.validation_pairs, 2),
            out=out,
            after_epoch=after,
        )


def test_training_learns_and_says_how(tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    run(out, replace(RECIPE, pairs=96, epochs=10, learning_rate=8e-3, reverse=0))
    checkpoint, _ = read_checkpoint(out)
    assert checkpoint.recipe["epochs"] == 10
    assert checkpoint.metrics["uf1"] > 0.9
    assert len((tmp_path / "net.log.csv").read_text().splitlines()) == 11
    assert not (tmp_path / "net.state").exists()
    classifier = load_classifier(out, flow=load_flow("lk"))
    flows = easy_pairs(6, 5).flows.astype(np.float32)
    said = classifier.predict(flows[:, 0], flows[:, 1]).argmax(axis=1)
    assert said.tolist() == [0, 1, 2, 0, 1, 2]


def test_the_same_recipe_gives_the_same_weights(tmp_path: Path) -> None:
    weights = []
    for name in ("one", "two"):
        run(tmp_path / f"{name}.safetensors")
        weights.append(read_checkpoint(tmp_path / f"{name}.safetensors")[1])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    run(whole)
    with pytest.raises(KeyboardInterrupt):
        run(parts, after=interrupt)
    assert not parts.exists()
    run(parts)
    expected = read_checkpoint(whole)[1]
    found = read_checkpoint(parts)[1]
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_the_state_of_another_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(out, after=interrupt)
    assert exit_code(lambda: run(out, replace(RECIPE, seed=8))) == 2
    assert "other options" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [["--pairs", "3"], ["--epochs", "0"], ["--seed", "999"], ["--device", "cuda:99"]],
)
def test_unusable_options_are_one_line(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if options[0] == "--device" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    monkeypatch.setattr("sys.argv", ["train", "fmanet", "--out", "x.safetensors", *options])
    assert exit_code(main) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
