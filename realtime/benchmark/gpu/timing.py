"""How long a call takes, and the least that it could."""

import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.flow.gpu.cuda_graph import RecordedGraph
from realtime.stream.clock import monotonic_s

FEWEST, LIMIT_S = 5, 20.0
"""Calls that are timed at least, and how long those of one row may take."""


class Floor:
    """The least time that this GPU needs: to move the bytes in and out, and to start what is
    started, each measured here."""

    def __init__(self, device: str) -> None:
        self._device = device
        large = torch.empty(256 * 2**20, dtype=torch.uint8, device=device)
        copy = RecordedGraph(
            lambda x: (x, large.copy_(large.flip(0))[:1]), (torch.zeros(1),), device
        )
        # Read twice and written twice: flip, then copy.
        self._bytes_per_ms = 4 * large.numel() / float(np.median(gpu_ms(copy, 20)))

        def many(x: Tensor) -> tuple[Tensor, ...]:
            for _ in range(200):
                x = x + 1
            return (x,)

        few = float(
            np.median(gpu_ms(RecordedGraph(lambda x: (x + 1,), (torch.zeros(1),), device), 50))
        )
        all_ = float(np.median(gpu_ms(RecordedGraph(many, (torch.zeros(1),), device), 50)))
        self._launch_ms = (all_ - few) / 199

    def of(self, call: Callable[[], object], moved: int) -> tuple[float, str]:
        """ms of a call that moves so many bytes in and out, and whether by bytes or launches."""
        activities = [torch.profiler.ProfilerActivity.CUDA]
        call()
        torch.cuda.synchronize(self._device)
        with torch.profiler.profile(activities=activities) as profile:
            call()
            torch.cuda.synchronize(self._device)
        launches = sum(event.device_type.name == "CUDA" for event in profile.events())
        if not launches:
            raise RuntimeError("the profiler saw nothing start")
        by_bytes, by_launches = moved / self._bytes_per_ms, launches * self._launch_ms
        if by_bytes > by_launches:
            return by_bytes, "bytes"
        return by_launches, f"{launches} launches"


@cache
def floor_on(device: str) -> Floor:
    """Of `device`, measured once."""
    return Floor(device)


def wall_ms(
    run: Callable[..., object], inputs: Iterator[Any], calls: int, limit_s: float = LIMIT_S
) -> Any:
    """(calls,) ms from call to answer, each with the next inputs, after some that are not timed;
    fewer, but `FEWEST`, where they would take longer than `limit_s`."""
    end_s = monotonic_s() + limit_s
    for number in range(min(calls, 20)):
        run(*next(inputs))
        if number > 2 and monotonic_s() > end_s - limit_s / 2:
            break
    taken: list[float] = []
    while len(taken) < calls and (len(taken) < FEWEST or monotonic_s() < end_s):
        given = next(inputs)
        start_s = time.perf_counter()
        run(*given)
        taken.append(1e3 * (time.perf_counter() - start_s))
    return np.array(taken)


def gpu_ms(run: RecordedGraph, calls: int) -> list[float]:
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
