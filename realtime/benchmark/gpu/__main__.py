"""What runs on a GPU: that its numbers are right, and how long it takes, in one command.

    fmanet bench gpu --out gpu/                         into gpu.md and gpu.json there
    fmanet bench gpu --device cpu --out small/          the same steps, small, where there is no GPU
    python -m realtime.benchmark.gpu.faces runs/faces.npz   faces for the live path to start from

Needs torch, OpenCV and, for the fused kernels, Triton; no camera, face networks or page.
Nothing stops it half-way: every part runs in a process of its own, what it found is shown and
written as it comes, and what failed or was not run is listed at the end, beside the targets.
"""

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

from model.cli import Parser, new_folder, program
from model.errors import InputError, error_line, exit_code
from model.machine import choose_device, machine
from realtime.benchmark.gpu.beside import faces_part
from realtime.benchmark.gpu.engines import engines_part
from realtime.benchmark.gpu.flows import flow_part, forms_part
from realtime.benchmark.gpu.hardware import machine_part
from realtime.benchmark.gpu.live import live_part
from realtime.benchmark.gpu.profiler import profile_part
from realtime.benchmark.gpu.rows import MARKDOWN, Report, row
from realtime.benchmark.gpu.training import training_part
from realtime.benchmark.gpu.whole import whole_part
from realtime.stream.clock import monotonic_s

FACES = Path("runs/faces.npz")
Part = Callable[[Report], None]
LATE_S = 15.0
"""A step that has begun in time may end this much later."""
LONGEST = 1 / 3
"""The share of all time that one part may take: an engine's build that hangs costs no other."""


def parts(faces: Path) -> dict[str, Part]:
    """In the order in which they are wanted, should the time not suffice."""
    return {
        "machine": machine_part,
        "lk": partial(flow_part, name="lk"),
        "engines": engines_part,
        "crops to name": whole_part,
        "live": partial(live_part, recording=faces),
        "tvl1": partial(flow_part, name="tvl1"),
        "forms": forms_part,
        "training": training_part,
        "profile": profile_part,
        "faces": faces_part,
    }


def run_part(part: Part, report: Report, seconds: float, to: Connection) -> None:
    """What a process does: one of `parts`, telling `to` what it adds to `report`."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if report.cuda:
        torch.cuda.set_device(report.device)
    report.until_s = monotonic_s() + seconds
    report.say = lambda *found: to.send(found)
    try:
        part(report)
    except Exception as error:  # what is no row's own: a driver, a file
        report.add("left out", f"the rest of this part: {error_line(error)}")
    to.send(("ended", ""))


def gather(report: Report, name: str, part: Part, seconds: float) -> None:
    """Run one of `parts` and add to `report` what it finds; end it where it takes too long."""
    if seconds <= 0:
        report.add("left out", f"{name}: time was up (--minutes)")
        return
    fresh = Report(report.device, report.calls, report.size_px)
    here, there = multiprocessing.Pipe(duplex=False)
    given = (part, fresh, seconds, there)
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


def show(kind: str, what: Any) -> None:
    """What is found, for who waits."""
    if kind == "section":
        title, columns = what
        print(f"\n## {title}\n\n{row(columns)}\n{'|---' * len(columns)}|", flush=True)
    elif kind == "row":
        print(row(what), flush=True)
    elif kind == "note":
        print(f"\n{what}", flush=True)
    elif kind == "left out":
        print(f"not run: {what}", flush=True)


def main() -> None:
    """Command line."""
    parser = Parser(
        prog=program("realtime.benchmark.gpu"), description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for its files; new")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu")
    parser.add_argument("--calls", type=int, help="default: 10000 on a GPU, 50 on a CPU")
    parser.add_argument("--minutes", type=float, default=8.0, help="of all; the rest is left out")
    parser.add_argument(
        "--faces", type=Path, default=FACES, help="that realtime/benchmark/gpu/faces.py wrote"
    )
    args = parser.parse_args()
    device = choose_device(args.device)
    cuda = device.startswith("cuda")
    calls = args.calls if args.calls is not None else (10_000 if cuda else 50)
    if calls < 10:
        raise InputError(f"--calls {calls}: choose 10 or more")
    if not 0 < args.minutes <= 600:
        raise InputError(f"--minutes {args.minutes:g}: choose more than 0, 600 at most")
    new_folder(args.out)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a console without ≤ loses that, not the run
    until_s = monotonic_s() + 60 * args.minutes - LATE_S

    def say(kind: str, what: Any) -> None:
        show(kind, what)
        report.write(args.out)

    report = Report(device, calls, 224 if cuda else 64, say)
    report.facts = {
        "machine": machine(),
        "command": shlex.join(["fmanet", "bench", "gpu", *sys.argv[1:]]),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for name, part in parts(args.faces).items():
        left_s = until_s - monotonic_s()
        gather(report, name, part, min(left_s, LONGEST * 60 * args.minutes))
    report.write(args.out)
    print("\n".join(report.target_section().text()))
    print(f"\nreport in {args.out / MARKDOWN}")
    if report.wrong:
        raise InputError("some numbers are wrong: see the report")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
