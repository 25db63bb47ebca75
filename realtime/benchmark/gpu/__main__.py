"""Checks and times everything that runs on a GPU.

    fmanet bench gpu --out gpu/                         writes gpu.md and gpu.json there
    fmanet bench gpu --device cpu --out small/          the same steps, smaller, without a GPU

It needs torch, OpenCV and, for the fused kernels, Triton, but no camera, face networks or page.
Each part runs in its own process, so a failure does not end the others. Rows are printed and
written as they come. The report ends with what failed or was not run, and the targets.
"""

import argparse
import multiprocessing
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import torch

from model.cli import Parser, exit_code, new_folder, program
from model.errors import InputError, error_line
from model.machine import choose_device, machine
from realtime.benchmark.gpu.engines import engines_part
from realtime.benchmark.gpu.flows import flow_part, forms_part
from realtime.benchmark.gpu.hardware import machine_part
from realtime.benchmark.gpu.live import live_part
from realtime.benchmark.gpu.profiler import profile_part
from realtime.benchmark.gpu.rows import MARKDOWN, Report
from realtime.benchmark.gpu.training import training_part
from realtime.benchmark.gpu.whole import whole_part
from realtime.stream.clock import monotonic_s

GpuPart = Callable[[Report], None]
GRACE_S = 15.0
"""A step that began in time may end this much later."""
LONGEST = 1 / 3
"""Greatest share of the time that one part may take, so that a build that hangs leaves time for the
others."""


GPU_PARTS: dict[str, GpuPart] = {
    "machine": machine_part,
    "lk": partial(flow_part, name="lk"),
    "engines": engines_part,
    "crops to name": whole_part,
    "live": live_part,
    "tvl1": partial(flow_part, name="tvl1"),
    "forms": forms_part,
    "training": training_part,
    "profile": profile_part,
}
"""All parts, the most important first, in case time is short."""


def run_part(part: GpuPart, report: Report, seconds: float, to: Connection) -> None:
    """Run one of `GPU_PARTS` in this process, and send everything it adds to `report` to `to`."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if report.cuda:
        torch.cuda.set_device(report.device)
    report.until_s = monotonic_s() + seconds
    report.say = lambda kind, what, _: to.send((kind, what))
    try:
        part(report)
    except Exception as error:  # outside of any row: a driver, a file
        report.add("left out", f"the rest of this part: {error_line(error)}")
    to.send(("ended", ""))


def gather(report: Report, name: str, part: GpuPart, seconds: float) -> None:
    """Run one of `GPU_PARTS` in its own process and add its results to `report`. End it if it takes
    too long."""
    if seconds <= 0:
        report.add("left out", f"{name}: time was up (--seconds)")
        return
    fresh = Report(report.device, report.calls, report.size_px)
    here, there = multiprocessing.Pipe(duplex=False)
    given = (part, fresh, seconds, there)
    process = multiprocessing.get_context("spawn").Process(target=run_part, args=given)
    process.start()
    there.close()  # otherwise `recv` would not notice that the process died
    until_s = monotonic_s() + seconds + GRACE_S
    try:
        while here.poll(max(0.0, until_s - monotonic_s())):
            kind, what = here.recv()
            if kind == "ended":
                return
            report.add(kind, what)
        report.add("left out", f"{name}, from here on: took too long (--seconds)")
    except EOFError:
        process.join()
        why = f"its process died, exit code {process.exitcode}"
        report.add("left out", f"{name}, from here on: {why}")
    finally:
        process.join(1.0)  # a part that has finished ends by itself
        process.kill()
        process.join()


def _read_minutes(text: str) -> float:
    return 60 * float(text)


def main() -> None:
    """Command line."""
    parser = Parser(
        prog=program("realtime.benchmark.gpu"), description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu")
    parser.add_argument(
        "--calls", type=int, help="timed calls of each (default: 10000 on a GPU, 50 on a CPU)"
    )
    limit = parser.add_argument
    limit("--seconds", type=float, default=480.0, help="time limit for all parts")
    none = argparse.SUPPRESS  # earlier versions' spelling
    limit("--minutes", dest="seconds", type=_read_minutes, default=none, help=none)
    args = parser.parse_args()
    device = choose_device(args.device)
    cuda = device.startswith("cuda")
    calls = args.calls if args.calls is not None else (10_000 if cuda else 50)
    if calls < 10:
        raise InputError(f"--calls {calls}: choose 10 or more")
    if not 0 < args.seconds <= 36_000:
        raise InputError(f"--seconds {args.seconds:g}: choose more than 0, 36000 at most")
    new_folder(args.out)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for consoles that cannot print ≤
    until_s = monotonic_s() + args.seconds - GRACE_S

    def say(kind: str, what: Any, text: str) -> None:
        if text:
            print(text, flush=True)
        report.write(args.out)

    report = Report(device, calls, 224 if cuda else 64, say)
    report.facts = {
        "machine": machine(),
        "command": shlex.join(["fmanet", "bench", "gpu", *sys.argv[1:]]),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for name, part in GPU_PARTS.items():
        left_s = until_s - monotonic_s()
        gather(report, name, part, min(left_s, LONGEST * args.seconds))
    report.write(args.out)
    print("\n".join(report.target_section().text()))
    print(f"\nreport in {args.out / MARKDOWN}")
    if report.wrong:
        raise InputError("some numbers are wrong: see the report")


if __name__ == "__main__":
    # The parts' processes cannot import from `__main__`, so run `main` under the module's own name.
    from realtime.benchmark.gpu.__main__ import main as command

    raise SystemExit(exit_code(command))
