"""What runs on a GPU: that its numbers are right, and how long it takes, in one command.

    python benchmarks/gpu.py --device cuda --out gpu.md
    python benchmarks/gpu.py --device cpu               the same steps, small, where there is none

Needs torch, OpenCV and, for the fused kernels, Triton; neither a camera nor mediapipe nor a page.
Nothing stops it half-way: what fails or cannot be run is listed at the end of the report.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))  # from a clone, without installation

from timing import Floor, gpu_ms, wall_ms

from model.checkpoint import checkpoint_path, load_classifier, load_network
from model.cuda_graph import Function, Recorded
from model.engine import ENGINES, Engine
from model.engine.building import build_here, kept_for
from model.engine.equality import compared, example, fixed_inputs
from model.engine.serving import Serving
from model.errors import InputError, exit_code, told
from model.flow import load_flow
from model.flow.device import TENSOR_FLOWS, tensor_flow
from model.machine import choose_device, driver, machine
from model.naming import Naming, OneGraph
from model.tables import load_entry

SIZES = ((28, 28), (33, 47), (64, 64), (127, 129), (224, 224), (512, 512))
BATCHES = (1, 2, 16)
MEAN_PX = {"lk": 1e-4, "tvl1": 0.02}
"""Mean difference from the CPU's flow that is right."""
POOL = 64
"""Different inputs, gone through in turn."""
FUSED_TRIED = (1, 2, 3, 5, 6, 10)
"""Iterations of TV-L1 to a launch."""


@dataclass
class Report:
    """Lines of Markdown, and what was not run."""

    device: str
    calls: int
    size_px: int
    lines: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def section(self, title: str, *header: str) -> None:
        self.lines += ["", f"## {title}", "", self.row(*header), "|---" * len(header) + "|"]

    def row(self, *cells: object) -> str:
        return "| " + " | ".join(map(str, cells)) + " |"

    def attempt(self, what: str, step: Callable[..., str], *args: Any) -> None:
        """The row that `step` makes of this and `args`, or why it failed."""
        try:
            self.lines.append(step(self, *args))
        except Exception as error:  # libraries and drivers raise whatever they like
            self.left_out.append(f"{what}: {told(error)}")

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")


def equivalence(report: Report) -> None:
    """Flows, engines and the whole path against the CPU."""
    report.section("Equivalence", "what", "greatest difference", "mean", "right if", "")
    wild = np.random.default_rng(0).integers(0, 256, (1, 64, 64)).astype(np.float32)
    burnt = np.where(wild > 128, 255, 0).astype(np.float32)
    for name in TENSOR_FLOWS:
        limit = MEAN_PX[name]
        cases = [(shape, 1) for shape in SIZES] + [((64, 64), count) for count in BATCHES[1:]]
        if name == "tvl1" or not report.cuda:
            cases = [(shape, count) for shape, count in cases if max(shape) <= report.size_px]
        for shape, count in cases:
            title = f"{name}, {count} × {shape[0]}×{shape[1]}"
            report.attempt(title, flow_row, title, name, *pictures(shape, count), limit)
        for what, first, second in (("flat", wild * 0, wild * 0), ("saturated", burnt, wild)):
            title = f"{name}, {what}"
            report.attempt(title, finite_row, title, name, first, second)
    path = checkpoint_path("fmanet")
    for name in ENGINES:
        engine = cast(Engine, load_entry(ENGINES, name, "engine")(report.device))
        if why := engine.absent():
            report.left_out.append(f"engine {name}: {why}")
            continue
        report.attempt(f"engine {name}", engine_row, engine, path)
    report.attempt("crops to name in one graph", whole_row, path)


def flow_row(report: Report, title: str, name: str, first: Any, second: Any, limit: float) -> str:
    flow = load_flow(name)
    solve = tensor_flow(flow, first.shape[1:], len(first), report.device)
    given = (torch.from_numpy(each).to(report.device) for each in (first, second))
    with torch.inference_mode():
        away = np.abs(solve(*given).cpu().numpy() - flow(first, second))
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
    network = load_network(path)[1]
    forward = engine.load(load_network(path)[1], example(network, 1), kept_path(engine, path))
    found = compared(network, forward, 1, engine.tolerance)
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


