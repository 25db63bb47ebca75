"""Checkpoints: weights and everything needed to use them correctly, in one safetensors file.

Reading a checkpoint's description and checking that the file is whole need no PyTorch.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from model.classifiers import CLASSIFIERS, Inputs, inputs_of
from model.classifiers.phase_inputs import INPUT_PX
from model.errors import CheckpointError, error_line
from model.face.aligned_crop import CROP_PX
from model.files import write_whole
from model.flow import Flow
from model.inference.shipped_weights import WEIGHTS, shipped_names
from model.labels import UNCLEAR
from model.lazy_loading import load_entry

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = "fmanet-live 1"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's description of its weights."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt key must not be ignored

    classifier: str
    """Name in `CLASSIFIERS`."""
    labels: tuple[str, ...]
    action_units: tuple[str, ...]
    flow: str
    """Name in `FLOWS` of the flow it was trained on."""
    flow_parameters: Mapping[str, float]
    input_px: int = INPUT_PX
    """Side of the flow maps the network takes, px. Crops of any size are resized to it."""
    reference_px: int = CROP_PX
    """The network takes displacements in px of a crop with this side."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The network's other constructor arguments, such as blocks left out."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The options of the training run, with its seed; "init" holds the recipe of the weights it
    started from."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Figures measured on data that no choice was based on."""
    temperature: float = 1.0
    """Class logits are divided by this (`model.inference.confidence`)."""
    least_confidence: float = 0.0
    """An answer whose greatest probability is lower means "no clear expression"."""
    command: str = ""
    """The command that made it, without paths of that machine; empty if no command did."""

    @property
    def inputs(self) -> Inputs:
        """The kind of input its network takes."""
        return inputs_of(self.classifier)

    def network(self) -> "nn.Module":
        """A new, untrained network of this kind."""
        build = load_entry(CLASSIFIERS, self.classifier, "classifier")
        network: nn.Module = build(
            classes=len(self.labels), action_units=len(self.action_units), **self.options
        )
        return network


def save_checkpoint(path: Path, checkpoint: Checkpoint, weights: "Mapping[str, Tensor]") -> None:
    """Write `checkpoint` and its `weights` (a network's `state_dict`) to `path`. The file is
    written whole or not at all."""
    arrays = {
        name: np.ascontiguousarray(tensor.detach().cpu().numpy()).reshape(tensor.shape)
        for name, tensor in weights.items()
    }
    description = json.dumps(asdict(checkpoint))
    metadata = {
        "format": FORMAT,
        "sha256": _digest(arrays),
        "checkpoint": description,
        "checkpoint_sha256": hashlib.sha256(description.encode()).hexdigest(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _in_order(save(arrays, metadata=metadata)))


def _in_order(content: bytes) -> bytes:
    """Return a safetensors file with the entries of its header in order. `save` leaves their order
    to chance, so two files of the same weights would differ."""
    end = 8 + int.from_bytes(content[:8], "little")
    entries = json.loads(content[8:end])
    header = json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


def read_checkpoint(path: Path) -> "tuple[Checkpoint, dict[str, Tensor]]":
    """The checkpoint and weights that `save_checkpoint` wrote to `path`. Raises `CheckpointError`
    if the file is missing, damaged or of another kind, or if this version has no network for its
    weights."""
    import torch

    checkpoint, arrays = _read(path)
    return checkpoint, {name: torch.from_numpy(array) for name, array in arrays.items()}


def describe_checkpoint(path: Path) -> Checkpoint:
    """The description in the checkpoint file `path`. Raises what `read_checkpoint` raises."""
    return _read(path)[0]


def check_fit(
    path: Path, *, flow: Flow | None = None, labels: Sequence[str] | None = None
) -> Checkpoint:
    """`describe_checkpoint`, checked. Also raises `CheckpointError` if the checkpoint was trained
    on another flow than `flow` or with other parameters, or if its classes are not `labels` in
    this order."""
    checkpoint = describe_checkpoint(path)
    if labels is not None and tuple(labels) != checkpoint.labels:
        raise CheckpointError(
            f"{path.name} names the classes {', '.join(checkpoint.labels)}, asked for were "
            f"{', '.join(labels)}: choose a checkpoint trained on these"
        )
    if flow is not None and checkpoint.inputs != "frames":
        _refuse_other_flow(path, checkpoint, flow)
    return checkpoint


def _read(path: Path) -> tuple[Checkpoint, dict[str, NDArray[Any]]]:
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}") from None
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise CheckpointError(f"{path} has the format {found!r}, this version reads {FORMAT!r}")
    description = metadata.get("checkpoint", "")
    described = hashlib.sha256(description.encode()).hexdigest()
    for what, own, stated in (
        ("weights have", _digest(arrays), metadata.get("sha256", "none")),
        # Older files do not hold this hash.
        ("description has", described, metadata.get("checkpoint_sha256", described)),
    ):
        if own != stated:
            raise CheckpointError(
                f"{path} is damaged: its {what} the hash {own[:12]}, it names "
                f"{stated[:12]}; copy or train it again"
            )
    try:
        checkpoint = TypeAdapter(Checkpoint).validate_json(description, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(
            f"{path} does not describe its weights: {where}: {first['msg']}"
        ) from None
    _check(path, checkpoint)
    return checkpoint, arrays


def load_network(path: Path, *, device: str = "cpu") -> "tuple[Checkpoint, nn.Module]":
    """The description in the checkpoint file `path`, and its trained network in evaluation mode.

    Raises `CheckpointError` if the file is missing, damaged or of another kind, or if the weights
    do not fit the description.
    """
    checkpoint, tensors = read_checkpoint(path)
    try:
        network = checkpoint.network()
    except Exception as error:  # networks raise anything on unknown options
        raise CheckpointError(
            f"{path}: {checkpoint.classifier!r} has no such options ({error_line(error)}): "
            f"{dict(checkpoint.options)}; train it again with this version"
        ) from None
    _refuse_other_weights(path, checkpoint, network, tensors)
    network.load_state_dict(tensors)
    return checkpoint, network.eval().to(device)


def checkpoint_path(name_or_path: str | Path) -> Path:
    """The file of a checkpoint, given the name of a shipped one or a path. Raises `CheckpointError`
    if there is no such file."""
    if isinstance(name_or_path, str) and name_or_path in shipped_names():
        return WEIGHTS / f"{name_or_path}.safetensors"
    if name_or_path in CLASSIFIERS:
        raise CheckpointError(
            f"no weights are shipped for {name_or_path!r}: train them with "
            f"`fmanet train {name_or_path} --out FILE` and give the file"
        )
    path = Path(name_or_path)
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint {str(name_or_path)!r}: give a file, or one of the shipped "
            f"{', '.join(shipped_names())}"
        )
    return path


