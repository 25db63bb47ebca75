"""FMANet Live: spot and name micro-expressions, live, on a page or without one.

python run_live.py                              the page, on a camera or else the demo face
python run_live.py --source demo --headless --seconds 30 --summary out.json
python run_live.py --headless --record sessions/P07 --participant P07 --consent "analysis"
"""

import argparse
import sys
from pathlib import Path

from model.classifiers import CLASSIFIERS
from model.engine import ENGINES
from model.errors import InputError, exit_code
from model.flow import FLOWS
from realtime.baseline import load_baseline
from realtime.config import LiveConfig, choose_device, parse_auth
from realtime.session.plan import take_plan
from realtime.sources import CHOICES


def main() -> None:
    """Parse the command line and run what it asks for."""
    options = vars(parser().parse_args())
    headless: bool = options.pop("headless")
    summary: Path | None = options.pop("summary")
    auth: str | None = options.pop("auth")
    baseline: Path | None = options.pop("baseline")
    record = take_plan(options)
    config = LiveConfig(
        **options,
        record=record,
        auth=None if auth is None else parse_auth(auth),
        baseline=None if baseline is None else load_baseline(baseline),
    )
    choose_device(config.device)
    # What follows imports the networks and the page: seconds, and errors in options come first.
    if headless:
        from realtime.headless import run_headless

        run_headless(config, summary)
        return
    if summary is not None:
        raise InputError(f"--summary {summary} belongs to --headless: give both or neither")
    from calibrate.guide import Guide
    from realtime.ui import serve

    serve(config, Guide())


def parser() -> argparse.ArgumentParser:
    """The options, with `LiveConfig`'s defaults."""
    default = LiveConfig()
    p = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    source = p.add_argument_group("source")
    source.add_argument("--source", default=default.source, help=CHOICES)
    source.add_argument("--width", type=int, default=default.width, help="px, of camera and demo")
    source.add_argument("--height", type=int, default=default.height, help="px, of camera and demo")
    source.add_argument("--fps", type=float, help="of camera and demo, or of a folder's images")
    source.add_argument("--seed", type=int, default=default.seed, help="of the demo")
    source.add_argument("--seconds", type=float, help="end after this time of the source")
    perception = p.add_argument_group("perception")
    perception.add_argument("--flow", default=default.flow, help=", ".join(FLOWS))
    perception.add_argument(
        "--classifier", default=default.classifier, help=f"{', '.join(CLASSIFIERS)}, or a path"
    )
    perception.add_argument(
        "--baseline", type=Path, metavar="JSON", help="of this face, made by calibrate baseline"
    )
    perception.add_argument("--device", default=default.device, help="auto, cpu, cuda or cuda:N")
    perception.add_argument(
        "--engine", default=default.engine, help=f"runs the classifier: auto, {', '.join(ENGINES)}"
    )
    alone = p.add_argument_group("without a page")
    alone.add_argument("--headless", action="store_true", help="no page: progress and a summary")
    alone.add_argument("--summary", type=Path, metavar="PATH", help="JSON; must not exist")
    study = p.add_argument_group("recording a session")
    study.add_argument("--record", type=Path, metavar="DIR", help="the session's folder, made new")
    study.add_argument("--participant", metavar="CODE", help="a code, never a name")
    study.add_argument(
        "--codec", metavar="NAME", help="h264 (visually lossless) or ffv1 (lossless)"
    )
    study.add_argument("--consent", metavar="SCOPE", help="what the participant agreed to")
    study.add_argument(
        "--pictures", action="store_true", help="consent covers pictures of the face in reports"
    )
    study.add_argument("--protocol", type=Path, metavar="TOML", help="names of keys, questions")
    study.add_argument(
        "--camera-report", type=Path, metavar="JSON", help="of python -m calibrate camera"
    )
    study.add_argument("--lsl", action="store_true", help="tell frames, events and markers to LSL")
    study.add_argument(
        "--lsl-markers", metavar="NAME", help="take markers from the LSL stream of that name"
    )
    study.add_argument(
        "--strict", action="store_true", help="what the check list misses is an error"
    )
    page = p.add_argument_group("page")
    page.add_argument(
        "--sessions",
        type=Path,
        metavar="DIR",
        default=default.sessions,
        help="where the page records sessions, and finds those to review",
    )
    page.add_argument("--host", default=default.host, help="address that the page listens on")
    page.add_argument("--port", type=int, default=default.port, help="0: any free one")
    page.add_argument("--auth", metavar="USER:PASSWORD", help="demanded beyond this machine")
    page.add_argument("--tls-cert", type=Path, metavar="PEM", help="certificate: serve by https")
    page.add_argument("--tls-key", type=Path, metavar="PEM", help="its key")
    page.add_argument(
        "--no-browser",
        dest="open_browser",
        action="store_false",
        help="do not open the page in a browser",
    )
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
