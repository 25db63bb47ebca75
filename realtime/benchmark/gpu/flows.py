"""Compares flows on a device with those on the CPU, and times them, also in other forms."""

from itertools import cycle
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from model.flow import TENSOR_FLOWS, Flow, load_flow
from model.flow.gpu.cuda_graph import Function, RecordedGraph
from model.flow.gpu.gpu_flow import tensor_flow
from model.flow.gpu.tvl1_tensor import TensorTVL1
from model.lazy_loading import load_entry
from model.records import ArrayF32
from realtime.benchmark.gpu.pictures import make_pictures
from realtime.benchmark.gpu.rows import GPU_TARGETS, WRONG, Report
from realtime.benchmark.gpu.timing import (
    TIME_HEAD,
    add_row,
    add_times,
    floor_on,
    run_on,
    wall_ms,
)

SIZES = ((28, 28), (33, 47), (64, 64), (127, 129), (224, 224), (512, 512))
BATCHES = (1, 2, 16)
MEAN_PX = {"lk": 1e-4, "tvl1": 0.03}
"""Greatest mean difference from the CPU's flow. TV-L1 stops at a sum that a GPU adds in any order;
one iteration more or less changes the flow by 0.01 px."""
POOL = 64
"""Number of different inputs, used in turn."""
FUSED_TRIED = (1, 2, 3, 5, 6, 10)
"""Iterations of TV-L1 per launch."""
FORM_S = 3.0
"""Time limit for the calls of one form."""
SAME_HEAD = ("what", "greatest difference, px", "mean, px", "right if", "")

Pool = list[tuple[Tensor, ...]]


def flow_part(report: Report, name: str) -> None:
    """Compare one flow with the CPU's, then time it."""
    report.section(f"{name}: equivalence", *SAME_HEAD)
    limit = MEAN_PX[name]
    cases = [(shape, 1) for shape in SIZES] + [((64, 64), count) for count in BATCHES[1:]]
    if not report.cuda:
        cases = [(shape, count) for shape, count in cases if max(shape) <= report.size_px]
    for shape, count in cases:
        title = f"{name}, {count} × {shape[0]}×{shape[1]}"
        report.attempt(title, add_equality, title, name, *make_pictures(shape, count), limit)
    wild = np.random.default_rng(0).integers(0, 256, (1, 64, 64)).astype(np.float32)
    burnt = np.where(wild > 128, 255, 0).astype(np.float32)
    for what, first, second in (("flat", wild * 0, wild * 0), ("saturated", burnt, wild)):
        title = f"{name}, {what}"
        report.attempt(title, add_finiteness, title, name, first, second)
    report.section(f"{name}: ms", *TIME_HEAD)
    title = f"{name}, both phases at {report.size_px}²"
    report.attempt(f"time of {name}", add_flow_times, title, name, _pool(report.size_px))
    if name == "lk":
        report.attempt("time of lk on the CPU", add_cpu_times)


def forms_part(report: Report) -> None:
    """Time the other forms of both flows, to tell whether the fused kernels are worth their
    code."""
    pool = _pool(report.size_px)
    report.section(f"Forms of both flows, both phases at {report.size_px}²: ms", *TIME_HEAD)
    for name in TENSOR_FLOWS:
        report.attempt(f"{name}, PyTorch's operations", add_plain_times, name, pool)
    if not report.cuda:
        report.add("left out", "flows in a graph, compiled and fused: no GPU")
        return
    report.attempt("lk, PyTorch's operations in a graph", add_graph_times, False, pool)
    report.attempt("lk, compiled by TorchInductor, in a graph", add_graph_times, True, pool)
    report.section(
        f"tvl1 by iterations to a launch, both phases at {report.size_px}²",
        *("iterations to a launch", "mean difference, px", "right if", ""),
        *("p50, ms", "launches × ms of one, ms"),
    )
    expected = solve_on_cpu(load_flow("tvl1"), *(each.numpy() for each in pool[0]))
    for number in FUSED_TRIED:
        report.attempt(f"tvl1, {number} to a launch", add_fused, number, pool, expected)


