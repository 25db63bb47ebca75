"""Compares an engine's answers with plain PyTorch's on the CPU, on a fixed set of inputs.

PyTorch's answers are stored beside a built engine, so it can be checked on machines without
PyTorch too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.classifiers import Inputs
from model.classifiers.phase_inputs import INPUT_PX, PHASE_SHAPES, resize
from model.engine.forward import Arrays, Forward, in_batches, sigmoid, softmax
from model.records import ArrayF32

FIXED_INPUTS = 48
FLIPS_ALLOWED = 0
_WEAKEST_PX, _STRONGEST_PX = 0.05, 4.0
_GRAINS_PX = (4, 8, 16)  # sides of the coarse noise that is smoothed into motion
_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Equality:
    """The result of `compare_answers`."""

    max_difference: float
    """Greatest difference of any probability, of classes and action units."""
    mean_difference: float
    flips: int
    """Number of inputs that get another label although plain PyTorch's two likeliest classes differ
    by more than twice the tolerance."""
    inputs: int
    tolerance: float

    @property
    def refusal(self) -> str | None:
        """Why the engine must not be used; None if it may be. NaN is refused."""
        if self.max_difference <= self.tolerance and self.flips <= FLIPS_ALLOWED:
            return None
        return f"its answers differ: {self}"

    def __str__(self) -> str:
        return (
            f"probabilities differ by at most {self.max_difference:.1e}, {self.mean_difference:.1e}"
            f" in the mean (tolerance {self.tolerance:g}), {self.flips} of {self.inputs} labels "
            "flip"
        )


@dataclass(frozen=True, slots=True)
class FixedAnswers:
    """Plain PyTorch's answers to the fixed inputs."""

    inputs: Inputs
    """The kind of the inputs."""
    classes: ArrayF32
    """(`FIXED_INPUTS`, C) probabilities."""
    units: ArrayF32
    """(`FIXED_INPUTS`, A) probabilities."""

    def plain(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        rounded = {
            name: np.round(array.astype(np.float64), _DIGITS).tolist()
            for name, array in (("classes", self.classes), ("units", self.units))
        }
        return {"inputs": self.inputs, **rounded}


def parse_answers(plain: Mapping[str, Any]) -> FixedAnswers:
    """The answers from what `FixedAnswers.plain` returned. Raises KeyError, ValueError or
    TypeError on anything else."""
    truth = FixedAnswers(
        plain["inputs"],
        np.array(plain["classes"], np.float32).reshape(FIXED_INPUTS, -1),
        np.array(plain["units"], np.float32).reshape(FIXED_INPUTS, -1),
    )
    if truth.inputs not in PHASE_SHAPES:
        raise ValueError(f"inputs {truth.inputs!r}")
    return truth


def example_inputs(inputs: Inputs, batch: int) -> Arrays:
    """Inputs of the shape an engine for `batch` inputs takes."""
    first, second, known = fixed_inputs(inputs)
    return first[:batch], second[:batch], known[:batch]


def fixed_inputs(inputs: Inputs) -> Arrays:
    """`FIXED_INPUTS` expressions: smooth motions from far below a pixel to several pixels, with
    noise. Every third lacks its second phase; some hold no motion."""
    # Not a `Generator`: its numbers may change between numpy versions.
    random = np.random.RandomState(0)
    if inputs == "frames":
        drawn = [_frames(number, random) for number in range(FIXED_INPUTS)]
        phases = [np.stack(each) for each in zip(*drawn, strict=True)]
    else:
        phases = [
            np.stack([_flows(inputs, number, random) for number in range(FIXED_INPUTS)])
            for _ in range(2)
        ]
    known = np.array([number % 3 != 2 for number in range(FIXED_INPUTS)], np.float32)
    return phases[0], phases[1], known


def answer_inputs(inputs: Inputs, forward: Forward, batch: int) -> FixedAnswers:
    """The answers to the fixed inputs of `forward`, which takes `batch` inputs."""
    classes, units = in_batches(forward, batch, fixed_inputs(inputs))
    return FixedAnswers(inputs, softmax(classes.astype(np.float32)), sigmoid(units))


def compare_answers(
    truth: FixedAnswers, forward: Forward, batch: int, tolerance: float
) -> Equality:
    """How `forward`, which takes `batch` inputs, differs from plain PyTorch in FP32 on the CPU."""
    found = answer_inputs(truth.inputs, forward, batch)
    away = np.concatenate(
        [np.abs(truth.classes - found.classes), np.abs(truth.units - found.units)], axis=1
    )
    away = np.nan_to_num(away, nan=1.0)  # NaN counts as the greatest difference possible
    flips = int(_find_flips(truth.classes, found.classes, tolerance).sum())
    return Equality(float(away.max()), float(away.mean()), flips, len(away), tolerance)


def _find_flips(truth: ArrayF32, found: ArrayF32, tolerance: float) -> Any:
    changed = truth.argmax(axis=1) != found.argmax(axis=1)
    if truth.shape[1] < 2:
        return changed
    second, best = np.sort(truth, axis=1)[:, -2:].T
    return changed & (best - second > 2 * tolerance)


def _flows(inputs: Inputs, number: int, random: np.random.RandomState) -> ArrayF32:
    """One phase, (*shape, 64, 64) px."""
    smooth = _smooth(PHASE_SHAPES[inputs], number, random)
    if _strength_px(number) == 0:
        return np.zeros_like(smooth)
    noise = 0.02 * random.standard_normal(smooth.shape)
    return np.asarray(_strength_px(number) * smooth + noise, np.float32)


def _frames(number: int, random: np.random.RandomState) -> tuple[ArrayF32, ArrayF32]:
    """Both phases of a picture that moves there and back, (F, 64, 64) each, grey 0 to 1."""
    (count,) = PHASE_SHAPES["frames"]
    picture = 0.5 + 0.15 * _smooth((), number, random)
    motion = _strength_px(number) * _smooth((2,), number, random)
    by_y, by_x = np.gradient(picture)
    change = -(motion[0] * by_x + motion[1] * by_y)  # as far as it is linear
    rise = np.linspace(0, 1, count)[:, None, None]
    phases = np.stack([picture + rise * change, picture + rise[::-1] * change])
    if _strength_px(number) > 0:
        phases += 0.002 * random.standard_normal(phases.shape)
    first, second = np.clip(phases, 0, 1).astype(np.float32)
    return first, second


def _strength_px(number: int) -> float:
    """How far a pixel of the expression usually moves."""
    if number % 12 == 0:
        return 0.0
    return float(_WEAKEST_PX * (_STRONGEST_PX / _WEAKEST_PX) ** ((number % 12) / 11))


def _smooth(shape: tuple[int, ...], number: int, random: np.random.RandomState) -> ArrayF32:
    """Smooth random maps of deviation 1, (*shape, 64, 64), each number with its own grain."""
    grain = _GRAINS_PX[number % len(_GRAINS_PX)]
    coarse = random.standard_normal((*shape, grain, grain)).astype(np.float32)
    return resize(coarse, INPUT_PX)
