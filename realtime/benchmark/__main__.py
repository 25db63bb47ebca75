"""Latency under load.

    python -m realtime.benchmark --source demo --fps 30,60,200 --seconds 30 --out r/

runs the live program on a source that delivers on a clock, ready or not, and writes into the
folder `r/` a page, the figures as JSON, and every frame as a Parquet table.

    python -m realtime.benchmark compare before/ after/

says whether the second of two such folders is slower, and then ends with exit code 1.

    python -m realtime.benchmark table r/ --into docs/benchmarks.md

writes the figures of such folders into a document, as Markdown.

    python -m realtime.benchmark glass --source 0 --out g/

measures from a screen through a camera back to a screen.

    python -m realtime.benchmark parts --device cuda --out p/

times flows and networks by themselves, whichever this machine can run.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from model.cli import Parser, new_folder, program
from model.engine import ENGINES
from model.errors import InputError, exit_code
from model.face.networks import add_face_networks
from model.flow import FLOWS
from model.inference.shipped_weights import shipped_names
from model.machine import choose_device
from realtime.benchmark.plan import Plan, loads, parse_numbers, parse_rates, parse_sizes
from realtime.config import LiveConfig
from realtime.options import add_rotation
from realtime.sources import CHOICES


def main() -> None:
    """Parse the command line and run what it asks for."""
    commands = {"compare": _compare, "glass": _glass, "parts": _parts, "table": _table}
    if sys.argv[1:2] and sys.argv[1] in commands:
        commands[sys.argv[1]](sys.argv[2:])
        return
    options = vars(_parser().parse_args())
    out: Path = options.pop("out")
    slow: str | None = options.pop("slow")
    cold: bool = options.pop("start")
    plan = _plan(options)
    choose_device(plan.loads[0].device)
    # What follows imports the networks: seconds, and errors in options come first.
    from realtime.benchmark.run import run
    from realtime.benchmark.slow import parse_slow

    delay = None if slow is None else parse_slow(slow)
    new_folder(out)
    run(plan, out, sys.argv[1:], slow=delay, start=cold)


def _compare(arguments: list[str]) -> None:
    from realtime.benchmark.compare import TOLERANCE, compare, words

    p = Parser(
        prog=program("realtime.benchmark compare"),
        description="Is the second of two benchmarks of one machine slower? Exit code 1 if so.",
    )
    p.add_argument("before", type=Path, help="folder of a report")
    p.add_argument("after", type=Path, help="folder of a report")
    p.add_argument(
        "--tolerance", type=float, default=TOLERANCE, help=f"share that is noise ({TOLERANCE:g})"
    )
    options = p.parse_args(arguments)
    found = compare(options.before, options.after, options.tolerance)
    print(words(found, options.tolerance))
    if any(ratio.change == "slower" for ratio in found):
        raise SystemExit(1)


def _glass(arguments: list[str]) -> None:
    default = LiveConfig()
    p = Parser(
        prog=program("realtime.benchmark glass"),
        description="From a screen through a camera and this program to a screen again.",
    )
    p.add_argument("--source", default="0", help="the camera that looks at the time code")
    p.add_argument("--width", type=int, default=default.width, help="px, asked of the camera")
    p.add_argument("--height", type=int, default=default.height, help="px, asked of the camera")
    p.add_argument("--fps", type=float, help="asked of the camera")
    add_rotation(p)
    p.add_argument("--seconds", type=float, default=30.0)
    p.add_argument("--port", type=int, default=0, help="of the time code; 0: any free one")
    p.add_argument("--device", default=default.device, help="auto, cpu, cuda or cuda:N")
    add_face_networks(p)
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="for glass.json; new")
    options = vars(p.parse_args(arguments))
    out, port = options.pop("out"), options.pop("port")
    config = LiveConfig(**options)
    choose_device(config.device)
    from realtime.benchmark.glassrun import run_glass

    run_glass(config, out, arguments, port)


def _parts(arguments: list[str]) -> None:
    default = LiveConfig()
    p = Parser(
        prog=program("realtime.benchmark parts"),
        description="What every flow and every engine costs by itself, and how right it is.",
    )
    p.add_argument("--sizes", default="128,224", help="crop sides, px, for the flows")
    p.add_argument("--batches", default="1,2,4", help="pairs or expressions at a time")
    p.add_argument("--seconds", type=float, default=2.0, help="of each part")
    p.add_argument("--against", default="", metavar="LIBRARIES", help="opencv,skimage: theirs too")
    p.add_argument("--classifier", default=default.classifier, help="name or path")
    p.add_argument("--device", default=default.device, help="auto, cpu, cuda or cuda:N")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the report; new")
    options = p.parse_args(arguments)
    config = LiveConfig(classifier=options.classifier, device=options.device)
    sizes = parse_numbers("--sizes", options.sizes, 32, 1024)
    batches = parse_numbers("--batches", options.batches, 1, 64)
    if not 0 < options.seconds <= 3600:
        raise InputError(f"--seconds {options.seconds:g}: choose more than 0, 3600 at most")
    against = options.against.split(",") if options.against else []
    choose_device(config.device)
    from realtime.benchmark.partsrun import run_parts

    run_parts(config, options.out, arguments, sizes, batches, options.seconds, against)


def _table(arguments: list[str]) -> None:
    from realtime.benchmark.markdown import BEGIN, END, markdown, write_into
    from realtime.benchmark.partsreport import PARTS, read_parts
    from realtime.benchmark.report import read_report

    p = Parser(
        prog=program("realtime.benchmark table"),
        description="Reports as Markdown tables, the targets among them.",
    )
    p.add_argument("reports", type=Path, nargs="+", help="folders of reports of one machine")
    p.add_argument("--into", type=Path, help=f"a file, between {BEGIN} and {END}")
    options = p.parse_args(arguments)
    parts = [folder for folder in options.reports if (folder / PARTS).is_file()]
    lives = [folder for folder in options.reports if folder not in parts]
    text = markdown([read_report(f) for f in lives], [read_parts(f) for f in parts])
    if options.into is None:
        print(text)
    else:
        write_into(options.into, text)


def _plan(options: dict[str, Any]) -> Plan:
    rates = options.pop("fps")
    sizes = options.pop("size")
    minutes: float | None = options.pop("minutes")
    deadline_ms: float | None = options.pop("deadline_ms")
    page: bool = options.pop("page")
    if minutes is not None:
        options["seconds"] = 60 * minutes
    config = LiveConfig(**options)
    wanted = (None,) if rates is None else parse_rates(rates)
    return Plan(loads(config, wanted, parse_sizes(sizes)), deadline_ms, page)


def _parser() -> argparse.ArgumentParser:
    default = LiveConfig()
    p = Parser(
        prog=program("realtime.benchmark"),
        description=(__doc__ or "").partition("\n")[0],
        epilog="Other commands: compare, glass, parts, table (each with --help).",
    )
    p.add_argument("--source", default="demo", help=CHOICES)
    p.add_argument("--fps", metavar="RATES", help="as 30,60,200; default: the source's own")
    p.add_argument("--size", metavar="SIZES", default="640x480", help="as 640x480,1280x720")
    add_rotation(p)
    length = p.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=30.0, help="of each load, after warm-up")
    length.add_argument("--minutes", type=float, help="the same in minutes, to see drift")
    p.add_argument("--deadline-ms", type=float, help="default: by the next frame")
    p.add_argument("--page", action="store_true", help="with the page open in Chromium, headless")
    p.add_argument("--seed", type=int, default=default.seed, help="of the demo")
    p.add_argument("--flow", default=default.flow, help=", ".join(FLOWS))
    p.add_argument(
        "--classifier", default=default.classifier, help=f"{', '.join(shipped_names())}, or a path"
    )
    p.add_argument("--engine", default=default.engine, help=f"auto, {', '.join(ENGINES)}")
    p.add_argument("--device", default=default.device, help="auto, cpu, cuda or cuda:N")
    add_face_networks(p)
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the report; new")
    p.add_argument(
        "--no-start", dest="start", action="store_false", help="do not time the program's start"
    )
    p.add_argument(
        "--slow", metavar="STAGE=MS", help="slow a stage on purpose, to see that it is seen"
    )
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