def solve_on_cpu(flow: Flow, first: ArrayF32, second: ArrayF32) -> ArrayF32:
    """The reference. TV-L1 is in OpenCV's contributed modules only; without them it is TV-L1 on
    tensors, which the tests compare with OpenCV's."""
    if flow.name != "tvl1" or hasattr(cv2, "optflow"):
        return flow(first, second)
    solve = TensorTVL1(flow.parameters, (first.shape[1], first.shape[2]), "cpu")
    with torch.inference_mode():
        found: ArrayF32 = solve(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    return found


def add_equality(
    report: Report, title: str, name: str, first: ArrayF32, second: ArrayF32, limit: float
) -> None:
    flow = load_flow(name)
    found = _solve(flow, first, second, report.device).cpu().numpy()
    away = np.abs(found - solve_on_cpu(flow, first, second))
    verdict = "right" if away.mean() <= limit else WRONG
    report.row(title, float(away.max()), float(away.mean()), f"mean ≤ {limit:g}", verdict)


def add_finiteness(
    report: Report, title: str, name: str, first: ArrayF32, second: ArrayF32
) -> None:
    found = _solve(load_flow(name), first, second, report.device)
    verdict = "right" if found.isfinite().all() else WRONG
    report.row(title, None, None, f"finite; up to {found.abs().max():.1e} px of flow", verdict)


def add_flow_times(report: Report, title: str, name: str, pool: Pool) -> None:
    shape = pool[0][0].shape
    solve = tensor_flow(load_flow(name), (shape[1], shape[2]), len(pool[0][0]), report.device)
    record = report.cuda and name == "lk"  # how often TV-L1 iterates depends on the pictures
    add_times(report, title, lambda *given: (solve(*given),), pool, record=record)


def add_cpu_times(report: Report) -> None:
    flow = load_flow("lk")
    pool = [make_pictures((128, 128), 2, seed) for seed in range(POOL)]
    title = "lk on the CPU, both phases at 128²"
    add_row(report, title, flow, pool, limit_s=FORM_S, on_gpu=False)


def add_plain_times(report: Report, name: str, pool: Pool) -> None:
    """Time a flow without a graph, one launch after the other."""
    run = run_on(_plain_flow(name, pool, report.device), report.device)
    add_row(report, f"{name}, PyTorch's operations", run, pool, limit_s=FORM_S)


def add_graph_times(report: Report, compiled: bool, pool: Pool) -> None:
    """Time `lk` without our kernels, in a graph. The fused kernels have to beat this."""
    function = _plain_flow("lk", pool, report.device)
    title = "lk, PyTorch's operations in a graph"
    if compiled:
        title = "lk, compiled by TorchInductor, in a graph"
        function = torch.compile(function, fullgraph=True, dynamic=False)
    run = RecordedGraph(function, pool[0], report.device)
    p50 = add_row(report, title, run, pool, limit_s=FORM_S)
    limit_ms = GPU_TARGETS["lk, both phases at 224²"][1]
    does = "reaches" if p50 <= limit_ms else "does not reach"
    so = "the fused kernels can go" if p50 <= limit_ms else "the fused kernels stay"
    report.note(f"{title} {does} {limit_ms:g} ms: {so}.")


def add_fused(report: Report, number: int, pool: Pool, expected: ArrayF32) -> None:
    from model.flow.gpu.tvl1_kernels import TritonTVL1  # where Triton is

    count, *shape = expected[:, 0].shape
    parameters = load_flow("tvl1").parameters
    solve = TritonTVL1(parameters, (shape[0], shape[1]), count, report.device, number)
    run = run_on(lambda *given: (solve(*given),), report.device)
    away = float(np.abs(run(*pool[0])[0].numpy() - expected).mean())
    verdict = "right" if away <= MEAN_PX["tvl1"] else WRONG
    p50 = float(np.median(wall_ms(run, cycle(pool), report.calls, FORM_S)))
    least, _ = floor_on(report.device).of(lambda: run(*pool[0]), 0)
    report.row(number, away, f"≤ {MEAN_PX['tvl1']:g}", verdict, p50, least)


def _solve(flow: Flow, first: ArrayF32, second: ArrayF32, device: str) -> Tensor:
    solve = tensor_flow(flow, (first.shape[1], first.shape[2]), len(first), device)
    given = (torch.from_numpy(each).to(device) for each in (first, second))
    with torch.inference_mode():
        return solve(*given)


def _plain_flow(name: str, pool: Pool, device: str) -> Function:
    shape = tuple(pool[0][0].shape[1:])
    solve: Any = load_entry(TENSOR_FLOWS, name, "flow")(load_flow(name).parameters, shape, device)
    return lambda *given: (solve(*given),)


def _pool(size: int) -> Pool:
    pairs = (make_pictures((size, size), 2, seed) for seed in range(POOL))
    return [tuple(map(torch.from_numpy, pair)) for pair in pairs]
