"""How long a call takes, and the least that it could."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.cuda_graph import Function, Recorded


class Floor:
    """The least time that this GPU needs: to move the bytes in and out, and to start what is
    started, each measured here."""

    def __init__(self, device: str) -> None:
        self._device = device
        large = torch.empty(256 * 2**20, dtype=torch.uint8, device=device)
        copy = Recorded(lambda x: (x, large.copy_(large.flip(0))[:1]), (torch.zeros(1),), device)
        # Read twice and written twice: flip, then copy.
        self._bytes_per_ms = 4 * large.numel() / float(np.median(gpu_ms(copy, 20)))

        def many(x: Tensor) -> tuple[Tensor, ...]:
            for _ in range(200):
                x = x + 1
            return (x,)

        few = float(np.median(gpu_ms(Recorded(lambda x: (x + 1,), (torch.zeros(1),), device), 50)))
        all_ = float(np.median(gpu_ms(Recorded(many, (torch.zeros(1),), device), 50)))
        self._launch_ms = (all_ - few) / 199

    def of(self, function: Function, inputs: tuple[Tensor, ...]) -> tuple[float, str]:
        """ms, and whether by bytes or launches."""
        given = tuple(each.to(self._device) for each in inputs)
        activities = [torch.profiler.ProfilerActivity.CUDA]
        with torch.inference_mode():
            found = function(*given)
            torch.cuda.synchronize(self._device)
            with torch.profiler.profile(activities=activities) as profile:
                function(*given)
                torch.cuda.synchronize(self._device)
        launches = sum(e.device_type == torch.profiler.DeviceType.CUDA for e in profile.events())
        moved = sum(each.nbytes for each in (*given, *found)) / self._bytes_per_ms
        started = launches * self._launch_ms
        if moved > started:
            return moved, "bytes"
        return started, f"{launches} launches"


def wall_ms(run: Callable[..., object], inputs: Iterator[Any], calls: int) -> Any:
    """(calls,) ms from call to answer, each with the next inputs, after some that are not timed."""
    for _ in range(min(calls, 20)):
        run(*next(inputs))
    taken = np.empty(calls)
    for number in range(calls):
        given = next(inputs)
        start_s = time.perf_counter()
        run(*given)
        taken[number] = 1e3 * (time.perf_counter() - start_s)
    return taken


def gpu_ms(run: Recorded, calls: int) -> list[float]:
    """By CUDA's events, copies from and to the host included."""
    taken = []
    for _ in range(calls):
        with torch.cuda.stream(run.stream):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record(run.stream)
            run.graph.replay()
            end.record(run.stream)
        end.synchronize()
        taken.append(float(begin.elapsed_time(end)))
    return taken
