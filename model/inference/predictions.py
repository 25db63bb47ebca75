"""Runs a trained network over a set of samples. All evaluation goes through here."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from model.engine.forward import softmax
from model.errors import InputError
from model.inference.checkpoint import load_network
from model.inference.samples import SampleSet
from model.records import ArrayF32

BATCH = 256
"""Samples per batch: 4 MiB of flow maps."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A network's answers to N samples, in their order."""

    logits: ArrayF32
    """(N, C) class logits, before any temperature."""
    probabilities: ArrayF32
    """(N, C): softmax of the logits over the temperature; rows sum to 1."""
    action_units: ArrayF32
    """(N, A): independent probability of each unit."""


def run_network(
    trained: nn.Module | Path,
    samples: SampleSet,
    *,
    first_phase_only: bool = False,
    device: str = "cpu",
) -> Answers:
    """Run a network over `samples`: a module, or a checkpoint's file with its temperature.

    `first_phase_only` withholds the second phases, as at an expression's apex. A module stays in
    evaluation mode afterwards. Raises `CheckpointError` if the file cannot be read, and
    `InputError` if its classes, action units or inputs differ from those of the samples.
    """
    temperature = 1.0
    if isinstance(trained, Path):
        checkpoint, network = load_network(trained, device=device)
        for what, theirs, ours in (
            ("classes", checkpoint.labels, samples.classes),
            ("action units", checkpoint.action_units, samples.action_unit_names),
        ):
            if theirs != ours:
                raise InputError(
                    f"{trained.name} and {samples.name} differ in their {what}: "
                    f"{', '.join(theirs)} and {', '.join(ours)}"
                )
        temperature = checkpoint.temperature
    else:
        network = trained
    if network.inputs != samples.inputs:
        raise InputError(
            f"the network takes {network.inputs}, the samples of {samples.name} are "
            f"{samples.inputs}"
        )
    network.eval()
    classes = [np.zeros((0, len(samples.classes)), np.float32)]
    units = [np.zeros((0, len(samples.action_unit_names)), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(samples), BATCH):
            part = slice(start, start + BATCH)
            phases = torch.from_numpy(samples.phases[part]).to(device).float()
            known = torch.from_numpy(samples.both_phases[part] & (not first_phase_only))
            class_logits, unit_logits = network(
                phases[:, 0], phases[:, 1], known.to(device).float()
            )
            classes.append(class_logits.cpu().numpy())
            units.append(unit_logits.sigmoid().cpu().numpy())
    logits = np.concatenate(classes)
    return Answers(logits, softmax(logits / np.float32(temperature)), np.concatenate(units))
