"""Measures the time of a call, and estimates the least that it could take."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.errors import error_line
from model.flow.gpu.cuda_graph import Function, RecordedGraph
from realtime.benchmark.gpu.rows import GPU_TARGETS, Report
from realtime.stream.clock import monotonic_s

FEWEST, LIMIT_S = 5, 15.0
"""Least number of timed calls, and their time limit, for one row."""
RANKS = (50, 95, 99)
TIME_HEAD = (
    *("what", "target", "p50", "p95", "p99", "max", "calls"),
    *("on the GPU, p50", "p95", "p99", "floor", "p50 / floor"),
)
"""ms from call to answer, from and to host memory; and between CUDA's events around the graph,
including the copies."""

COPIED_BYTES = 64 * 2**20


class Floor:
    """The least time that a call can take on this GPU, from the bytes it moves and the kernels it
    launches. Both rates are measured here."""

    def __init__(self, device: str) -> None:
        self._device = device
        large = torch.empty(256 * 2**20, dtype=torch.uint8, device=device)
        nothing = (torch.zeros(1),)
        copy = RecordedGraph(lambda x: (x, large.copy_(large.flip(0))[:1]), nothing, device)
        # Flip and copy both read and write.
        self.bytes_per_ms = 4 * large.numel() / _median_ms(copy, nothing, 20)
        host = torch.empty(COPIED_BYTES, dtype=torch.uint8).pin_memory()
        there = torch.empty(COPIED_BYTES, dtype=torch.uint8, device=device)
        self.to_gpu_bytes_per_ms = COPIED_BYTES / _copy_ms(there, host)
        self.from_gpu_bytes_per_ms = COPIED_BYTES / _copy_ms(host, there)

        def many(x: Tensor) -> tuple[Tensor, ...]:
            for _ in range(200):
                x = x + 1
            return (x,)

        few_ms = _median_ms(RecordedGraph(lambda x: (x + 1,), nothing, device), nothing, 50)
        all_ms = _median_ms(RecordedGraph(many, nothing, device), nothing, 50)
        self.launch_ms = (all_ms - few_ms) / 199

    def of(self, call: Callable[[], object], moved: int) -> tuple[float, str]:
        """The least ms of a call that moves `moved` bytes in and out, and what limits it: bytes or
        launches."""
        activities = [torch.profiler.ProfilerActivity.CUDA]
        call()
        torch.cuda.synchronize(self._device)
        with torch.profiler.profile(activities=activities) as profile:
            call()
            torch.cuda.synchronize(self._device)
        launches = sum(event.device_type.name == "CUDA" for event in profile.events())
        if not launches:
            raise RuntimeError("the profiler saw no launch")
        # The bytes move between host and GPU, which is slower than the GPU's memory by far.
        by_bytes = moved / max(self.to_gpu_bytes_per_ms, self.from_gpu_bytes_per_ms)
        by_launches = launches * self.launch_ms
        if by_bytes > by_launches:
            return by_bytes, "bytes"
        return by_launches, f"{launches} launches"


def _copy_ms(to: Tensor, come: Tensor) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    for _ in range(2):  # the first is a warm-up
        begin.record()
        to.copy_(come, non_blocking=True)
        end.record()
        end.synchronize()
    return float(begin.elapsed_time(end))


@cache
def floor_on(device: str) -> Floor:
    """The floor of `device`, measured once."""
    return Floor(device)


def wall_ms(
    run: Callable[..., object], inputs: Iterator[Any], calls: int, limit_s: float = LIMIT_S
) -> Any:
    """ms from call to answer of up to `calls` calls, each with the next inputs, after some untimed
    ones. Stops after `limit_s`, but not before `FEWEST` calls."""
    warm_s = monotonic_s() + limit_s / 10
    for number in range(min(calls, 20)):
        run(*next(inputs))
        if number and monotonic_s() > warm_s:
            break
    taken: list[float] = []
    end_s = monotonic_s() + limit_s
    while len(taken) < calls and (len(taken) < FEWEST or monotonic_s() < end_s):
        given = next(inputs)
        start_s = time.perf_counter()
        run(*given)
        taken.append(1e3 * (time.perf_counter() - start_s))
    return np.array(taken)


def gpu_ms(
    run: RecordedGraph, inputs: Iterator[Any], calls: int, limit_s: float = LIMIT_S
) -> list[float]:
    """The same by CUDA's events, including the copies from and to the host."""
    end_s = monotonic_s() + limit_s
    taken: list[float] = []
    while len(taken) < calls and (len(taken) < FEWEST or monotonic_s() < end_s):
        run.fill(*next(inputs))
        with torch.cuda.stream(run.stream):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record(run.stream)
            run.graph.replay()
            end.record(run.stream)
        end.synchronize()
        taken.append(float(begin.elapsed_time(end)))
    return taken


def run_on(function: Function, device: str) -> Function:
    """`function`, which runs on `device`, for tensors on the CPU."""

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            found = function(*(each.to(device) for each in given))
            return tuple(each.cpu() for each in found)

    return run


def add_times(
    report: Report, title: str, function: Function, inputs: Sequence[Any], *, record: bool
) -> None:
    """Add the row of `function`, which runs on the report's device, called with each of `inputs` in
    turn. `record`: in a CUDA graph."""
    if record:
        function = RecordedGraph(function, inputs[0], report.device)
    else:
        function = run_on(function, report.device)
    add_row(report, title, function, inputs)


def add_row(
    report: Report,
    title: str,
    run: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    moved: int | None = None,
    limit_s: float = LIMIT_S,
    on_gpu: bool | None = None,
) -> float:
    """Add a row with the columns `TIME_HEAD` for `run`, called with each of `inputs` in turn.
    Returns its p50. `moved`: bytes in and out, if not those of the tensors. `on_gpu`: whether it
    runs on the GPU and so has a floor; default: as the report."""
    wall = wall_ms(run, cycle(inputs), report.calls, limit_s)
    gpu: list[float] = []
    if isinstance(run, RecordedGraph):
        gpu = gpu_ms(run, cycle(inputs), report.calls, limit_s)
    least, why = None, ""
    if report.cuda if on_gpu is None else on_gpu:
        if moved is None:
            moved = sum(each.nbytes for each in (*inputs[0], *run(*inputs[0])))
        try:  # keep the times even if the floor cannot be measured
            least, why = floor_on(report.device).of(lambda: run(*inputs[0]), moved)
        except Exception as error:
            report.add("left out", f"floor of {title}: {error_line(error)}")
    floor = "" if least is None else f"{least:.3f} ({why})"
    target = ""
    if title in GPU_TARGETS:
        rank, limit_ms = GPU_TARGETS[title]
        target = f"{rank} ≤ {limit_ms:g}"
        report.add("measured", (title, (float(np.percentile(wall, float(rank[1:]))), floor)))
    p50 = float(np.median(wall))
    report.row(
        *(title, target, *_ranks(wall), float(wall.max()), len(wall)),
        *(_ranks(gpu) if gpu else (None,) * len(RANKS)),
        *(floor, None if least is None else float(np.median(gpu or wall)) / least),
    )
    return p50


def _ranks(values: Any) -> tuple[float, ...]:
    return tuple(float(each) for each in np.percentile(values, RANKS))


def _median_ms(run: RecordedGraph, given: tuple[Tensor, ...], calls: int) -> float:
    return float(np.median(gpu_ms(run, cycle([given]), calls)))
