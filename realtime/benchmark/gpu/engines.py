"""Builds, loads, checks and times every engine."""

from pathlib import Path

from model.engine import ENGINES, Engine, make_engine
from model.engine.cache import NOT_BUILT
from model.engine.equality import FIXED_INPUTS, compare_answers, example_inputs, fixed_inputs
from model.engine.export import tensors
from model.engine.pytorch_engine import plain_truth
from model.errors import InputError
from model.inference.checkpoint import checkpoint_path, describe_checkpoint, load_network
from model.inference.engine_building import build_here, engine_file
from realtime.benchmark.gpu.rows import WRONG, Report
from realtime.benchmark.gpu.timing import TIME_HEAD, add_times
from realtime.stream.clock import monotonic_s

HEAD = (
    *("engine", "built in, s", "loaded in, s"),
    *("greatest difference of a probability", "mean", "right if", ""),
)


def engines_part(report: Report) -> None:
    """Build each engine that is not kept, load it, and compare its answers with plain PyTorch's in
    FP32 on the CPU. Then time those whose answers are right."""
    path, right = checkpoint_path("fmanet"), list[Engine]()
    report.section("Engines: equivalence", *HEAD)
    for name in ENGINES:
        report.attempt(f"engine {name}", add_engine_row, name, path, right)
    report.section("Engines: ms", *TIME_HEAD)
    for engine in right:
        report.attempt(f"time of {engine.name}", add_engine_times, engine, path)


def add_engine_row(report: Report, name: str, path: Path, right: list[Engine]) -> None:
    engine = make_engine(name, report.device)
    if why := engine.find_obstacle():
        report.add("left out", f"engine {name}: {why}")
        return
    built, file = _build(engine, path)
    truth = plain_truth(load_network(path)[1])
    given = example_inputs(truth.inputs, 1)
    start_s = monotonic_s()
    forward = engine.load(lambda: load_network(path)[1], given, file)
    loaded_s = monotonic_s() - start_s
    found = compare_answers(truth, forward, 1, engine.tolerance)
    wanted = f"≤ {found.tolerance:g}, no label flips ({found.flips} of {FIXED_INPUTS} do)"
    verdict = WRONG if found.refusal else "right"
    apart = found.max_difference, found.mean_difference
    report.row(engine.describe(), built, loaded_s, *apart, wanted, verdict)
    if not found.refusal:
        right.append(engine)


def add_engine_times(report: Report, engine: Engine, path: Path) -> None:
    whole = tensors(fixed_inputs(describe_checkpoint(path).inputs))
    inputs = [tuple(each[n : n + 1] for each in whole) for n in range(len(whole[0]))]
    given = example_inputs(describe_checkpoint(path).inputs, 1)
    file = engine_file(engine, path, 1, None).path if engine.has_file else None
    function = engine.function(lambda: load_network(path)[1], given, file)
    title = "FMANet, FP16, through TensorRT" if "tensorrt" in engine.name else engine.describe()
    add_times(report, title, function, inputs, record=report.cuda and engine.name != "eager")


def _build(engine: Engine, path: Path) -> tuple[object, Path | None]:
    """Build the engine's file. Returns the seconds it took, or why nothing was built; and the
    file."""
    if not engine.has_file:
        return "nothing to build", None
    kept = engine_file(engine, path, 1, None)
    why = kept.check()
    if not why:
        return "was kept", kept.path
    failed = kept.read_failure() if why == NOT_BUILT else ""
    start_s = monotonic_s()
    try:
        build_here(engine, path, 1, None)
    except InputError as error:
        again = f" (and before: {failed})" if failed else ""
        raise InputError(f"{error}{again}") from None
    return monotonic_s() - start_s, kept.path
