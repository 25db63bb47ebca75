"""All that decides what comes out of a training run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from model.errors import InputError

Loss = Literal["cross_entropy", "focal"]
ClassWeights = Literal["none", "balanced"]
Keep = Literal["last", "best"]


@dataclass(frozen=True)
class Variation:
    """How samples are varied each time they are seen (`model.training.augment`). Shares are of
    samples, ranges those of uniform distributions around nothing, px those of the 64 px map."""

    mirror: float = 0.5
    """Share mirrored left to right; u changes its sign with it."""
    reverse: float = 0.2
    """Share shown backwards in time, of those whose second phase is known: phases swapped and
    negated, frames in reverse order."""
    drop_phase: float = 0.35
    """Share whose second phase is withheld, so that the first alone gets an answer too."""
    turn_rad: float = 0.1
    """The picture turned, vectors with it."""
    scale_log: float = 0.08
    """The picture scaled, vectors with it."""
    shift_px: float = 2.5
    gain_log: float = 0.15
    """u and v of each map scaled on their own, as in maps normalised by channel; flows alone."""


@dataclass(frozen=True)
class Recipe:
    """Saved in the checkpoint; the same recipe on the same samples gives the same weights on one
    machine and number of threads."""

    classifier: str
    """Name in `model.classifiers.CLASSIFIERS`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What its network is built with, if not its defaults."""
    flow: str = "lk"
    """Name in `model.flow.FLOWS` of the flow that the samples were computed with."""
    seed: int = 7
    """Of the weights, the batches and the variations."""
    epochs: int = 16
    batch: int = 96
    learning_rate: float = 2e-3
    """Greatest one, AdamW: rises over the first quarter, then falls to nothing as a cosine."""
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    loss: Loss = "cross_entropy"
    focusing: float = 2.0
    """γ of the focal loss."""
    class_weights: ClassWeights = "none"
    """"balanced": each class weighs as if all were equally frequent."""
    none_weight: float = 0.5
    """Weight of samples without expression beside the others (λ of outlier exposure)."""
    action_unit_weight: float = 1.0
    """Weight of the action units' loss beside the classes'."""
    action_unit_balance: float = 0.5
    """How much more a unit's presence weighs where it is rare: (absent / present) to this power."""
    keep: Keep = "last"
    """Which epoch's weights come out: the last one's, or those with the best UF1 on the
    validation samples."""
    variation: Variation = field(default_factory=Variation)
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the samples were, in words, seeds and numbers."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2 or self.learning_rate <= 0:
            raise InputError(
                "training needs 1 epoch or more, 2 samples or more in a batch and a learning rate "
                f"above 0, got {self.epochs}, {self.batch} and {self.learning_rate:g}"
            )
