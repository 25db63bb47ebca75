"""The parts of the benchmark: what each checks and times. Every one is run in a process of its own,
as a GPU that has failed once answers nothing more to the process that it failed in."""

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor

from model.engine import ENGINES, Engine
from model.engine.eager import plain_truth
from model.engine.equality import compare_answers, example, fixed_inputs
from model.engine.export import tensors
from model.errors import error_line
from model.flow import Flow, load_flow
from model.flow.gpu.cuda_graph import Function, RecordedGraph
from model.flow.gpu.device import tensor_flow
from model.flow.gpu.tvl1_tensor import TensorTVL1
from model.inference.building import build_here, kept_for
from model.inference.checkpoint import (
    checkpoint_path,
    describe_checkpoint,
    load_classifier,
    load_network,
)
from model.inference.naming import Naming
from model.inference.one_graph import OneGraph
from model.inference.serving import Serving
from model.records import AlignedFace, ArrayF32
from model.registry import load_entry
from realtime.benchmark.gpu import live
from realtime.benchmark.gpu.faces import load
from realtime.benchmark.gpu.pictures import moments, pictures
from realtime.benchmark.gpu.rows import TARGETS, Report
from realtime.benchmark.gpu.timing import floor_on, gpu_ms, wall_ms

SIZES = ((28, 28), (33, 47), (64, 64), (127, 129), (224, 224), (512, 512))
BATCHES = (1, 2, 16)
MEAN_PX = {"lk": 1e-4, "tvl1": 0.02}
"""Mean difference from the CPU's flow that is right."""
POOL = 64
"""Different inputs, gone through in turn."""
FUSED_TRIED = (1, 2, 3, 5, 6, 10)
"""Iterations of TV-L1 to a launch."""
TIME_HEAD = (
    *("what", "target", "p50", "p95", "p99", "max", "calls"),
    *("on the GPU, p50", "floor", "p50 / floor"),
)


def flow_part(report: Report, faces: Path, name: str) -> None:
    """One flow: its numbers beside the CPU's, then its time."""
    same = ("what", "greatest difference", "mean", "right if", "")
    report.section(f"{name}: equivalence", *same)
    limit = MEAN_PX[name]
    cases = [(shape, 1) for shape in SIZES] + [((64, 64), count) for count in BATCHES[1:]]
    if not report.cuda:
        cases = [(shape, count) for shape, count in cases if max(shape) <= report.size_px]
    for shape, count in cases:
        title = f"{name}, {count} × {shape[0]}×{shape[1]}"
        report.attempt(title, flow_row, title, name, *pictures(shape, count), limit)
    wild = np.random.default_rng(0).integers(0, 256, (1, 64, 64)).astype(np.float32)
    burnt = np.where(wild > 128, 255, 0).astype(np.float32)
    for what, first, second in (("flat", wild * 0, wild * 0), ("saturated", burnt, wild)):
        title = f"{name}, {what}"
        report.attempt(title, finite_row, title, name, first, second)
    size = report.size_px
    report.section(f"{name}: ms", *TIME_HEAD)
    pool = [tuple(map(torch.from_numpy, pictures((size, size), 2, seed))) for seed in range(POOL)]
    report.attempt(f"time of {name}", flow_time, f"{name}, both phases at {size}²", name, pool)
    if name == "lk":
        report.attempt("time of lk on the CPU", cpu_time)


def engines_part(report: Report, faces: Path) -> None:
    """Every engine beside plain PyTorch in FP32 on the CPU, then its time."""
    path, there = checkpoint_path("fmanet"), []
    report.section("Engines: equivalence", "what", "greatest difference", "mean", "right if", "")
    for name in ENGINES:
        engine = cast(Engine, load_entry(ENGINES, name, "engine")(report.device))
        if why := engine.absent():
            report.add("left out", f"engine {name}: {why}")
            continue
        there.append(engine)
        report.attempt(f"engine {name}", engine_row, engine, path)
    report.section("Engines: ms", *TIME_HEAD)
    whole = tensors(fixed_inputs(describe_checkpoint(path).inputs))
    inputs = [tuple(each[n : n + 1] for each in whole) for n in range(len(whole[0]))]
    for engine in there:
        report.attempt(f"time of {engine.name}", engine_time, engine, path, inputs)


