"""FMANet Live: spot and name micro-expressions, live, on a page or without one.

python run_live.py                              the page, with a camera or else the demo face
python run_live.py --source demo --headless --seconds 30 --summary out.json
python run_live.py --headless --record sessions/P07 --participant P07 --consent "analysis"
"""

import argparse
import sys
from pathlib import Path

from model.cli import Parser, exit_code
from model.errors import InputError
from model.face.network_files import add_face_networks
from model.machine import choose_device, explain_unused_gpu
from realtime.command_options import add_engine, add_page, add_perception, add_source
from realtime.config import LiveConfig
from realtime.password_options import take_passwords
from realtime.recording.plan import add_recording, take_plan
from realtime.spotting.baseline_file import load_baseline


def main(*, record_only: bool = False) -> None:
    """Run the command line; `record_only`: that of `fmanet record`, which shows no page."""
    options = vars(parser(record_only=record_only).parse_args())
    headless: bool = options.pop("headless")
    summary: Path | None = options.pop("summary")
    auth, view_password = take_passwords(options)
    baseline: Path | None = options.pop("baseline")
    options["allow_sources"] = tuple(options["allow_sources"])
    record = take_plan(options)
    config = LiveConfig(
        **options,
        record=record,
        auth=auth,
        view_password=view_password,
        baseline=None if baseline is None else load_baseline(baseline),
    )
    device = choose_device(config.device)
    if config.device == "auto" and (why := explain_unused_gpu(device)):
        print(f"note: {why}", file=sys.stderr)
    # These import the networks and the page, which takes seconds: report wrong options first.
    if headless:
        from realtime.headless import run_headless

        run_headless(config, summary)
        return
    if summary is not None:
        raise InputError(f"--summary {summary} works only with --headless: give both or neither")
    from calibrate.guide import Guide
    from realtime.ui import serve

    serve(config, Guide())


def record() -> None:
    """Run `fmanet record DIR …`: `fmanet live --headless --record DIR …`, without the page."""
    main(record_only=True)


def parser(*, record_only: bool = False) -> argparse.ArgumentParser:
    """Return the parser, with `LiveConfig`'s defaults. With `record_only`, the session's folder is
    an argument, and there are no options of the page."""
    what = "Record a session without the page." if record_only else __doc__ or ""
    p = Parser(description=what.partition("\n")[0])
    rare = ["--flow", "--engine", "--face-networks", "--seed", "--rotate", "--lsl", "--lsl-markers"]
    if record_only:
        add_recording(p, "record")
        page = dict.fromkeys(("auth", "auth_file", "view_password"))
        p.set_defaults(headless=True, allow_sources=(), **page)
    source = p.add_argument_group("source")
    add_source(source)
    source.add_argument("--seconds", type=float, help="end after this much of the source")
    perception = p.add_argument_group("perception")
    add_perception(perception)
    add_face_networks(perception)
    add_engine(perception)
    headless = p if record_only else p.add_argument_group("without the page")
    headless.add_argument("--summary", type=Path, metavar="PATH", help="new JSON file")
    if not record_only:
        headless.add_argument("--headless", action="store_true", help="print progress, a summary")
        add_recording(p.add_argument_group("recording a session"))
        add_page(p.add_argument_group("page"))
        rare += ["--consent", "--audio", "--protocol", "--summary", "--codec", "--pictures"]
        rare += ["--voice", "--camera-report", "--strict", "--allow-sources", "--allow-host"]
        rare += ["--root-path", "--auth", "--view-password", "--tls-cert", "--tls-key"]
        rare += ["--least-me-probability"]
    p.hide_rare(*rare)
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
