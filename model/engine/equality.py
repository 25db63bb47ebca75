"""How equal an engine's answers are to plain PyTorch's on the CPU, on a fixed set of inputs."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.classifiers.inputs import INPUT_PX
from model.classifiers.phases import PHASE_SHAPES
from model.engine.forward import Forward, Inputs

FIXED_INPUTS = 48
FLIPS_ALLOWED = 0
_WEAKEST_PX, _STRONGEST_PX = 0.05, 4.0
_GRAINS_PX = (4, 8, 16)  # of the smooth noise that stands for motion


@dataclass(frozen=True, slots=True)
class Equality:
    """What `compared` found."""

    max_difference: float
    """Of any probability, classes and action units."""
    mean_difference: float
    flips: int
    """Inputs that get another label, though plain PyTorch's two likeliest are further apart than
    twice the tolerance."""
    inputs: int
    tolerance: float

    @property
    def refusal(self) -> str:
        """Why the engine must not be used; empty if it may. NaN is refused."""
        if self.max_difference <= self.tolerance and self.flips <= FLIPS_ALLOWED:
            return ""
        return f"its answers differ: {self}"

    def __str__(self) -> str:
        return (
            f"probabilities differ by at most {self.max_difference:.1e}, {self.mean_difference:.1e}"
            f" in the mean (tolerance {self.tolerance:g}), {self.flips} of {self.inputs} labels "
            "flip"
        )


def example(network: nn.Module, batch: int) -> Inputs:
    """Inputs of the shape that an engine for `batch` takes."""
    return fixed_inputs(network, batch)[0]


def fixed_inputs(network: nn.Module, batch: int) -> list[Inputs]:
    """Some `FIXED_INPUTS` expressions in batches of `batch`: smooth motions from well below a pixel
    to several, in noise; every third without its second phase, some with nothing in them."""
    generator = torch.Generator().manual_seed(0)
    shape = PHASE_SHAPES[network.inputs]  # type: ignore[index]
    whole = []
    for start in range(0, FIXED_INPUTS, batch):
        numbers = range(start, start + batch)
        first, second = (
            torch.stack([_phase(network, shape, number, generator) for number in numbers])
            for _ in range(2)
        )
        known = torch.tensor([float(number % 3 != 2) for number in numbers])
        whole.append((first, second, known))
    return whole


def compared(network: nn.Module, forward: Forward, batch: int, tolerance: float) -> Equality:
    """`forward` beside `network`, which is on the CPU, in FP32 and in evaluation mode."""
    largest, total, count, flips, seen = 0.0, 0.0, 0, 0, 0
    for given in fixed_inputs(network, batch):
        with torch.inference_mode():
            classes, units = network(*given)
        found_classes, found_units = forward(*given)
        truth = classes.softmax(dim=1)
        found = found_classes.float().softmax(dim=1)
        for own, other in ((truth, found), (units.sigmoid(), found_units.float().sigmoid())):
            away = (own - other).abs()
            # NaN counts as the greatest difference there is; `max` of Python would pass it over.
            largest = max(largest, float(away.nan_to_num(nan=1.0).max()))
            total += float(away.nan_to_num(nan=1.0).sum())
            count += away.numel()
        flips += int(_flipped(truth, found, tolerance).sum())
        seen += len(truth)
    return Equality(largest, total / count, flips, seen, tolerance)


def _flipped(truth: Tensor, found: Tensor, tolerance: float) -> Tensor:
    changed = truth.argmax(dim=1) != found.argmax(dim=1)
    if truth.shape[1] < 2:
        return changed
    best = truth.topk(2, dim=1).values
    return changed & (best[:, 0] - best[:, 1] > 2 * tolerance)


def _phase(
    network: nn.Module, shape: tuple[int, ...], number: int, generator: torch.Generator
) -> Tensor:
    """(*shape, 64, 64): px for flows, grey 0 to 1 for frames."""
    grain = _GRAINS_PX[number % len(_GRAINS_PX)]
    coarse = torch.randn(*shape, grain, grain, generator=generator)
    size = (INPUT_PX, INPUT_PX)
    flat = F.interpolate(coarse.view(1, -1, grain, grain), size, mode="bicubic")
    smooth = flat.view(*shape, *size)
    if network.inputs == "frames":
        return (0.5 + 0.15 * smooth).clamp(0, 1)
    share = (number % 12) / 11
    strength = _WEAKEST_PX * (_STRONGEST_PX / _WEAKEST_PX) ** share
    noise = 0.02 * torch.randn(smooth.shape, generator=generator)
    return strength * smooth + noise if number % 12 else torch.zeros_like(smooth)