def targets(report: Report) -> None:
    """Times of a call with fresh inputs, host memory to host memory."""
    head = ("what", "target", "p50", "p95", "p99", "max", "calls", "on the GPU, p50")
    report.section("Times in ms", *head, "floor", "p50 / floor")
    size, path = report.size_px, checkpoint_path("fmanet")
    floor = Floor(report.device) if report.cuda else None
    network = load_network(path)[1]
    pool = [pictures((size, size), 2, seed) for seed in range(POOL)]
    flows = [tuple(map(torch.from_numpy, each)) for each in pool]
    for name, wanted in (("lk", "≤ 0.3"), ("tvl1", "≤ 3")):
        title = f"{name}, both phases at {size}²"
        report.attempt(title, flow_time, title, name, wanted, flows, floor)
    inputs = fixed_inputs(network, 1)
    for name in ENGINES:
        engine = cast(Engine, load_entry(ENGINES, name, "engine")(report.device))
        if not engine.absent():  # said above
            report.attempt(f"time of {name}", engine_time, engine, path, inputs, floor)
    report.attempt("time of the whole", whole_time, path)
    report.attempt("lk on the CPU", cpu_time)


def flow_time(
    report: Report, title: str, name: str, target: str, flows: list[Any], floor: "Floor | None"
) -> str:
    size = report.size_px
    solve = tensor_flow(load_flow(name), (size, size), 2, report.device)
    calls = report.calls if name == "lk" else max(3, report.calls // 100)

    def function(*given: Tensor) -> tuple[Tensor, ...]:
        return (solve(*given),)

    record = report.cuda and name == "lk"  # the end of TV-L1's iterations is found on the way
    return timed_row(report, title, target, function, flows, calls, floor, record=record)


def fused(report: Report) -> None:
    """TV-L1 by how many of its iterations a launch does: which number this GPU likes best."""
    head = ("iterations to a launch", "mean difference", "right if", "", "p50", "p95", "p99")
    report.section(f"tvl1, both phases at {report.size_px}², ms", *head, "calls")
    pool = [pictures((report.size_px, report.size_px), 2, seed) for seed in range(POOL)]
    for number in FUSED_TRIED:
        report.attempt(f"tvl1, {number} to a launch", fused_row, number, pool)


def fused_row(report: Report, number: int, pool: list[tuple[Any, Any]]) -> str:
    from model.flow.tvl1_kernels import TritonTVL1  # where Triton is

    flow, (first, second) = load_flow("tvl1"), pool[0]
    solve = TritonTVL1(flow.parameters, first.shape[1:], len(first), report.device, number)
    run = _through(lambda *given: (solve(*given),), report)
    tensors = [tuple(map(torch.from_numpy, pair)) for pair in pool]
    away = float(np.abs(run(*tensors[0])[0].numpy() - flow(first, second)).mean())
    verdict = "right" if away <= MEAN_PX["tvl1"] else "WRONG"
    wall = wall_ms(run, cycle(tensors), max(3, report.calls // 100))
    cells = [f"{value:.3f}" for value in np.percentile(wall, (50, 95, 99))]
    wanted = f"≤ {MEAN_PX['tvl1']:g} px"
    return report.row(number, f"{away:.1e} px", wanted, verdict, *cells, len(wall))


def engine_time(
    report: Report, engine: Engine, path: Path, inputs: list[Any], floor: "Floor | None"
) -> str:
    function = engine.function(load_network(path)[1], inputs[0], kept_path(engine, path))
    title, target = f"FMANet, {engine.describe()}", "≤ 0.2" if "tensorrt" in engine.name else ""
    record = report.cuda and engine.name != "eager"
    return timed_row(report, title, target, function, inputs, report.calls, floor, record=record)


def kept_path(engine: Engine, path: Path) -> Path | None:
    """The engine's file, built if it is not there."""
    if not engine.built:
        return None
    kept = kept_for(engine, path, 1, None)
    if kept.find():
        build_here(engine, path, 1, None)
    return kept.path


def timed_row(
    report: Report,
    title: str,
    target: str,
    function: Function,
    inputs: list[Any],
    calls: int,
    floor: "Floor | None",
    *,
    record: bool,
) -> str:
    run: Function = (
        Recorded(function, inputs[0], report.device) if record else _through(function, report)
    )
    wall = wall_ms(run, cycle(inputs), calls)
    cells = [f"{value:.3f}" for value in (*np.percentile(wall, (50, 95, 99)), wall.max())]
    gpu = least = ratio = ""
    if isinstance(run, Recorded) and floor is not None:
        on_gpu = gpu_ms(run, min(calls, 1000))
        lowest, why = floor.of(function, inputs[0])
        gpu, least = f"{np.median(on_gpu):.3f}", f"{lowest:.3f} ({why})"
        ratio = f"{np.median(on_gpu) / lowest:.1f}"
    return report.row(title, target, *cells, calls, gpu, least, ratio)


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
    finally:
        serving.close()
    if naming.trouble or serving.trouble():
        raise RuntimeError(naming.trouble or serving.trouble())
    cells = [f"{value:.3f}" for value in (*np.percentile(wall, (50, 95, 99)), wall.max())]
    title = f"crops to name at {report.size_px}², {serving.loaded.name}"
    return report.row(title, "p99 ≤ 1", *cells, report.calls, "", "", "")


def cpu_time(report: Report) -> str:
    flow = load_flow("lk")
    pool = [pictures((128, 128), 2, seed) for seed in range(POOL)]
    wall = wall_ms(flow, cycle(pool), min(report.calls, 1000))
    cells = [f"{value:.3f}" for value in (*np.percentile(wall, (50, 95, 99)), wall.max())]
    return report.row("lk on the CPU, both phases at 128²", "≤ 5", *cells, len(wall), "", "", "")


def pictures(shape: tuple[int, int], count: int, seed: int = 0) -> tuple[Any, Any]:
    """Pairs of a texture before and after a motion of a pixel, noise in both, (N, H, W) float32.
    No faces: those that are drawn elsewhere need mediapipe."""
    pairs = [_pair(shape, seed * count + number) for number in range(count)]
    return np.stack([first for first, _ in pairs]), np.stack([second for _, second in pairs])


def _pair(shape: tuple[int, int], seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    height, width = shape
    first = np.full(shape, 128.0)
    for grain_px in (1.5, 4.0, 10.0):
        noise = cv2.GaussianBlur(rng.normal(size=shape), (0, 0), grain_px)
        first += 30 * noise / noise.std()
    y, x = np.mgrid[:height, :width].astype(np.float32)
    away = (x - width / 2) ** 2 + (y - height / 2) ** 2
    bump = np.exp(-away / (2 * (0.15 * width) ** 2)).astype(np.float32)
    second = cv2.remap(first, x - 0.8 * bump, y + 0.6 * bump, cv2.INTER_CUBIC, borderMode=1)
    noisy = (np.rint(each + rng.normal(0, 2, shape)) for each in (first, second))
    a, b = (np.clip(each, 0, 255).astype(np.float32) for each in noisy)
    return a, b


def moments(size: int, seed: int) -> list[list[Any]]:
    """Crops at onset, apex and offset of one expression."""
    onset, apex = (each[0].astype(np.uint8) for each in pictures((size, size), 1, 1000 + seed))
    return [[onset], [apex], [onset]]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu")
    parser.add_argument("--calls", type=int, help="default: 10000 on a GPU, 50 on a CPU")
    parser.add_argument("--out", type=Path, help="Markdown; must not exist")
    args = parser.parse_args()
    device = choose_device(args.device)
    if args.out is not None and args.out.exists():
        raise InputError(f"{args.out} exists and is kept: give another --out")
    cuda = device.startswith("cuda")
    calls = args.calls or (10_000 if cuda else 50)
    if calls < 10:
        raise InputError(f"--calls {calls}: choose 10 or more")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    report = Report(device, calls, 224 if cuda else 64)
    report.lines.append(
        f"{machine()}, driver {driver()}; torch {torch.__version__}, CUDA {torch.version.cuda}; "
        f"python benchmarks/gpu.py --device {device} --calls {calls}"
    )
    equivalence(report)
    targets(report)
    if cuda:
        fused(report)
    else:
        report.left_out.append("CUDA graphs, fused kernels, copies, times at 224²: no GPU")
    report.left_out.append(
        "the live path from a camera: python -m realtime.benchmark --device cuda"
    )
    report.lines += ["", "## Not run", "", *(f"- {each}" for each in report.left_out)]
    text = "\n".join(report.lines) + "\n"
    print(text)
    if args.out is not None:
        args.out.write_text(text, encoding="utf-8")
    if "WRONG" in text:
        raise InputError("some numbers are wrong: see the report")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
