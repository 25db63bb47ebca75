"""What is looked at after each epoch, and what is measured at the end."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.checkpoint import Checkpoint, read_checkpoint
from model.metrics import accuracy, calibration_error, confusion, uar, uf1
from model.records import ArrayF32
from model.samples import NO_EXPRESSION, SampleSet

AMPLITUDES_PX = ((0.1, 0.3), (0.3, 0.6), (0.6, 1.2), (1.2, 4.0))
"""Greatest displacement at the apex, by which figures are split."""


def watched(network: nn.Module, samples: SampleSet, device: str) -> dict[str, float]:
    """UF1 from what is known of the samples and from first phases alone, over those with an
    expression; mean average precision of the action units."""
    named = samples.labels != NO_EXPRESSION
    figures = {}
    for name, first_alone in (("uf1_first_phase", True), ("uf1", False)):
        logits, units = answered(network, samples, device, first_alone=first_alone)
        said = logits[named].argmax(axis=1)
        figures[name] = uf1(confusion(samples.labels[named], said, len(samples.classes)))
    figures["action_unit_map"] = mean_average_precision(samples.action_units, units)
    return figures


def measured(network: nn.Module, samples: SampleSet, device: str) -> dict[str, float]:
    """Figures for a checkpoint: UF1, UAR, accuracy, by amplitude, and of first phases alone
    ("first_phase_uf1"), over the samples with an expression; what is said with the others."""
    named = samples.labels != NO_EXPRESSION
    truth, amplitude_px = samples.labels[named], samples.amplitude_px[named]
    figures: dict[str, float] = {}
    for prefix, first_alone in (("", False), ("first_phase_", True)):
        logits, units = answered(network, samples, device, first_alone=first_alone)
        shares = torch.from_numpy(logits).softmax(dim=1).numpy()
        said = shares[named].argmax(axis=1)
        counts = confusion(truth, said, len(samples.classes))
        scores = {
            "uf1": uf1(counts),
            "uar": uar(counts),
            "accuracy": accuracy(counts),
            "confidence": float(shares[named].max(axis=1).mean()),
            "calibration_error": calibration_error(shares[named], truth),
            "action_unit_map": mean_average_precision(samples.action_units, units),
        }
        if not named.all():
            scores["confidence_without_expression"] = float(shares[~named].max(axis=1).mean())
        for low, high in AMPLITUDES_PX:
            within = (amplitude_px >= low) & (amplitude_px < high)
            if within.any():
                part = confusion(truth[within], said[within], len(samples.classes))
                scores[f"uf1_{low:g}_to_{high:g}_px"] = uf1(part)
        figures |= {prefix + name: value for name, value in scores.items()}
    return figures


def answered(
    network: nn.Module, samples: SampleSet, device: str, *, first_alone: bool = False
) -> tuple[ArrayF32, ArrayF32]:
    """Logits of the classes (N, C) and of the action units (N, A)."""
    network.eval()
    classes, units = [], []
    with torch.inference_mode():
        for start in range(0, len(samples), 256):
            part = slice(start, start + 256)
            phases = torch.from_numpy(samples.phases[part]).to(device).float()
            known = torch.from_numpy(samples.both_phases[part] & (not first_alone)).to(device)
            answer = network(phases[:, 0], phases[:, 1], known.float())
            classes.append(answer[0].cpu().numpy())
            units.append(answer[1].cpu().numpy())
    return np.concatenate(classes), np.concatenate(units)


def load_network(path: Path, device: str) -> tuple[Checkpoint, nn.Module]:
    """The network of a checkpoint just written, and what it says of itself."""
    checkpoint, weights = read_checkpoint(path)
    network = checkpoint.network().to(device)
    network.load_state_dict(weights)
    return checkpoint, network


def mean_average_precision(truth: ArrayF32, scores: ArrayF32) -> float:
    """Mean over the action units that occur of the mean precision at each true one's rank; truth
    (N, A) of zeros and ones, NaN where nobody coded. 0 where none occurs."""
    precisions = []
    for column, score in zip(truth.T, scores.T, strict=True):
        coded = ~np.isnan(column)
        present: NDArray[np.bool_] = column[coded] > 0.5
        if present.any():
            ranked = present[np.argsort(-score[coded], kind="stable")]
            precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
            precisions.append(precision[ranked].mean())
    return float(np.mean(precisions)) if precisions else 0.0
