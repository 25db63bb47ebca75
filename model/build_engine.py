"""Command line of `model.engine`."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from model.cli import Parser, exit_code, program
from model.engine import ENGINES, ORDER, make_engine
from model.engine.cache import cache_folder
from model.errors import InputError, explain_missing
from model.inference.checkpoint import checkpoint_path
from model.inference.engine_building import build_here, engine_file, export_here, onnx_file_beside
from model.inference.engine_choice import TORCH_THREADS, WITHOUT_TORCH, Serving
from model.inference.shipped_weights import WEIGHTS, shipped_names
from model.machine import choose_device, machine


def check(classifier: str, device: str, batch: int, folder: Path | None) -> None:
    """Print which engines are available, which is chosen and why, and how close its answers are."""
    checkpoint = checkpoint_path(classifier)
    serving = Serving(checkpoint, device=device, batch=batch, folder=folder)
    serving.wait()
    print(f"{machine()}; torch {_torch()}; {device}; {checkpoint.stem}, batch {batch}")
    order = ORDER[device.partition(":")[0]]
    chosen = serving.loaded
    for name in [*order, *(other for other in ENGINES if other not in order)]:
        print(f"{name:>13}  {_state(serving, name, order)}")
    print(f"chosen: {chosen.description}")
    if chosen.equality is not None:
        print(f"compared with plain PyTorch in FP32 on the CPU: {chosen.equality}")
    print(f"built engines are kept in {folder or cache_folder()}")


def _torch() -> str:
    return version("torch") if find_spec("torch") else "not installed"


def _state(serving: Serving, name: str, order: tuple[str, ...]) -> str:
    if name not in WITHOUT_TORCH and not find_spec("torch"):
        return explain_missing("torch")
    engine = make_engine(name, serving.device)
    if name == serving.loaded.name:
        why = serving.build_reasons.get(name)
        anew = "" if why is None else f"; built now: {why}"
        return f"serves: {serving.loaded.description}{anew}"
    if name in order:
        return serving.reasons.get(name) or "available, and not needed: a better one serves"
    return engine.find_obstacle() or f"available; with --engine {name} only"


def build(engine: str, classifier: str, device: str, batch: int, folder: Path | None) -> None:
    """Build one engine in this process, or all that `auto` would use and that are not built yet."""
    checkpoint = checkpoint_path(classifier)
    exported = onnx_file_beside(checkpoint).check() is None
    names = [engine] if engine != "auto" else ORDER[device.partition(":")[0]]
    for name in names:
        kind = make_engine(name, device)
        if why := kind.find_obstacle():
            if engine != "auto":
                raise InputError(f"--engine {name}: {why}")
            print(f"{name}: {why}")
        elif not kind.has_file:
            print(f"{name}: nothing to build")
        elif engine == "auto" and name == "onnx" and batch == 1 and exported:
            print(f"{name}: is beside the weights")
        elif not (why := engine_file(kind, checkpoint, batch, folder).check()) and engine == "auto":
            print(f"{name}: is built already")
        else:
            file = build_here(kind, checkpoint, batch, folder)
            print(f"{name}: built ({why or 'again'}), {file.path}")


def export(classifiers: Sequence[str]) -> None:
    """Write the ONNX files beside these checkpoints, and print their size and how close their
    answers are."""
    for name in classifiers:
        file = export_here(checkpoint_path(name))
        print(f"{file.path}: {file.path.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Command line."""
    parser = Parser(
        prog=program("model.engine"),
        description="Show which engine runs the networks here, or build engines beforehand.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    what = "write the ONNX files beside checkpoints, so that a CPU can run them without PyTorch"
    command = commands.add_parser("export", help=what, description=what)
    command.add_argument(
        "classifier", nargs="*", help=f"names, or paths (default: all in {WEIGHTS.name}/)"
    )
    for name, what in (
        ("check", "show which engines are here, which is chosen and why; builds missing ones"),
        ("build", "build the engines that are missing"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("--classifier", default="fmanet", help="a name, or a path")
        command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
        command.add_argument("--batch", type=int, default=1, help="inputs at a time, 1 to 4")
        command.add_argument(
            "--cache", type=Path, help="folder of built engines (default: this user's cache)"
        )
        if name == "build":
            command.add_argument("--engine", default="auto", help=f"auto, {', '.join(ENGINES)}")
    args = parser.parse_args()
    if args.command == "export":
        export(args.classifier or shipped_names())
        return
    if not 1 <= args.batch <= 4:
        raise InputError(f"--batch {args.batch}: engines are built for 1 to 4")
    device = choose_device(args.device)
    if args.command == "check":
        check(args.classifier, device, args.batch, args.cache)
    else:
        if hasattr(os, "nice"):
            os.nice(10)  # a live run has priority
        if find_spec("torch"):
            import torch

            torch.set_num_threads(TORCH_THREADS)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # partial files are deleted on exit
        build(args.engine, args.classifier, device, args.batch, args.cache)


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