def whole_part(report: Report, faces: Path) -> None:
    """Crops in host memory to a name there."""
    path = checkpoint_path("fmanet")
    report.section(
        "Crops to name: equivalence", "what", "greatest difference", "mean", "right if", ""
    )
    report.attempt("crops to name in one graph", whole_row, path)
    report.section("Crops to name: ms", *TIME_HEAD)
    report.attempt("time of crops to name", whole_time, path)


def live_part(report: Report, faces: Path) -> None:
    """The program's own pipeline behind the face, here and on the CPU."""
    head = ("on", "names by", "events", "as on the CPU", "motion and spotting, p50", "p95", "p99")
    report.section("The live path of the demo, ms", *head, "flow and name, p50", "max")
    report.attempt("the live path", live_rows, load(faces) if faces.exists() else [], faces)


def live_rows(report: Report, faces: list[AlignedFace], path: Path) -> str:
    if not faces:
        raise FileNotFoundError(f"{path}; first: python -m realtime.benchmark.gpu.faces {path}")
    expected = live.run(faces, "cpu", "eager")
    found = live.run(faces, report.device, "auto")
    unlike = live.differences(expected, found)
    apart = f"{live.FRAMES_APART} frame, {live.SHARE_APART:g} of a probability"
    verdict = f"WRONG: {'; '.join(unlike)}" if unlike else f"right (within {apart})"
    rows = []
    for where, each, said in (("cpu", expected, ""), (report.device, found, verdict)):
        frame = [f"{ms:.3f}" for ms in np.percentile(each.frame_ms, (50, 95, 99))]
        names = [f"{ms:.3f}" for ms in (np.median(each.naming_ms), max(each.naming_ms))]
        states = [event.state for event in each.events]
        counted = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
        rows.append(report.row(where, each.engine, counted, said, *frame, *names))
    return "\n".join(rows)


def fused_part(report: Report, faces: Path) -> None:
    """TV-L1 by how many of its iterations a launch does: which number this GPU likes best."""
    head = ("iterations to a launch", "mean difference", "right if", "", "p50", "p95", "p99")
    report.section(f"tvl1, both phases at {report.size_px}², ms", *head, "calls")
    pool = [pictures((report.size_px, report.size_px), 2, seed) for seed in range(POOL)]
    expected = on_the_cpu(load_flow("tvl1"), *pool[0])
    for number in FUSED_TRIED:
        report.attempt(f"tvl1, {number} to a launch", fused_row, number, pool, expected)


