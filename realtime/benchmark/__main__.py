"""Latency under load.

    python -m realtime.benchmark --source demo --fps 30,60,200 --seconds 30 --out r/

runs the live program on a source that delivers frames on a clock, whether or not the program is
ready. It writes the figures, as Markdown and JSON, and a Parquet table of all frames into `r/`.

    python -m realtime.benchmark compare before/ after/                    exit code 1: slower
    python -m realtime.benchmark table r/ --into mine.md                   figures as Markdown
    python -m realtime.benchmark parts --device cuda --out p/              each flow and network
"""

import argparse
import sys
from pathlib import Path

from model.cli import Parser, exit_code, program
from model.errors import InputError
from model.face.network_files import add_face_networks
from model.flow import FLOWS
from model.inference.shipped_weights import shipped_names
from model.machine import choose_device
from realtime.benchmark.plan import parse_numbers, parse_rates, parse_sizes, plan_loads
from realtime.command_options import add_engine, add_rotation
from realtime.config import LiveConfig
from realtime.sources import CHOICES

DEFAULT = LiveConfig()


def main() -> None:
    """Run the command line."""
    commands = {"compare": _compare, "parts": _parts, "table": _table}
    name = next(iter(sys.argv[1:2]), "")
    if name in commands:
        commands[name](sys.argv[2:])
    else:
        _live(sys.argv[1:])


def _live(arguments: list[str]) -> None:
    p = _parser("", (__doc__ or "").partition("\n")[0])
    p.epilog = "Other commands: compare, gpu, parts, table (each with --help)."
    add = p.add_argument
    add("--source", default="demo", help=CHOICES)
    add("--fps", metavar="RATES", help="as 30,60,200 (default: the source's own)")
    add("--size", metavar="SIZES", default="640x480", help="as 640x480,1280x720")
    add_rotation(p)
    add("--seconds", type=float, default=30.0, help="of each load, after warm-up")
    add("--deadline-ms", type=float, help="when a result is late (default: after the next frame)")
    add("--page", action="store_true", help="with the page open in headless Chromium")
    add("--record", action="store_true", help="record a session meanwhile, as H.264")
    add("--seed", type=int, default=DEFAULT.seed, help="of the demo")
    add("--flow", default=DEFAULT.flow, help=", ".join(FLOWS))
    add("--classifier", default=DEFAULT.classifier, help=f"{', '.join(shipped_names())}, or a path")
    add_engine(p)
    add_face_networks(p)
    add("--no-start", dest="start", action="store_false", help="do not time the program's start")
    _add_device_and_out(p)
    options = vars(p.parse_args(arguments))
    out, start, page, record, deadline_ms, rates, sizes = (
        options.pop(name)
        for name in ("out", "start", "page", "record", "deadline_ms", "fps", "size")
    )
    if deadline_ms is not None and not 0 < deadline_ms < float("inf"):
        raise InputError(f"--deadline-ms {deadline_ms:g}: choose more than 0")
    fps = (None,) if rates is None else parse_rates(rates)
    configs = plan_loads(LiveConfig(**options), fps, parse_sizes(sizes))
    choose_device(configs[0].device)
    # These import the networks, which takes seconds: report wrong options first.
    from model.cli import new_folder
    from realtime.benchmark.run import run

    new_folder(out)
    run(configs, out, arguments, deadline_ms=deadline_ms, page=page, record=record, start=start)


def _compare(arguments: list[str]) -> None:
    from realtime.benchmark.compare import NOISE_SHARE, compare_reports, describe

    p = _parser(
        "compare", "Compare two benchmarks of a machine. Exit code 1 if the second is slower."
    )
    p.add_argument("before", type=Path, help="folder of a report")
    p.add_argument("after", type=Path, help="folder of a report")
    p.add_argument(
        "--tolerance", type=float, default=NOISE_SHARE, help="a change by this share is noise"
    )
    options = p.parse_args(arguments)
    found = compare_reports(options.before, options.after, options.tolerance)
    print(describe(found, options.tolerance))
    if any(ratio.change == "slower" for ratio in found):
        raise SystemExit(1)


def _parts(arguments: list[str]) -> None:
    p = _parser("parts", "Time every flow and every engine by itself, and measure its accuracy.")
    p.add_argument("--sizes", default="128,224", help="sides of the crops for the flows, px")
    p.add_argument("--batches", default="1,2,4", help="pairs or expressions at a time")
    p.add_argument("--seconds", type=float, default=2.0, help="of each part")
    p.add_argument("--classifier", default=DEFAULT.classifier, help="name or path")
    _add_device_and_out(p)
    options = p.parse_args(arguments)
    config = LiveConfig(classifier=options.classifier, device=options.device)
    sizes = parse_numbers("--sizes", options.sizes, 32, 1024)
    batches = parse_numbers("--batches", options.batches, 1, 64)
    if not 0 < options.seconds <= 3600:
        raise InputError(f"--seconds {options.seconds:g}: choose more than 0, 3600 at most")
    choose_device(config.device)
    from realtime.benchmark.parts import run_parts

    run_parts(config, options.out, arguments, sizes, batches, options.seconds)


def _table(arguments: list[str]) -> None:
    from realtime.benchmark.report import FILES, LIVE_FORMAT, PARTS_FORMAT, read_report
    from realtime.benchmark.tables import BEGIN, END, format_document, write_into

    p = _parser("table", "Print reports as Markdown tables, with the targets.")
    p.add_argument("reports", type=Path, nargs="+", help="folders of reports of one machine")
    p.add_argument("--into", type=Path, help=f"write into this file, between {BEGIN} and {END}")
    options = p.parse_args(arguments)
    parts = [folder for folder in options.reports if (folder / FILES[PARTS_FORMAT]).is_file()]
    lives = [folder for folder in options.reports if folder not in parts]
    text = format_document(
        [read_report(f, LIVE_FORMAT) for f in lives], [read_report(f, PARTS_FORMAT) for f in parts]
    )
    if options.into is None:
        print(text)
    else:
        write_into(options.into, text)


def _parser(command: str, description: str) -> Parser:
    return Parser(prog=program(f"realtime.benchmark {command}".rstrip()), description=description)


def _add_device_and_out(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", default=DEFAULT.device, help="auto, cpu, cuda or cuda:N")
    p.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder, for the report"
    )


if __name__ == "__main__":
    sys.exit(exit_code(main))
