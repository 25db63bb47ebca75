"""A small learned judge of what the spotter's rules would decide by hand.

Three dense layers from the traits of a pulse (`realtime.spotting.pulse_features`) to how much it
looks like a micro-expression. A few thousand weights, evaluated once for each pulse that has ended:
numpy is enough, and the file is read without torch. `calibrate.spotting.training` makes it.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open

from model.errors import CheckpointError, InputError
from model.records import ArrayF32, Window
from model.text import parse_json
from realtime.spotting.pulse_features import TRAITS

FORMAT = "fmanet-live spotter 1"
RULES = "rules"
MOST = 5.0
"""Traits count up to so many standard deviations from their mean."""


class Scorer(Protocol):
    """Judges pulses."""

    opens_at: float
    """The share of the thresholds at which a pulse opens."""
    accepts: float
    """The least likeness of a micro-expression."""

    def likeness(self, window: Window, traits: ArrayF32) -> float:
        """0 to 1, of a pulse that has ended; `traits` (TRAITS,)."""


class LearnedScorer:
    """The network of a file."""

    def __init__(self, tensors: Mapping[str, ArrayF32], opens_at: float, accepts: float) -> None:
        """`tensors`: `mean` and `std` (TRAITS,), then `w0`, `b0`, `w1`, …: (inputs, outputs) and
        (outputs,) of each layer, the last with one output. KeyError, ValueError if they are not."""
        self.opens_at, self.accepts = opens_at, accepts
        self._mean, self._std = tensors["mean"], tensors["std"]
        layers = sum(name.startswith("w") for name in tensors)
        self._layers = [(tensors[f"w{k}"], tensors[f"b{k}"]) for k in range(layers)]
        widths = [TRAITS, *(len(bias) for _, bias in self._layers)]
        shapes = [weight.shape for weight, _ in self._layers]
        if self._mean.shape != (TRAITS,) or self._std.shape != (TRAITS,) or widths[-1] != 1:
            raise ValueError(f"its layers are {shapes}, of {TRAITS} traits")
        if shapes != list(pairwise(widths)):
            raise ValueError(f"its layers {shapes} do not follow each other")

    def likeness(self, window: Window, traits: ArrayF32) -> float:
        """See `Scorer`."""
        x = np.clip((traits - self._mean) / self._std, -MOST, MOST)
        for k, (weight, bias) in enumerate(self._layers):
            x = x @ weight + bias
            if k + 1 < len(self._layers):
                x = x * _sigmoid(x)  # SiLU
        return float(_sigmoid(x)[0])


def _sigmoid(x: ArrayF32) -> ArrayF32:
    bounded: ArrayF32 = 1 / (1 + np.exp(-np.clip(x, -60, 60)))
    return bounded


def load_scorer(name: str) -> Scorer | None:
    """`rules`: None; else that of a file. Raises `CheckpointError` if it cannot be used."""
    if name == RULES:
        return None
    path = Path(name)
    try:
        with safe_open(path, framework="numpy") as file:
            said: dict[str, Any] = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if said.get("format") != FORMAT:
            raise ValueError(f"it is of format {said.get('format')!r}, not {FORMAT!r}")
        recipe = parse_json(said["recipe"])
        return LearnedScorer(tensors, float(recipe["opens_at"]), float(recipe["accepts"]))
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise CheckpointError(
            f"--spotter {name} cannot be used ({error}): choose {RULES}, or make one with "
            "python -m calibrate spotting train"
        ) from None


def checked_scorer(name: str) -> None:
    """`InputError` unless `name` is one that `load_scorer` knows."""
    if name != RULES and not Path(name).is_file():
        raise InputError(f"--spotter {name}: choose {RULES}, or a file of weights")
