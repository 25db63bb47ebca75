"""What is looked at after each epoch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.metrics import confusion, uf1
from model.records import ArrayF32
from model.samples import NO_EXPRESSION, SampleSet


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
