"""What runs on a GPU: that its numbers are right, and how long it takes, in one command.

    python -m realtime.benchmark.gpu.faces runs/faces.npz           first: for the live path
    python -m realtime.benchmark.gpu --device cuda --out gpu.md
    python -m realtime.benchmark.gpu --device cpu               the same steps, small,
    where there is none

Needs torch, OpenCV and, for the fused kernels, Triton; no camera, face networks or page.
Nothing stops it half-way: every part runs in a process of its own, what it found is shown and
written as it comes, and what failed or was not run is listed at the end, beside the targets.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import torch

from model.errors import InputError, error_line, exit_code
from model.machine import choose_device, driver, machine
from realtime.benchmark.gpu import steps
from realtime.benchmark.gpu.rows import Report
from realtime.stream.clock import monotonic_s

PARTS: dict[str, Callable[[Report, Path], None]] = {
    "lk": partial(steps.flow_part, name="lk"),
    "engines": steps.engines_part,
    "crops to name": steps.whole_part,
    "live": steps.live_part,
    "tvl1": partial(steps.flow_part, name="tvl1"),
    "fused": steps.fused_part,
}
"""In the order in which they are wanted, should the time not suffice."""
FACES = Path("runs/faces.npz")
LATE_S = 15.0
"""A step that has begun in time may end this much later."""


def run_part(
    part: Callable[[Report, Path], None],
    report: Report,
    faces: Path,
    seconds: float,
    to: Connection,
) -> None:
    """What a process does: one of `PARTS`, telling `to` what it adds to `report`."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    report.until_s = monotonic_s() + seconds
    report.say = lambda *found: to.send(found)
    try:
        part(report, faces)
    except Exception as error:  # what is no row's own: a driver, a file
        report.add("left out", f"the rest of this part: {error_line(error)}")
    to.send(("ended", ""))


def gather(
    report: Report, name: str, part: Callable[[Report, Path], None], faces: Path, seconds: float
) -> None:
    """Run one of `PARTS` and add to `report` what it finds; end it where it takes too long."""
    if seconds <= 0:
        report.add("left out", f"{name}: time was up (--minutes)")
        return
    fresh = Report(report.device, report.calls, report.size_px)
    here, there = multiprocessing.Pipe(duplex=False)
    given = (part, fresh, faces, seconds, there)
    process = multiprocessing.get_context("spawn").Process(target=run_part, args=given)
    process.start()
    there.close()  # so that the other end's death is seen
    until_s = monotonic_s() + seconds + LATE_S
    try:
        while here.poll(max(0.0, until_s - monotonic_s())):
            kind, what = here.recv()
            if kind == "ended":
                return
            report.add(kind, what)
        report.add("left out", f"{name}, from here on: took too long (--minutes)")
    except EOFError:
        process.join()
        why = f"its process died, exit code {process.exitcode}"
        report.add("left out", f"{name}, from here on: {why}")
    finally:
        process.join(1.0)  # what has told its end, ends
        process.kill()
        process.join()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu")
    parser.add_argument("--calls", type=int, help="default: 10000 on a GPU, 50 on a CPU")
    parser.add_argument("--minutes", type=float, default=8.0, help="of all; the rest is left out")
    parser.add_argument(
        "--faces", type=Path, default=FACES, help="that realtime/benchmark/gpu/faces.py wrote"
    )
    parser.add_argument("--out", type=Path, help="Markdown; must not exist")
    args = parser.parse_args()
    device = choose_device(args.device)
    if args.out is not None and args.out.exists():
        raise InputError(f"{args.out} exists and is kept: give another --out")
    cuda = device.startswith("cuda")
    calls = args.calls or (10_000 if cuda else 50)
    if calls < 10:
        raise InputError(f"--calls {calls}: choose 10 or more")
    if not 0 < args.minutes <= 600:
        raise InputError(f"--minutes {args.minutes:g}: choose more than 0, 600 at most")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a console without ≤ loses that, not the run
    until_s = monotonic_s() + 60 * args.minutes - LATE_S

    def say(kind: str, what: Any) -> None:
        if kind != "measured":
            print(what if kind == "line" else f"not run: {what}", flush=True)
        if args.out is not None:
            report.write(args.out)

    report = Report(device, calls, 224 if cuda else 64, say)
    report.add(
        "line",
        f"{machine()}, driver {driver()}; torch {torch.__version__}, CUDA {torch.version.cuda}; "
        f"python -m realtime.benchmark.gpu --device {device} --calls {calls}",
    )
    for name, part in PARTS.items():
        if name == "fused" and not cuda:
            report.add("left out", "CUDA graphs, fused kernels, copies, times at 224²: no GPU")
        else:
            gather(report, name, part, args.faces, until_s - monotonic_s())
    print(report.text()[len("\n".join(report.lines)) :])
    if any("WRONG" in line for line in report.lines):
        raise InputError("some numbers are wrong: see the report")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
