"""How long a network takes for one expression."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from model.classifiers.phase_inputs import INPUT_PX, PHASE_SHAPES

WARM_UP, RUNS = 30, 300


@dataclass(frozen=True, slots=True)
class Speed:
    """Time of one forward pass with both phases, a batch of one, on one thread."""

    p50_ms: float
    p95_ms: float
    runs: int


def forward_speed(network: nn.Module, *, runs: int = RUNS) -> Speed:
    """Time `runs` passes on the CPU, after `WARM_UP` passes that do not count. Restores torch's
    number of threads afterwards."""
    threads = torch.get_num_threads()
    shape = (1, *PHASE_SHAPES[network.inputs], INPUT_PX, INPUT_PX)  # type: ignore[index]
    rng = torch.Generator().manual_seed(0)
    given = *(torch.rand(shape, generator=rng) for _ in range(2)), torch.ones(1)
    taken_ms = []
    try:
        torch.set_num_threads(1)
        network.eval()
        with torch.inference_mode():
            for run in range(WARM_UP + runs):
                started_s = time.perf_counter()
                network(*given)
                if run >= WARM_UP:
                    taken_ms.append(1000 * (time.perf_counter() - started_s))
    finally:
        torch.set_num_threads(threads)
    p50, p95 = np.quantile(taken_ms, [0.5, 0.95])
    return Speed(float(p50), float(p95), runs)
