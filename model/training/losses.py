"""The loss that training minimises: that of the class plus that of the action units.

Focal loss: T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, ICCV 2017, section 3. Samples
without expression are trained towards equal probabilities: outlier exposure, D. Hendrycks,
M. Mazeika, T. Dietterich, ICLR 2019, section 3.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.inference.samples import SampleSet
from model.labels import NO_EXPRESSION
from model.records import ArrayF32
from model.training.recipe import Recipe

MOST_UNIT_WEIGHT = 20.0
"""Limit on a unit's weight, so that a single sample with a very rare unit does not dominate."""


@dataclass(frozen=True)
class Objective:
    """The loss of a batch's answers, with weights taken from the training samples."""

    recipe: Recipe
    class_weights: Tensor
    """(C,): weight of each class; its mean over samples is 1."""
    unit_weights: Tensor
    """(A,): weight of a unit's presence relative to its absence."""

    @classmethod
    def of(cls, recipe: Recipe, training: SampleSet, device: str) -> "Objective":
        classes = class_weights(training) if recipe.class_weights == "balanced" else None
        ones = np.ones(len(training.classes), np.float32)
        units = unit_weights(training, recipe.action_unit_balance)
        return cls(
            recipe,
            torch.from_numpy(ones if classes is None else classes).to(device),
            torch.from_numpy(units).to(device),
        )

    def __call__(self, classes: Tensor, units: Tensor, labels: Tensor, present: Tensor) -> Tensor:
        """A scalar, from logits (N, C) and (N, A), class numbers (N,) and action units (N, A)."""
        recipe = self.recipe
        named = class_loss(
            classes,
            labels,
            weights=self.class_weights,
            smoothing=recipe.label_smoothing,
            focusing=recipe.focusing if recipe.loss == "focal" else 0.0,
            none_weight=recipe.none_weight,
        )
        return named + recipe.action_unit_weight * unit_loss(units, present, self.unit_weights)


def class_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    weights: Tensor,
    smoothing: float = 0.0,
    focusing: float = 0.0,
    none_weight: float = 1.0,
) -> Tensor:
    """Mean over the samples of the weighted loss of their class, logits (N, C), `labels` (N,).

    Cross-entropy; with `focusing` γ > 0 times (1 − p)^γ. A sample labelled `NO_EXPRESSION` adds
    `none_weight` times the divergence of the answer from equal probabilities.
    """
    logs = logits.log_softmax(dim=1)
    spread = -logs.mean(dim=1)
    none = labels == NO_EXPRESSION
    number = labels.clamp(min=0)
    own = -logs.gather(1, number[:, None])[:, 0]
    focused = own * (1 - (-own).exp()) ** focusing if focusing else own
    named = weights[number] * ((1 - smoothing) * focused + smoothing * spread)
    unnamed = none_weight * (spread - math.log(logits.shape[1]))
    return torch.where(none, unnamed, named).mean()


def unit_loss(logits: Tensor, present: Tensor, weights: Tensor) -> Tensor:
    """Mean binary cross-entropy over the coded action units (N, A); NaN marks uncoded ones.
    `weights` (A,) apply to a unit's presence. 0 if nothing was coded."""
    known = ~present.isnan()
    each = F.binary_cross_entropy_with_logits(
        logits, torch.where(known, present, 0.0), pos_weight=weights, reduction="none"
    )
    return torch.where(known, each, 0.0).sum() / known.sum().clamp(min=1)


def class_weights(samples: SampleSet) -> ArrayF32:
    """Weights (C,) that make all classes that occur count the same; their mean over samples is
    1."""
    named = samples.labels[samples.labels != NO_EXPRESSION]
    counts = np.bincount(named, minlength=len(samples.classes))
    occurring = max(1, np.count_nonzero(counts))
    weights: ArrayF32 = (len(named) / (occurring * np.maximum(counts, 1))).astype(np.float32)
    return weights


def unit_weights(samples: SampleSet, balance: float) -> ArrayF32:
    """Weights (A,): the ratio of samples without a unit to samples with it, to the power of
    `balance`, limited to 1 … `MOST_UNIT_WEIGHT`."""
    present = np.nansum(samples.action_units, axis=0)
    known = np.count_nonzero(~np.isnan(samples.action_units), axis=0)
    ratio = np.maximum(known - present, 1) / np.maximum(present, 1)
    weights: ArrayF32 = np.clip(ratio**balance, 1, MOST_UNIT_WEIGHT).astype(np.float32)
    return weights
