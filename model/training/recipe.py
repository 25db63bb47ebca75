"""Everything that determines the result of a training run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from model.errors import InputError

CLIP_STEPS = 1500
"""Steps on data sets alone. They have a few hundred clips, so passes over them would be short."""
CLIP_ROUNDS = 15
"""Into how many epochs those steps are divided."""
CLIP_BATCH = 32
"""Samples in a batch on data sets alone."""

TRAINED_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "fmanet": {"places": True},
    "slstt": {"places": True, "centred": True},
}
"""What a network is trained with, if not its own defaults: earlier checkpoints do not name their
options, and rely on those."""

Loss = Literal["cross_entropy", "focal"]
ClassWeights = Literal["none", "balanced"]
Keep = Literal["last", "best"]


@dataclass(frozen=True)
class Variation:
    """How samples are varied each time they are seen (`model.training.augment`). Shares are of
    samples; ranges are half widths of uniform distributions around 0; px are of the 64 px map."""

    mirror: float = 0.5
    """Share mirrored left to right; u changes its sign."""
    reverse: float = 0.2
    """Share played backwards, of samples whose second phase is known: flows are swapped and
    negated, frames reversed."""
    drop_phase: float = 0.35
    """Share whose second phase is withheld, so that the network learns to answer without it."""
    turn_rad: float = 0.1
    """Range of rotation; vectors turn with the picture."""
    scale_log: float = 0.08
    """Range of the scale's logarithm; vectors scale with the picture."""
    shift_px: float = 2.5
    gain_log: float = 0.15
    """Range of the logarithmic gain of u and v, separately per map, as in maps normalised by
    channel. For flows only."""


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
    """Seed of the weights, the batches and the variations."""
    epochs: int = 16
    """Passes over the samples, or rounds of equal length if `steps` are given. After each comes a
    line of the log, and validation."""
    steps: int | None = None
    """Steps of the optimiser in all, however many samples there are; None: as many as `epochs`
    passes take. A pass over a small data set is a step or two, which trains nothing."""
    batch: int = 96
    learning_rate: float = 2e-3
    """AdamW's greatest rate: it rises over the first quarter, then falls to 0 as a cosine."""
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    loss: Loss = "cross_entropy"
    focusing: float = 2.0
    """γ of the focal loss."""
    class_weights: ClassWeights = "none"
    """"balanced": each class counts as if all were equally frequent."""
    none_weight: float = 0.5
    """Weight of samples without expression (λ of outlier exposure)."""
    action_unit_weight: float = 1.0
    """Weight of the action units' loss beside the classes'."""
    action_unit_balance: float = 0.5
    """Exponent of the weight for a unit's presence: (absent / present) to this power."""
    keep: Keep = "last"
    """Which epoch's weights to keep: the last, or the one with the best UF1 on the validation
    samples."""
    variation: Variation = field(default_factory=Variation)
    data: Mapping[str, Any] = field(default_factory=dict)
    """Description of the samples: names, seeds and numbers."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2 or self.learning_rate <= 0:
            raise InputError(
                "training needs 1 epoch or more, 2 samples or more in a batch and a learning rate "
                f"above 0, got {self.epochs}, {self.batch} and {self.learning_rate:g}"
            )
        if self.steps is not None and self.steps < self.epochs:
            raise InputError(
                f"{self.steps} steps are too few for {self.epochs} epochs: give one or more each"
            )


def fill_recipe(given: Mapping[str, Any], *, synthetic: bool) -> dict[str, Any]:
    """The fields `given` of a recipe, and those that depend on them or on the samples.

    `synthetic`: whether synthetic pairs are among the samples. Without them training takes a fixed
    number of steps, small batches and balanced classes; with `epochs`, but without `steps`, it
    takes that many passes. `steps` alone are divided into the usual number of epochs, or into one
    each if they are fewer.
    """
    fields: dict[str, Any] = {}
    if not synthetic:
        fields |= {"batch": CLIP_BATCH, "class_weights": "balanced"}
    if "steps" in given:
        fields["epochs"] = min(Recipe.epochs if synthetic else CLIP_ROUNDS, given["steps"])
    elif not synthetic and "epochs" not in given:
        fields |= {"epochs": CLIP_ROUNDS, "steps": CLIP_STEPS}
    return fields | dict(given)
