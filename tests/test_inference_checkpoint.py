"""Checkpoints come back as they went, and refuse what does not fit."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save
from safetensors.torch import save_file

import model
from model.errors import CheckpointError
from model.flow import FLOWS, load_flow
from model.inference.checkpoint import (
    Checkpoint,
    checkpoint_path,
    load_network,
    read_checkpoint,
    save_checkpoint,
)
from model.inference.classifier import load_classifier
from model.inference.shipped_weights import shipped_names, weights_for_flow
from model.labels import UNCLEAR
from model.records import FlowPair

CHECKPOINT = Checkpoint(
    classifier="fmanet",
    labels=("negative", "positive", "surprise"),
    action_units=("AU4", "AU12"),
    flow="lk",
    flow_parameters=dict(load_flow("lk").parameters),
    recipe={"seed": 7},
    metrics={"uf1": 0.5},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.safetensors"
    save_checkpoint(path, CHECKPOINT, CHECKPOINT.network().state_dict())
    return path


def test_what_is_saved_is_read(path: Path) -> None:
    checkpoint, weights = read_checkpoint(path)
    assert checkpoint == CHECKPOINT
    network = checkpoint.network()
    network.load_state_dict(weights)
    save_checkpoint(path, checkpoint, network.state_dict())
    for name, tensor in read_checkpoint(path)[1].items():
        assert torch.equal(tensor, weights[name])


def test_equal_checkpoints_have_equal_files(path: Path) -> None:
    first, weights = path.read_bytes(), read_checkpoint(path)[1]
    for _ in range(8):
        save_checkpoint(path, CHECKPOINT, weights)
        assert path.read_bytes() == first
    assert int.from_bytes(first[:8], "little") % 8 == 0


def test_the_flow_it_was_trained_on_is_accepted(path: Path) -> None:
    classifier = load_classifier(path, flow=load_flow("lk"))
    assert classifier.flow_name == "lk"
    assert load_flow(classifier.flow_name, **classifier.flow_parameters)


def test_another_flow_is_refused_with_both_names(path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'lk'.*'tvl1'"):
        load_classifier(path, flow=load_flow("tvl1"))
    with pytest.raises(CheckpointError, match=r"5\.5.*7\.0"):
        load_classifier(path, flow=load_flow("lk", sigma_px=7))


@pytest.mark.parametrize("keep", [0, 10, 400, -1])
def test_a_truncated_file_is_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="safetensors"):
        load_classifier(path)


def test_a_flipped_bit_is_noticed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged.* hash \w{12}, it names \w{12}"):
        load_classifier(path)


def test_a_changed_description_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(b"positive") == 1
    path.write_bytes(content.replace(b"positive", b"positivo"))
    with pytest.raises(CheckpointError, match=r"damaged: its description has the hash"):
        load_classifier(path)


def test_other_classes_than_expected_are_refused_with_both(path: Path) -> None:
    assert load_classifier(path, labels=CHECKPOINT.labels).labels == CHECKPOINT.labels
    with pytest.raises(CheckpointError, match=r"negative, positive, surprise.*happy, sad"):
        load_classifier(path, labels=("happy", "sad"))


@pytest.mark.parametrize(
    "odd",
    [
        {"labels": ("a", "a", "b")},
        {"labels": ("a", "b", UNCLEAR)},
        {"labels": ()},
        {"temperature": 0.0},
        {"least_confidence": 1.5},
    ],
)
def test_what_cannot_be_is_refused(path: Path, odd: dict[str, Any]) -> None:
    save_checkpoint(path, replace(CHECKPOINT, **odd), CHECKPOINT.network().state_dict())
    with pytest.raises(CheckpointError, match=r"classes|least confidence"):
        load_classifier(path)


@pytest.mark.parametrize(
    "odd",
    [
        {"classifier": {}},
        {"labels": ("a", 3, "b")},
        {"action_units": ([],)},
        {"flow": None},
        {"flow_parameters": 3},
        {"input_px": "64"},
        {"temperature": "1"},
        {"temperature": True},
        {"metrics": []},
        {"options": []},
    ],
)
def test_a_description_of_other_kinds_of_values_is_refused(path: Path, odd: dict[str, Any]) -> None:
    save_checkpoint(path, replace(CHECKPOINT, **odd), CHECKPOINT.network().state_dict())
    with pytest.raises(CheckpointError, match="does not describe its weights"):
        load_classifier(path)


def test_a_key_that_no_description_has_is_refused(path: Path) -> None:
    save_checkpoint(path, CHECKPOINT, CHECKPOINT.network().state_dict())
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del metadata["checkpoint_sha256"]  # as in older files
    metadata["checkpoint"] = metadata["checkpoint"].replace("temperature", "temperatvre")
    path.write_bytes(save(arrays, metadata=metadata))
    with pytest.raises(CheckpointError, match="temperatvre"):
        load_classifier(path)


def test_options_that_no_network_has_are_refused(path: Path) -> None:
    odd = replace(CHECKPOINT, options={"blocks": [None]})
    save_checkpoint(path, odd, CHECKPOINT.network().state_dict())
    with pytest.raises(CheckpointError, match=r"has no such options.*train it again"):
        load_network(path)


def test_weights_for_other_classes_are_refused_with_both_shapes(path: Path) -> None:
    five = replace(CHECKPOINT, labels=("a", "b", "c", "d", "e"))
    save_checkpoint(path, CHECKPOINT, five.network().state_dict())
    with pytest.raises(CheckpointError, match=r"3 classes.*classes.* is \(5.*network's is \(3"):
        load_classifier(path)


def test_a_file_from_before_confidence_was_calibrated_is_read(path: Path) -> None:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    said = json.loads(header["__metadata__"]["checkpoint"])
    for name in ("temperature", "least_confidence", "command"):
        del said[name]
    header["__metadata__"]["checkpoint"] = json.dumps(said)
    del header["__metadata__"]["checkpoint_sha256"]
    new = json.dumps(header).encode()
    path.write_bytes(len(new).to_bytes(8, "little") + new + content[8 + size :])
    assert read_checkpoint(path)[0] == CHECKPOINT


def test_temperature_flattens_and_the_least_confidence_refuses(path: Path) -> None:
    flows = np.random.default_rng(0).normal(size=(2, 2, 64, 64)).astype(np.float32)
    weights = read_checkpoint(path)[1]
    sure = load_classifier(path).classify(FlowPair(flows[0], flows[1]))
    most = max(sure.probabilities.values())
    assert sure.label == max(sure.probabilities, key=lambda label: sure.probabilities[label])
    save_checkpoint(path, replace(CHECKPOINT, least_confidence=most + 1e-4), weights)
    refused = load_classifier(path).classify(FlowPair(flows[0], flows[1]))
    assert refused.label == UNCLEAR
    assert refused.probabilities == sure.probabilities
    save_checkpoint(path, replace(CHECKPOINT, temperature=4.0), weights)
    flat = load_classifier(path).classify(FlowPair(flows[0], flows[1]))
    logs = [np.log(list(each.probabilities.values())) for each in (sure, flat)]
    np.testing.assert_allclose(np.diff(logs[1]), np.diff(logs[0]) / 4, atol=1e-4)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="format"):
        load_classifier(path)


def test_weights_of_another_network_are_refused(path: Path) -> None:
    mmcof = replace(CHECKPOINT, classifier="mmcof-cnn")
    save_checkpoint(path, mmcof, CHECKPOINT.network().state_dict())
    with pytest.raises(CheckpointError, match="mmcof-cnn"):
        load_classifier(path)
    save_checkpoint(path, replace(CHECKPOINT, classifier="other"), {"x": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="fmanet"):
        load_classifier(path)
    save_checkpoint(path, replace(CHECKPOINT, input_px=28), CHECKPOINT.network().state_dict())
    with pytest.raises(CheckpointError, match="28"):
        load_classifier(path)


def test_names_that_stand_for_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing-here"):
        load_classifier("nothing-here")
    with pytest.raises(CheckpointError, match="absent"):
        load_classifier(tmp_path / "absent.safetensors")


def test_weights_for_a_flow_are_named_for_it(path: Path) -> None:
    for flow in FLOWS:
        name = weights_for_flow(flow, "fmanet")
        assert name == ("fmanet-tvl1" if flow == "tvl1" else "fmanet")
    assert read_checkpoint(checkpoint_path("fmanet-tvl1"))[0].flow == "tvl1"
    assert weights_for_flow("tvl1", str(path)) == str(path)
    with pytest.raises(CheckpointError, match=r"weights trained on this one: fmanet-tvl1$"):
        load_classifier("fmanet", flow=load_flow("tvl1"))
    with pytest.raises(CheckpointError, match=r"--flow dis --out FILE`$"):
        load_classifier("fmanet", flow=load_flow("dis"))


def test_the_package_offers_it_without_loading_torch() -> None:
    assert model.load_classifier is load_classifier
    with pytest.raises(AttributeError):
        _ = model.nothing
    code = "import sys, model, model.flow, model.records; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_weights_work(name: str) -> None:
    flow = "tvl1" if name.endswith("-tvl1") else "lk"
    classifier = load_classifier(name, flow=load_flow(flow))
    assert classifier.labels == ("negative", "positive", "surprise")
    still = np.zeros((1, 2, 128, 128), np.float32)
    assert classifier.predict(still, still).sum() == pytest.approx(1, abs=1e-5)
    card = Path(model.__file__).parent / "weights" / f"{name}.md"
    assert "synthetic only" in card.read_text(encoding="utf-8").lower()
    assert card.with_suffix(".safetensors").stat().st_size < 8e6
