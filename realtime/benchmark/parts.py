"""The cost of each part by itself: every flow and every engine.

Each call gets inputs that the processor has not seen lately, from a pool of pictures larger than
its caches. Each time comes with the accuracy of the answers.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from tqdm import tqdm

from model.cli import new_folder
from model.engine import ENGINES, Engine
from model.engine.eager import plain_truth
from model.engine.equality import FixedAnswers, compare_answers, example, fixed_inputs
from model.errors import InputError
from model.evaluation.flow_comparison import FlowCondition, pair, solvers
from model.flow import FLOWS, TENSOR_FLOWS, Flow, load_flow
from model.flow.gpu.gpu_flow import DeviceFlow
from model.inference.checkpoint import checkpoint_path, load_network
from model.inference.engine_building import build_here
from model.machine import choose_device
from model.records import ArrayF32, ImageU8
from model.registry import load_entry
from realtime.benchmark.percentiles import format_percentile, tail
from realtime.benchmark.report import PAGE, PARTS, facts, write_json
from realtime.benchmark.tables import THREE, document
from realtime.config import LiveConfig

POOL_BYTES = 192 * 2**20
"""Bytes of inputs, used in turn: more than the last cache of most processors."""
FEWEST_RUNS, MOST_RUNS = 3, 5000
WARM_UP_S = 0.2
PEERS = ("opencv", "skimage")
"""Libraries whose flows can be run on the same inputs."""
_FACES = 6
_FIRST_SEED = 3000  # no parameter was chosen on these faces
_CONDITION = FlowCondition("bump", amplitude_px=1.0, noise_levels=1.0, jpeg_quality=None)


Solve = Callable[[ImageU8], ArrayF32]
"""Pairs (N, 2, S, S) to flows (N, 2, S, S)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part at one size and batch."""

    kind: str
    """`flow`: of pairs; `network`: of expressions."""
    name: str
    size_px: int
    batch: int
    absent: str = ""
    """Why it was not run; then everything below is empty."""
    ms: dict[str, Any] = field(default_factory=dict)
    """Percentiles of a call with `batch` inputs."""
    first_ms: float | None = None
    """ms of the very first call."""
    build_s: float | None = None
    """Seconds to build an engine that is built into a file."""
    load_s: float | None = None
    """Seconds until an engine, loaded from its file or from the weights, can serve."""
    accuracy: str = ""
    """Against the truth (flows) or plain PyTorch in FP32 (engines), in words."""


def run_parts(
    config: LiveConfig,
    out: Path,
    command: Sequence[str],
    sizes_px: Sequence[int],
    batches: Sequence[int],
    seconds: float,
    against: Sequence[str],
) -> None:
    """Time every flow, those of the libraries `against` and every engine on `config.device`; a line
    for each, and the report in the folder `out`."""
    names = [*FLOWS, *peers(against)]
    new_folder(out)
    known = facts(config, ["parts", *command])
    device = choose_device(config.device)
    # As in the live program, so that times compare with its stages'.
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    found: list[Part] = []
    with tqdm(file=sys.stderr, bar_format="{desc}{n} parts, {elapsed}", leave=False) as bar:
        for part in chain(
            flow_parts(names, sizes_px, batches, seconds, device),
            engine_parts(config.classifier, device, batches, seconds),
        ):
            found.append(part)
            bar.write(line(part), file=sys.stdout)
            bar.update()
    report = {"facts": known, "parts": [asdict(part) for part in found]}
    write_json(out, PARTS, report)
    (out / PAGE).write_text(f"# Parts\n\n{document([], [report])}", encoding="utf-8")
    print(f"report in {out / PAGE}")


def line(part: Part) -> str:
    """A part in the terminal."""
    named = f"{part.name:24} {part.size_px:4} px × {part.batch:<2}"
    if part.absent:
        return f"{named}  not here: {part.absent}"
    times = "  ".join(f"{name} {format_percentile(part.ms, name)}" for name in THREE)
    started = "".join(
        f"  {what} {seconds:.1f} s"
        for what, seconds in (("build", part.build_s), ("load", part.load_s))
        if seconds is not None
    )
    return f"{named}  {times} ms{started}  {part.accuracy}"


def flow_parts(
    names: Sequence[str],
    sizes_px: Sequence[int],
    batches: Sequence[int],
    seconds: float,
    device: str = "cpu",
) -> Iterator[Part]:
    """Every flow of `names` on pairs of faces: on the CPU and, where it can be, on `device`; those
    of other libraries take pairs one by one. Pictures come from host memory and flows go there."""
    for size_px in sizes_px:
        pairs = [pair(_CONDITION, size_px, _FIRST_SEED + face) for face in range(_FACES)]
        pool = _pool(np.stack([np.stack([a, b]) for a, b, _ in pairs]))
        for name, solve in chain(*(_solvers(wanted, device) for wanted in names)):
            part = Part("flow", name, size_px, 1)
            try:
                part = replace(part, accuracy=_flow_accuracy(solve, pairs))
            except InputError as error:
                yield replace(part, absent=str(error))
                continue
            for batch in batches:
                yield replace(
                    part, batch=batch, **time_calls(solve, _batches(pool, batch), seconds)
                )


def engine_parts(
    classifier: str, device: str, batches: Sequence[int], seconds: float
) -> Iterator[Part]:
    """Every engine on `device`, built anew, with the shipped or given `classifier`."""
    path = checkpoint_path(classifier)
    truth = plain_truth(load_network(path)[1])
    for name in ENGINES:
        engine = cast(Engine, load_entry(ENGINES, name, "engine")(device))
        for batch in batches:
            size_px = example(truth.inputs, batch)[0].shape[-1]
            part = Part("network", f"{path.stem}, {name}", size_px, batch, absent=engine.absent())
            if not part.absent:
                try:
                    part = _engine_part(part, engine, path, truth, seconds)
                except Exception as error:  # compilers and native libraries may raise anything
                    line = str(error).strip().partition("\n")[0]
                    part = replace(part, absent=line)
            yield part
            if part.absent:
                break


def _engine_part(
    part: Part, engine: Engine, path: Path, truth: FixedAnswers, seconds: float
) -> Part:
    batch = part.batch
    # Use a separate cache: with an earlier run's cache, nothing would be built.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        build_s, kept = None, None
        start_s = time.perf_counter()
        if engine.built:
            kept = build_here(engine, path, batch, Path(folder)).path
            build_s = time.perf_counter() - start_s
            start_s = time.perf_counter()
        given = example(truth.inputs, batch)
        forward = engine.load(lambda: load_network(path)[1], given, kept)
        load_s = time.perf_counter() - start_s
        whole = fixed_inputs(truth.inputs)
        starts = range(0, len(whole[0]), batch)
        count = max(len(starts), POOL_BYTES // sum(each.nbytes for each in given))
        pool = [
            tuple(each[start : start + batch].copy() for each in whole)
            for start in islice(cycle(starts), count)
        ]
        return replace(
            part,
            build_s=build_s,
            load_s=load_s,
            accuracy=str(compare_answers(truth, forward, batch, engine.tolerance)),
            **time_calls(lambda inputs: forward(*inputs), cycle(pool), seconds),
        )


def time_calls(
    call: Callable[[Any], object], given: Iterator[Any], seconds: float
) -> dict[str, Any]:
    """`first_ms` of the first call, and `ms`, percentiles of those of the next `seconds` after a
    warm-up."""
    first_ms = _once(call, next(given))
    end_s = time.perf_counter() + WARM_UP_S
    _once(call, next(given))
    while time.perf_counter() < end_s:
        _once(call, next(given))
    times_ms: list[float] = []
    end_s = time.perf_counter() + seconds
    while len(times_ms) < FEWEST_RUNS or (
        time.perf_counter() < end_s and len(times_ms) < MOST_RUNS
    ):
        times_ms.append(_once(call, next(given)))
    return {"first_ms": first_ms, "ms": tail(times_ms)}


def peers(libraries: Sequence[str]) -> list[str]:
    """Names of the flows of these `PEERS`; `InputError` for another."""
    for library in libraries:
        if library not in PEERS:
            raise InputError(f"--against {library}: choose from {', '.join(PEERS)}")
    return [name for name in solvers([]) if name.partition(" ")[0] in libraries]


def _solvers(name: str, device: str) -> Iterator[tuple[str, Solve]]:
    """The flow of that name, of ours or of another library, for pairs (N, 2, S, S): on the CPU, and
    on `device` if it can be there."""
    if name not in FLOWS:
        peer = solvers([name])[name]
        yield name, lambda pairs: np.stack([peer(first, second) for first, second in pairs])
        return
    flow = load_flow(name)
    yield name, _of_pairs(flow)
    if device != "cpu" and name in TENSOR_FLOWS:
        yield f"{name}, {device}", _of_pairs(DeviceFlow(flow, device, falls_back=False))


def _of_pairs(flow: Flow) -> Solve:
    return lambda pairs: flow(pairs[:, 0], pairs[:, 1])


def _once(call: Callable[[Any], object], given: Any) -> float:
    start = time.perf_counter()
    call(given)
    return (time.perf_counter() - start) * 1e3


def _pool(pictures: ImageU8) -> ImageU8:
    """(n, k, S, S): `pictures` over and over, each time in memory of its own."""
    count = max(len(pictures), POOL_BYTES // pictures[0].nbytes)
    return np.resize(pictures, (count, *pictures.shape[1:]))


def _batches(pool: ImageU8, batch: int) -> Iterator[ImageU8]:
    starts = range(0, len(pool) - batch + 1, batch)
    return (pool[start : start + batch] for start in cycle(starts))


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