def checkpoint_digest(path: Path) -> str:
    """SHA-256 of a checkpoint's file, weights and description included."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def require_digest(path: Path, digest: str) -> None:
    """Raise `CheckpointError` if `path` is not the file that had this `checkpoint_digest`: another
    machine may have other weights of the same name."""
    if checkpoint_digest(path) != digest:
        raise CheckpointError(
            f"{platform.node()} has other weights in {path} than the machine on which the command "
            "was given: copy the file"
        )


def _check(path: Path, checkpoint: Checkpoint) -> None:
    labels = checkpoint.labels
    if not labels or len(set(labels)) < len(labels) or UNCLEAR in labels:
        raise CheckpointError(
            f"{path} names the classes {', '.join(labels) or 'none'}: they have to be distinct, "
            f"and {UNCLEAR!r} is none"
        )
    if not (checkpoint.temperature > 0 and 0 <= checkpoint.least_confidence <= 1):
        raise CheckpointError(
            f"{path} has the temperature {checkpoint.temperature} and the least confidence "
            f"{checkpoint.least_confidence}: above 0 and from 0 to 1 are possible"
        )
    if (checkpoint.input_px, checkpoint.reference_px) != (INPUT_PX, CROP_PX):
        raise CheckpointError(
            f"{path} takes maps of {checkpoint.input_px} px in px of a {checkpoint.reference_px} "
            f"px crop, this version gives {INPUT_PX} and {CROP_PX}: train it again"
        )
    if checkpoint.classifier not in CLASSIFIERS:
        raise CheckpointError(
            f"{path}: unknown classifier {checkpoint.classifier!r}: choose one of "
            f"{', '.join(CLASSIFIERS)}"
        )


def _refuse_other_weights(
    path: Path, checkpoint: Checkpoint, network: "nn.Module", tensors: "Mapping[str, Tensor]"
) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise CheckpointError(
                f"the weights in {path} do not fit {checkpoint.classifier!r} for "
                f"{len(checkpoint.labels)} classes and {len(checkpoint.action_units)} action "
                f"units: {name} is {found.get(name, 'absent')}, the network's is "
                f"{expected.get(name, 'absent')}; train it again with this version"
            )


def _refuse_other_flow(path: Path, checkpoint: Checkpoint, flow: Flow) -> None:
    if flow.name != checkpoint.flow:
        raise CheckpointError(
            f"{path.name} was trained on the flow {checkpoint.flow!r}, it cannot serve "
            f"{flow.name!r}: choose that flow, or {_trained_on(flow, checkpoint.classifier)}"
        )
    trained, given = dict(checkpoint.flow_parameters), dict(flow.parameters)
    if trained != given:
        raise CheckpointError(
            f"{path.name} was trained on the flow {flow.name!r} with {trained}, it cannot serve "
            f"{flow.name!r} with {given}"
        )


def _trained_on(flow: Flow, classifier: str) -> str:
    """The remedy in a message: weights for `flow`, or the command that trains them."""
    fitting = [
        n for n in shipped_names() if describe_checkpoint(checkpoint_path(n)).flow == flow.name
    ]
    if fitting:
        return f"weights trained on this one: {', '.join(fitting)}"
    command = f"fmanet train {classifier} --flow {flow.name} --out FILE"
    return f"train weights on this one: `{command}`"


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        # PyTorch's name of the type, because the first files were hashed with it.
        digest.update(f"{name} torch.{array.dtype} {tuple(array.shape)}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
