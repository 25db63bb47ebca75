"""What each part costs by itself: every flow, every engine, and both together.

Each call gets inputs that the processor has not seen lately: a pool of pictures larger than its
caches is gone through in turn. Beside each time stands how right the answers are.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, cycle
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch

from model.engine import ENGINES, Engine
from model.engine.eager import plain_truth
from model.engine.equality import compare_answers, example, fixed_inputs
from model.errors import InputError
from model.evaluation.flow_comparison import FlowCondition, pair, solvers
from model.face.crop import CROP_PX
from model.flow import FLOWS, TENSOR_FLOWS, Flow, load_flow
from model.flow.gpu.device import DeviceFlow
from model.flow.key_frames import PHASE_FRAMES
from model.inference.building import build_here
from model.inference.checkpoint import checkpoint_path, load_network
from model.records import ArrayF32, FramePair, ImageU8
from model.registry import load_entry
from realtime.benchmark.percentiles import tail
from realtime.config import LiveConfig
from realtime.perception.pipeline import PipelineConfig, open_naming

POOL_BYTES = 192 * 2**20
"""Of inputs, gone through in turn: more than the last cache of most processors."""
FEWEST_RUNS, MOST_RUNS = 3, 5000
WARM_UP_RUNS, WARM_UP_S = 1, 0.2
PEERS = ("opencv", "skimage")
"""Libraries whose flows can be run on the same inputs."""
_FACES = 6
_FIRST_SEED = 3000  # of faces that chose no parameter
_CONDITION = FlowCondition("bump", amplitude_px=1.0, noise_levels=1.0, jpeg_quality=None)


Solve = Callable[[ImageU8], ArrayF32]
"""Pairs (N, 2, S, S) to flows (N, 2, S, S)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part at one size and batch."""

    kind: str
    """`flow`: of pairs; `network`: of expressions; `both`: crops in, label out."""
    name: str
    size_px: int
    batch: int
    absent: str = ""
    """Why it was not run; then all below is empty."""
    ms: dict[str, Any] = field(default_factory=dict)
    """Percentiles of a call with `batch` inputs."""
    first_ms: float | None = None
    """Of the first call of all."""
    build_s: float | None = None
    """Of an engine that is built into a file: building it."""
    load_s: float | None = None
    """Of an engine: from its file, or from the weights, to being able to serve."""
    accuracy: str = ""
    """Against the truth (flows) or plain PyTorch in FP32 (engines), in words."""


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
            try:
                accuracy = _flow_accuracy(solve, pairs)
            except InputError as error:
                yield Part("flow", name, size_px, 1, absent=str(error))
                continue
            for batch in batches:
                first_ms, times_ms = timed(solve, _batches(pool, batch), seconds)
                ms = asdict(tail(times_ms, 0))
                yield Part(
                    "flow", name, size_px, batch, ms=ms, first_ms=first_ms, accuracy=accuracy
                )


def engine_parts(
    classifier: str, device: str, batches: Sequence[int], seconds: float
) -> Iterator[Part]:
    """Every engine on `device`, built anew, with the shipped or given `classifier`."""
    path = checkpoint_path(classifier)
    truth = plain_truth(load_network(path)[1])
    whole = fixed_inputs(truth.inputs)
    for name in ENGINES:
        engine = cast(Engine, load_entry(ENGINES, name, "engine")(device))
        for batch in batches:
            shown = f"{path.stem}, {name}"
            given = example(truth.inputs, batch)
            size_px = given[0].shape[-1]
            if why := engine.absent():
                yield Part("network", shown, size_px, batch, absent=why)
                break
            # A cache of its own: what an earlier run has built would be no build.
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                build_s: float | None = None
                kept = None
                start_s = time.perf_counter()
                try:
                    if engine.built:
                        kept = build_here(engine, path, batch, Path(folder)).path
                        build_s = time.perf_counter() - start_s
                    start_s = time.perf_counter()
                    forward = engine.load(lambda: load_network(path)[1], given, kept)
                except Exception as error:  # compilers and native libraries raise what they like
                    line = str(error).strip().partition("\n")[0]
                    yield Part("network", shown, size_px, batch, absent=line)
                    break
                load_s = time.perf_counter() - start_s
                samples = [
                    tuple(each[start : start + batch] for each in whole)
                    for start in range(0, len(whole[0]), batch)
                ]
                size = sum(each.nbytes for each in samples[0])
                pool = [
                    tuple(each.copy() for each in samples[n % len(samples)])
                    for n in range(max(len(samples), POOL_BYTES // size))
                ]
                first_ms, times_ms = timed(lambda given, f=forward: f(*given), cycle(pool), seconds)  # type: ignore[misc]
                yield Part(
                    "network",
                    shown,
                    size_px,
                    batch,
                    ms=asdict(tail(times_ms, 0)),
                    first_ms=first_ms,
                    build_s=build_s,
                    load_s=load_s,
                    accuracy=str(compare_answers(truth, forward, batch, engine.tolerance)),
                )


def whole_part(config: LiveConfig, device: str, seconds: float) -> Part:
    """Both together, as for one expression of the live program: crops in, label out."""
    wanted = PipelineConfig(config.flow, config.classifier, device, config.engine)
    _, engine, naming = open_naming(wanted)
    try:
        engine.wait()
        pairs = [pair(_CONDITION, CROP_PX, _FIRST_SEED + face) for face in range(_FACES)]
        pool = _pool(np.stack([np.stack([a, b, a]) for a, b, _ in pairs]))
        still = np.zeros((PHASE_FRAMES, CROP_PX, CROP_PX), np.float32)
        frames = FramePair(still, still)

        def call(moments: ImageU8) -> object:
            return naming([[moment] for moment in moments[0]], frames)

        first_ms, times_ms = timed(call, _batches(pool, 1), seconds)
        name = f"{config.flow} + {checkpoint_path(config.classifier).stem}, {engine.loaded.name}"
        if why := naming.trouble or engine.trouble():
            return Part("both", name, CROP_PX, 1, absent=why)
        return Part("both", name, CROP_PX, 1, ms=asdict(tail(times_ms, 0)), first_ms=first_ms)
    finally:
        engine.close()


def timed(
    call: Callable[[Any], object], given: Iterator[Any], seconds: float
) -> tuple[float, np.ndarray[Any, np.dtype[np.float64]]]:
    """ms of the first call, and of those of the next `seconds` after a warm-up."""
    first_ms = _once(call, next(given))
    end_s = time.perf_counter() + WARM_UP_S
    runs = 0
    while runs < WARM_UP_RUNS or time.perf_counter() < end_s:
        _once(call, next(given))
        runs += 1
    times_ms: list[float] = []
    end_s = time.perf_counter() + seconds
    while len(times_ms) < FEWEST_RUNS or (
        time.perf_counter() < end_s and len(times_ms) < MOST_RUNS
    ):
        times_ms.append(_once(call, next(given)))
    return first_ms, np.array(times_ms)


def one_thread() -> None:
    """As in the live program, so that times compare with its stages'."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


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
