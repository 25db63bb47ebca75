"""Checkpoints: weights with everything that is needed to use them rightly, in one safetensors file.

classifier = load_classifier("fmanet")          # shipped, or a path to your own
p = classifier.predict(onset_apex, apex_offset)
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model.classifiers import CLASSIFIERS, Classifier
from model.classifiers.inputs import INPUT_PX, REFERENCE_PX
from model.classifiers.network import NetworkClassifier
from model.errors import CheckpointError, InputError
from model.flow import Flow
from model.tables import load_entry

WEIGHTS = Path(__file__).parent / "weights"
FORMAT = "fmanet-live 1"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says of its weights."""

    classifier: str
    """Name in `CLASSIFIERS`."""
    labels: tuple[str, ...]
    action_units: tuple[str, ...]
    flow: str
    """Name in `FLOWS` of the flow that it was trained on."""
    flow_parameters: Mapping[str, float]
    input_px: int = INPUT_PX
    """Side of the flow maps that the network sees; any crop is resized to it."""
    reference_px: int = REFERENCE_PX
    """Side of the crop in whose px the network takes displacements."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What its network is built with beside the numbers of classes and units: blocks left out."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The options of the training run, its seed among them."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Measured on data that chose nothing."""

    def network(self) -> nn.Module:
        """A new network of this kind, its weights untrained."""
        build = load_entry(CLASSIFIERS, self.classifier, "classifier")
        network: nn.Module = build(
            classes=len(self.labels), action_units=len(self.action_units), **self.options
        )
        return network


def save_checkpoint(path: Path, checkpoint: Checkpoint, weights: Mapping[str, Tensor]) -> None:
    """Write `checkpoint` and its `weights` (a network's `state_dict`) to `path`, whole or not at
    all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    metadata = {
        "format": FORMAT,
        "sha256": _digest(tensors),
        "checkpoint": json.dumps(asdict(checkpoint)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(path.suffix + ".partial")
    save_file(tensors, partial, metadata=metadata)
    partial.replace(path)


def read_checkpoint(path: Path) -> tuple[Checkpoint, dict[str, Tensor]]:
    """What `save_checkpoint` wrote; `CheckpointError` if the file is missing, damaged, foreign."""
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}") from None
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise CheckpointError(f"{path} has the format {found!r}, this version reads {FORMAT!r}")
    if metadata.get("sha256") != _digest(tensors):
        raise CheckpointError(f"{path} is damaged: its weights do not match their hash")
    try:
        said = json.loads(metadata["checkpoint"])
        for name in ("labels", "action_units"):
            said[name] = tuple(said[name])
        checkpoint = Checkpoint(**said)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not describe its weights: {error}") from None
    return checkpoint, tensors


def load_classifier(
    name_or_path: str | Path, *, flow: Flow | None = None, device: str = "cpu"
) -> Classifier:
    """A trained classifier: a shipped one by its name, or any checkpoint by its path.

    `flow` is the one whose output it will be given: if that is not the flow that it was trained
    on, parameters included, it is refused, as amplitudes would mean something else. Raises
    `CheckpointError` for that and for a checkpoint that is missing, damaged or of another kind.
    """
    path = _path(name_or_path)
    checkpoint, tensors = read_checkpoint(path)
    if (checkpoint.input_px, checkpoint.reference_px) != (INPUT_PX, REFERENCE_PX):
        raise CheckpointError(
            f"{path} takes maps of {checkpoint.input_px} px in px of a {checkpoint.reference_px} "
            f"px crop, this version gives {INPUT_PX} and {REFERENCE_PX}: train it again"
        )
    try:
        network = checkpoint.network()
        network.load_state_dict(tensors)
    except InputError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except TypeError:
        raise CheckpointError(
            f"{path}: {checkpoint.classifier!r} has no such options: {dict(checkpoint.options)}"
        ) from None
    except RuntimeError:
        raise CheckpointError(
            f"the weights in {path} do not fit the network {checkpoint.classifier!r}: "
            "train it again with this version"
        ) from None
    if flow is not None and network.inputs != "frames":
        _refuse_other_flow(path, checkpoint, flow)
    return NetworkClassifier(
        network,
        name=checkpoint.classifier,
        labels=checkpoint.labels,
        action_units=checkpoint.action_units,
        flow_name=checkpoint.flow,
        flow_parameters=checkpoint.flow_parameters,
        device=device,
    )


def _path(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, str) and name_or_path in CLASSIFIERS:
        path = WEIGHTS / f"{name_or_path}.safetensors"
        if not path.is_file():
            raise CheckpointError(
                f"no weights are shipped for {name_or_path!r}: train them with "
                f"`python -m model.train {name_or_path} --out FILE` and give the file"
            )
        return path
    path = Path(name_or_path)
    if not path.is_file():
        shipped = ", ".join(sorted(file.stem for file in WEIGHTS.glob("*.safetensors")))
        raise CheckpointError(
            f"no checkpoint {str(name_or_path)!r}: give a file, or one of the shipped {shipped}"
        )
    return path


def _refuse_other_flow(path: Path, checkpoint: Checkpoint, flow: Flow) -> None:
    if flow.name != checkpoint.flow:
        raise CheckpointError(
            f"{path.name} was trained on the flow {checkpoint.flow!r}, it cannot serve "
            f"{flow.name!r}: choose that flow, or a checkpoint trained on this one"
        )
    trained, given = dict(checkpoint.flow_parameters), dict(flow.parameters)
    if trained != given:
        raise CheckpointError(
            f"{path.name} was trained on the flow {flow.name!r} with {trained}, it cannot serve "
            f"{flow.name!r} with {given}"
        )


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