def on_the_cpu(flow: Flow, first: ArrayF32, second: ArrayF32) -> ArrayF32:
    """What is right. TV-L1 is in OpenCV's contributed modules alone; where those are not, it is the
    one on tensors, which the tests compare with OpenCV's."""
    if flow.name != "tvl1" or hasattr(cv2, "optflow"):
        return flow(first, second)
    solve = TensorTVL1(flow.parameters, (first.shape[1], first.shape[2]), "cpu")
    with torch.inference_mode():
        found: ArrayF32 = solve(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    return found


def flow_row(report: Report, title: str, name: str, first: Any, second: Any, limit: float) -> str:
    flow = load_flow(name)
    solve = tensor_flow(flow, first.shape[1:], len(first), report.device)
    given = (torch.from_numpy(each).to(report.device) for each in (first, second))
    with torch.inference_mode():
        away = np.abs(solve(*given).cpu().numpy() - on_the_cpu(flow, first, second))
    verdict = "right" if away.mean() <= limit else "WRONG"
    wanted = f"mean ≤ {limit:g} px"
    return report.row(title, f"{away.max():.1e} px", f"{away.mean():.1e} px", wanted, verdict)


def finite_row(report: Report, title: str, name: str, first: Any, second: Any) -> str:
    solve = tensor_flow(load_flow(name), first.shape[1:], len(first), report.device)
    given = (torch.from_numpy(each).to(report.device) for each in (first, second))
    with torch.inference_mode():
        found = solve(*given)
    verdict = "right" if found.isfinite().all() else "WRONG"
    return report.row(title, f"up to {found.abs().max():.1e} px of flow", "", "finite", verdict)


def engine_row(report: Report, engine: Engine, path: Path) -> str:
    truth = plain_truth(load_network(path)[1])
    given = example(truth.inputs, 1)
    forward = engine.load(lambda: load_network(path)[1], given, kept_path(engine, path))
    found = compare_answers(truth, forward, 1, engine.tolerance)
    verdict = "WRONG" if found.refusal else "right"
    wanted = f"≤ {found.tolerance:g}, no label flips ({found.flips} of {found.inputs} do)"
    cells = (f"{found.max_difference:.1e}", f"{found.mean_difference:.1e}", wanted, verdict)
    return report.row(engine.describe(), *cells)


def whole_row(report: Report, path: Path) -> str:
    flow = load_flow("lk")
    serving = Serving(path, device=report.device, engine="graph" if report.cuda else "eager")
    classifier = load_classifier(path, flow=flow, forward=serving)
    plain = Naming(flow, load_classifier(path, flow=flow))
    graph = OneGraph(flow, classifier, serving)
    worst = flips = 0.0
    for number in range(8):
        crops = moments(report.size_px, number)
        expected = plain(crops, None).prediction
        found = graph(crops)[1]
        shares = (found.probabilities[n] - p for n, p in expected.probabilities.items())
        worst = max(worst, *map(abs, shares))
        flips += found.label != expected.label
    verdict = "right" if worst <= 0.02 and not flips else "WRONG"
    cells = (f"{worst:.1e}", "", f"≤ 0.02, no label flips ({flips:g} of 8 do)", verdict)
    return report.row("crops to name, one graph", *cells)


def flow_time(report: Report, title: str, name: str, pool: list[Any]) -> str:
    shape = pool[0][0].shape
    solve = tensor_flow(load_flow(name), shape[1:], len(pool[0][0]), report.device)

    def function(*given: Tensor) -> tuple[Tensor, ...]:
        return (solve(*given),)

    record = report.cuda and name == "lk"  # the end of TV-L1's iterations is found on the way
    return timed_row(report, title, function, pool, record=record)


def fused_row(report: Report, number: int, pool: list[tuple[Any, Any]], expected: ArrayF32) -> str:
    from model.flow.gpu.tvl1_kernels import TritonTVL1  # where Triton is

    count, *shape = expected[:, 0].shape
    parameters = load_flow("tvl1").parameters
    solve = TritonTVL1(parameters, (shape[0], shape[1]), count, report.device, number)
    run = _through(lambda *given: (solve(*given),), report)
    tensors = [tuple(map(torch.from_numpy, pair)) for pair in pool]
    away = float(np.abs(run(*tensors[0])[0].numpy() - expected).mean())
    verdict = "right" if away <= MEAN_PX["tvl1"] else "WRONG"
    wall = wall_ms(run, cycle(tensors), report.calls, limit_s=5)
    cells = [f"{value:.3f}" for value in np.percentile(wall, (50, 95, 99))]
    wanted = f"≤ {MEAN_PX['tvl1']:g} px"
    return report.row(number, f"{away:.1e} px", wanted, verdict, *cells, len(wall))


def engine_time(report: Report, engine: Engine, path: Path, inputs: list[Any]) -> str:
    given = example(describe_checkpoint(path).inputs, 1)
    function = engine.function(lambda: load_network(path)[1], given, kept_path(engine, path))
    record = report.cuda and engine.name != "eager"
    title = "FMANet, FP16, through TensorRT" if "tensorrt" in engine.name else engine.describe()
    return timed_row(report, title, function, inputs, record=record)


def kept_path(engine: Engine, path: Path) -> Path | None:
    """The engine's file, built if it is not there."""
    if not engine.built:
        return None
    kept = kept_for(engine, path, 1, None)
    if kept.find():
        build_here(engine, path, 1, None)
    return kept.path


def timed_row(
    report: Report, title: str, function: Function, inputs: list[Any], *, record: bool
) -> str:
    run: Function = (
        RecordedGraph(function, inputs[0], report.device) if record else _through(function, report)
    )
    wall = wall_ms(run, cycle(inputs), report.calls)
    on_gpu = gpu_ms(run, min(report.calls, 1000)) if isinstance(run, RecordedGraph) else []
    found = run(*inputs[0])
    moved = sum(each.nbytes for each in (*inputs[0], *found))
    return time_row(report, title, wall, on_gpu, lambda: run(*inputs[0]), moved)


def time_row(
    report: Report,
    title: str,
    wall: Any,
    on_gpu: list[float],
    call: Callable[[], object],
    moved: int,
) -> str:
    """A row of `TIME_HEAD`: `wall` and `on_gpu` are ms of calls that move so many bytes."""
    target = ""
    if title in TARGETS:
        rank, limit_ms = TARGETS[title]
        target = f"{rank} ≤ {limit_ms:g}"
        report.add("measured", (title, float(np.percentile(wall, float(rank[1:])))))
    cells = [f"{value:.3f}" for value in (*np.percentile(wall, (50, 95, 99)), wall.max())]
    gpu = f"{np.median(on_gpu):.3f}" if on_gpu else ""
    least = ratio = ""
    if report.cuda:
        try:  # the time is known, whatever becomes of what it is compared with
            lowest, why = floor_on(report.device).of(call, moved)
            least = f"{lowest:.3f} ({why})"
            ratio = f"{np.median(on_gpu or wall) / lowest:.1f}"
        except Exception as error:
            report.add("left out", f"floor of {title}: {error_line(error)}")
    return report.row(title, target, *cells, len(wall), gpu, least, ratio)


def _through(function: Function, report: Report) -> Function:
    def run(*given: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            found = function(*(each.to(report.device) for each in given))
            return tuple(each.cpu() for each in found)

    return run


def whole_time(report: Report, path: Path) -> str:
    flow = load_flow("lk")
    serving = Serving(path, device=report.device)
    try:
        serving.wait()
        classifier = load_classifier(path, flow=flow, forward=serving)
        one = OneGraph(flow, classifier, serving) if report.cuda else None
        naming = Naming(flow, classifier, one)
        pool = [moments(report.size_px, number) for number in range(POOL)]
        wall = wall_ms(lambda *crops: naming(crops, None), cycle(pool), report.calls)
        if naming.trouble or serving.trouble():
            raise RuntimeError(naming.trouble or serving.trouble())
        title, moved = f"crops to name at {report.size_px}²", 4 * 7 * report.size_px**2
        row = time_row(report, title, wall, [], lambda: naming(pool[0], None), moved)
        return f"{row}\n\nNamed by {serving.loaded.description}."
    finally:
        serving.close()


def cpu_time(report: Report) -> str:
    flow = load_flow("lk")
    pool = [pictures((128, 128), 2, seed) for seed in range(POOL)]
    wall = wall_ms(flow, cycle(pool), min(report.calls, 1000))
    cells = [f"{value:.3f}" for value in (*np.percentile(wall, (50, 95, 99)), wall.max())]
    title = "lk on the CPU, both phases at 128²"
    report.add("measured", (title, float(np.median(wall))))
    return report.row(title, "p50 ≤ 5", *cells, len(wall), "", "", "")
