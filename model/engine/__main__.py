"""Command line of `model.engine`."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import cast

import torch

from model.checkpoint import checkpoint_path
from model.engine import ENGINES, ORDER, Engine
from model.engine.building import build_here, kept_for
from model.engine.cache import cache_folder
from model.engine.serving import Serving
from model.errors import InputError, exit_code
from model.machine import choose_device, machine
from model.tables import load_entry


def check(classifier: str, device: str, batch: int, folder: Path | None) -> None:
    """Say what is there, what is chosen, why, and how equal it is."""
    checkpoint = checkpoint_path(classifier)
    serving = Serving(checkpoint, device=device, batch=batch, folder=folder)
    serving.wait()
    print(f"{machine()}; torch {torch.__version__}; {device}; {checkpoint.stem}, batch {batch}")
    order = ORDER[device.partition(":")[0]]
    chosen = serving.loaded
    for name in [*order, *(other for other in ENGINES if other not in order)]:
        print(f"{name:>13}  {_state(serving, name, order)}")
    print(f"chosen: {chosen.description}")
    if chosen.equality is not None:
        print(f"beside plain PyTorch in FP32 on the CPU: {chosen.equality}")
    print(f"built engines are kept in {folder or cache_folder()}")


def _state(serving: Serving, name: str, order: tuple[str, ...]) -> str:
    engine = cast(Engine, load_entry(ENGINES, name, "engine")(serving.device))
    if name == serving.loaded.name:
        why = serving.built.get(name)
        anew = "" if why is None else f"; built now: {why}"
        return f"serves: {serving.loaded.description}{anew}"
    if name in order:
        return serving.reasons.get(name) or "there, and not needed: a better one serves"
    return engine.absent() or f"there; for --engine {name} only"


def build(engine: str, classifier: str, device: str, batch: int, folder: Path | None) -> None:
    """Build one engine, or all that are wanted and not kept, in this process."""
    checkpoint = checkpoint_path(classifier)
    names = [engine] if engine != "auto" else ORDER[device.partition(":")[0]]
    for name in names:
        kind = cast(Engine, load_entry(ENGINES, name, "engine")(device))
        if why := kind.absent():
            if engine != "auto":
                raise InputError(f"--engine {name}: {why}")
            print(f"{name}: {why}")
        elif not kind.built:
            print(f"{name}: nothing to build")
        elif not (missing := kept_for(kind, checkpoint, batch, folder).find()) and engine == "auto":
            print(f"{name}: is built")
        else:
            kept = build_here(kind, checkpoint, batch, folder)
            print(f"{name}: built ({missing or 'was there'}), {kept.path}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m model.engine",
        description="What runs the networks here: say it, or build it beforehand.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("check", "what is there, what is chosen and why, how equal it is; builds what is wanted"),
        ("build", "build what is wanted, and keep it"),
    ):
        command = commands.add_parser(name, help=told, description=told)
        command.add_argument("--classifier", default="fmanet", help="a name, or a path")
        command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
        command.add_argument("--batch", type=int, default=1, help="inputs at a time, 1 to 4")
        command.add_argument("--cache", type=Path, help="folder of built engines")
        if name == "build":
            command.add_argument("--engine", default="auto", help=f"auto, {', '.join(ENGINES)}")
    args = parser.parse_args()
    if not 1 <= args.batch <= 4:
        raise InputError(f"--batch {args.batch}: engines are built for 1 to 4")
    device = choose_device(args.device)
    torch.set_num_threads(1)  # as in a live run; more stall each other on a machine that is busy
    if args.command == "check":
        check(args.classifier, device, args.batch, args.cache)
    else:
        if hasattr(os, "nice"):
            os.nice(10)  # a run that is going on comes first
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is half written goes too
        build(args.engine, args.classifier, device, args.batch, args.cache)


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
