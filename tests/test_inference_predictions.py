"""What networks say of a set of samples, whoever asks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from easy import easy_samples

from model.engine.forward import softmax
from model.errors import CheckpointError, InputError
from model.flow import load_flow
from model.inference.checkpoint import Checkpoint, save_checkpoint
from model.inference.classifier import load_classifier
from model.inference.predictions import run_network
from model.inference.samples import SampleSet

SAMPLES = easy_samples(20, 0, none_share=0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "net.safetensors", SAMPLES)


def written(path: Path, samples: SampleSet, **fields: object) -> Path:
    flow = load_flow("lk")
    checkpoint = Checkpoint(
        "mmcof-cnn", samples.classes, samples.action_unit_names, flow.name, dict(flow.parameters)
    )
    checkpoint = replace(checkpoint, **fields)  # type: ignore[arg-type]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(path, checkpoint, checkpoint.network().state_dict())
    return path


def test_they_are_those_of_the_classifier(tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors", SAMPLES, temperature=1.7)
    said = run_network(path, SAMPLES)
    classifier = load_classifier(path)
    flows = SAMPLES.phases.astype(np.float32) / 2  # px of maps of 64 px
    for i in range(8):
        second = flows[i : i + 1, 1] if SAMPLES.both_phases[i] else None
        given = flows[i : i + 1, 0], second
        np.testing.assert_allclose(said.probabilities[i], classifier.predict(*given)[0], atol=1e-5)
        units = classifier.predict_action_units(*given)[0]
        np.testing.assert_allclose(said.action_units[i], units, atol=1e-5)
    np.testing.assert_allclose(said.probabilities, softmax(said.logits / 1.7), atol=1e-6)


def test_second_phases_can_be_withheld(path: Path) -> None:
    alone = replace(SAMPLES, both_phases=np.zeros(20, np.bool_))
    first = run_network(path, SAMPLES, first_phase_only=True)
    np.testing.assert_array_equal(first.logits, run_network(path, alone).logits)
    assert not np.allclose(first.logits, run_network(path, SAMPLES).logits)


def test_batches_and_a_network_itself_change_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_network(path, SAMPLES).logits
    monkeypatch.setattr("model.inference.predictions.BATCH", 7)
    np.testing.assert_allclose(run_network(path, SAMPLES).logits, whole, atol=1e-5)
    nothing = run_network(path, SAMPLES.take([]))
    assert nothing.probabilities.shape == (0, 3)
    assert nothing.action_units.shape == (0, 4)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (replace(SAMPLES, classes=("a", "b", "c")), r"classes: negative.* and a, b, c"),
        (replace(SAMPLES, action_unit_names=("A", "B", "C", "D")), "action units"),
        (replace(SAMPLES, inputs="frames"), "takes flows, the samples of easy are frames"),
    ],
)
def test_samples_that_do_not_fit_are_refused(path: Path, samples: SampleSet, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_network(path, samples)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        run_network(tmp_path / "absent.safetensors", SAMPLES)
