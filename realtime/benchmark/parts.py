"""Times every flow and every engine by itself, and measures its accuracy.

Each call gets inputs that are no longer in the processor's caches, from a pool that is larger than
these.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from model.cli import new_folder
from model.engine import ENGINES, Engine, make_engine
from model.engine.equality import FixedAnswers, compare_answers, example_inputs, fixed_inputs
from model.engine.pytorch_engine import plain_truth
from model.errors import InputError, describe_error
from model.evaluation.flow_comparison import FlowCondition, draw_pair
from model.flow import FLOWS, TENSOR_FLOWS, Flow, load_flow
from model.flow.gpu.gpu_flow import DeviceFlow
from model.inference.checkpoint import checkpoint_path, load_network
from model.inference.engine_building import build_here
from model.machine import choose_device
from model.records import ArrayF32, ImageU8
from realtime.benchmark.gpu.timing import wall_ms
from realtime.benchmark.percentiles import tail
from realtime.benchmark.report import PAGE, PARTS_FORMAT, gather_facts, write_json
from realtime.benchmark.tables import PARTS_HEAD, format_document, part_row
from realtime.config import LiveConfig

POOL_BYTES = 192 * 2**20
"""Size of the pool of inputs: more than the largest cache of most processors."""
MOST_CALLS = 5000
_FACES = 6
_FIRST_SEED = 3000  # no parameter was chosen on these faces
_CONDITION = FlowCondition("bump", amplitude_px=1.0, noise_levels=1.0, jpeg_quality=None)

BatchSolver = Callable[[ImageU8], ArrayF32]
"""Pairs (N, 2, S, S) to flows (N, 2, S, S)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part at one size and batch."""

    kind: str
    """`flow` (inputs are pairs) or `network` (inputs are expressions)."""
    name: str
    size_px: int
    batch: int
    absent: str = ""
    """Why it was not run; everything below is then empty."""
    ms: dict[str, Any] = field(default_factory=dict)
    """Percentiles of a call with `batch` inputs."""
    first_ms: float | None = None
    """Time of the first call."""
    build_s: float | None = None
    """Time to build an engine that is built into a file."""
    load_s: float | None = None
    """Time to load an engine from its file, or from the weights."""
    accuracy: str = ""
    """Compared with the truth (flows) or with plain PyTorch in FP32 (engines), in words."""


def run_parts(
    config: LiveConfig,
    out: Path,
    command: Sequence[str],
    sizes_px: Sequence[int],
    batches: Sequence[int],
    seconds: float,
) -> None:
    """Time every flow and every engine on `config.device`. Print a line for each, and write the
    report into the new folder `out`."""
    new_folder(out)
    known = gather_facts(config, ["parts", *command])
    device = choose_device(config.device)
    # As in the live program, so that times can be compared with its stages.
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    found: list[Part] = []
    with tqdm(file=sys.stderr, bar_format="{desc}{n} parts, {elapsed}", leave=False) as bar:
        bar.write("  ".join(PARTS_HEAD), file=sys.stdout)
        for part in chain(
            flow_parts(FLOWS, sizes_px, batches, seconds, device),
            engine_parts(config.classifier, device, batches, seconds),
        ):
            found.append(part)
            bar.write("  ".join(part_row(asdict(part))), file=sys.stdout)
            bar.update()
    report = {"facts": known, "parts": [asdict(part) for part in found]}
    write_json(out, PARTS_FORMAT, report)
    (out / PAGE).write_text(f"# Parts\n\n{format_document([], [report])}", encoding="utf-8")
    print(f"report in {out / PAGE}")


def flow_parts(
    names: Iterable[str],
    sizes_px: Sequence[int],
    batches: Sequence[int],
    seconds: float,
    device: str = "cpu",
) -> Iterator[Part]:
    """Time the flows `names` on pairs of faces, on the CPU and, if possible, on `device`. Pictures
    and flows are in host memory."""
    for size_px in sizes_px:
        pairs = [draw_pair(_CONDITION, size_px, _FIRST_SEED + face) for face in range(_FACES)]
        pictures = np.stack([np.stack([a, b]) for a, b, _ in pairs])
        for name, solve in chain(*(_solvers(name, device) for name in names)):
            part = Part("flow", name, size_px, 1)
            try:
                part = replace(part, accuracy=_flow_accuracy(solve, pairs))
            except InputError as error:
                yield replace(part, absent=str(error))
                continue
            for batch in batches:
                times = time_calls(solve, batches_of(batch, pictures), seconds)
                yield replace(part, batch=batch, **times)


def engine_parts(
    classifier: str, device: str, batches: Sequence[int], seconds: float
) -> Iterator[Part]:
    """Time every engine on `device`, newly built, with `classifier` (a name or a path)."""
    path = checkpoint_path(classifier)
    truth = plain_truth(load_network(path)[1])
    for name in ENGINES:
        engine = make_engine(name, device)
        for batch in batches:
            size_px = example_inputs(truth.inputs, batch)[0].shape[-1]
            obstacle = engine.find_obstacle() or ""
            part = Part("network", f"{path.stem}, {name}", size_px, batch, absent=obstacle)
            if not part.absent:
                try:
                    part = _engine_part(part, engine, path, truth, seconds)
                except Exception as error:  # compilers and native libraries may raise anything
                    part = replace(part, absent=describe_error(error))
            yield part
            if part.absent:
                break


def _engine_part(
    part: Part, engine: Engine, path: Path, truth: FixedAnswers, seconds: float
) -> Part:
    batch = part.batch
    # In a new folder: with an earlier engine file, nothing would be built.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        build_s, kept = None, None
        start_s = time.perf_counter()
        if engine.has_file:
            kept = build_here(engine, path, batch, Path(folder)).path
            build_s = time.perf_counter() - start_s
            start_s = time.perf_counter()
        given = example_inputs(truth.inputs, batch)
        forward = engine.load(lambda: load_network(path)[1], given, kept)
        load_s = time.perf_counter() - start_s
        pool = batches_of(batch, *fixed_inputs(truth.inputs))
        return replace(
            part,
            build_s=build_s,
            load_s=load_s,
            accuracy=str(compare_answers(truth, forward, batch, engine.tolerance)),
            **time_calls(forward, pool, seconds),
        )


def time_calls(
    call: Callable[..., object], inputs: Iterator[tuple[Any, ...]], seconds: float
) -> dict[str, Any]:
    """Return `first_ms`, the time of the first call, and `ms`, percentiles of the calls made during
    `seconds` after a warm-up."""
    given = next(inputs)
    start_s = time.perf_counter()
    call(*given)
    first_ms = 1e3 * (time.perf_counter() - start_s)
    return {"first_ms": first_ms, "ms": tail(wall_ms(call, inputs, MOST_CALLS, seconds))}


def batches_of(batch: int, *arrays: np.ndarray[Any, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield `batch` rows of each of `arrays`, endlessly. The rows are copied until they fill
    `POOL_BYTES`."""
    count = max(len(arrays[0]), POOL_BYTES // sum(each[0].nbytes for each in arrays))
    pool = [np.resize(each, (count, *each.shape[1:])) for each in arrays]
    starts = range(0, count - batch + 1, batch)
    return (tuple(each[start : start + batch] for each in pool) for start in cycle(starts))


def _solvers(name: str, device: str) -> Iterator[tuple[str, BatchSolver]]:
    """Yield name and function of a flow: on the CPU and, if possible, on `device`."""
    flow = load_flow(name)
    yield name, _pair_solver(flow)
    if device != "cpu" and name in TENSOR_FLOWS:
        yield f"{name}, {device}", _pair_solver(DeviceFlow(flow, device, falls_back=False))


def _pair_solver(flow: Flow) -> BatchSolver:
    return lambda pairs: flow(pairs[:, 0], pairs[:, 1])


def _flow_accuracy(
    call: Callable[[ImageU8], ArrayF32], pairs: Sequence[tuple[ImageU8, ImageU8, ArrayF32]]
) -> str:
    errors, slopes = [], []
    for first, second, truth in pairs:
        found = call(np.stack([first, second])[None])[0]
        errors.append(np.hypot(*(found - truth)).mean() / np.hypot(*truth).mean())
        slopes.append(float((found * truth).sum() / (truth * truth).sum()))
    return (
        f"error {np.mean(errors):.2f} of the motion, amplitude × {np.mean(slopes):.2f} "
        f"at {_CONDITION.amplitude_px:g} px"
    )
