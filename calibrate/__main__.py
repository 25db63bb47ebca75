"""Calibration on the command line: is the camera good enough, how does this face rest, can the
spotter be trusted?

    python -m calibrate camera --source 0
    python -m calibrate baseline --source 0 --out P07.json
    python -m calibrate spotting score clip.events.csv clip.truth.csv

Exit code 0: success; 1: the camera can't show micro-expressions; 2: the input or the recording
cannot be used, and nothing is saved.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from model.cli import HELP, Parser, exit_code, program
from model.errors import InputError
from model.face.network_files import add_face_networks
from model.lazy_loading import load_entry
from realtime.command_options import add_source
from realtime.config import LiveConfig
from realtime.results.run_summary import check_new, list_versions, write_json_report
from realtime.sources import SourceInfo

MOST_S = 3600.0
"""The longest measurement."""
STEPS = {
    "camera": "calibrate.__main__:run_camera_check",
    "baseline": "calibrate.__main__:measure_baseline",
    "spotting": "calibrate.spotting.commands:main",
}
"""The function that runs each command. It is called with the command's arguments, and returns the
exit code, or None for 0."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the step named on the command line. Returns the exit code."""
    return exit_code(lambda: _run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> int | None:
    if not arguments or arguments[0] in HELP:
        print((__doc__ or "").strip().replace("python -m calibrate", program("calibrate")))
        return 0 if arguments else 2
    step: Callable[[Sequence[str]], int | None] = load_entry(STEPS, arguments[0], "step")
    return step(arguments[1:])


def run_camera_check(arguments: Sequence[str]) -> int:
    """`calibrate camera`: measure and print the verdict. Returns 1 if the camera can't be used."""
    from calibrate.camera.check import USUAL_CHECK_S, CameraCheck
    from calibrate.steps import feed_steps
    from calibrate.wording import camera_text
    from realtime.recording.camera_check import FORMAT, VERSION

    parser = _parser("camera", "Check whether a camera, in its room, can show micro-expressions.")
    parser.add_argument("--seconds", type=float, default=USUAL_CHECK_S, help="how long to look")
    parser.add_argument("--out", type=Path, metavar="JSON", help="report to write; must not exist")
    options = vars(parser.parse_args(arguments))
    out: Path | None = options.pop("out")
    seconds: float = options.pop("seconds")
    if out is not None:
        check_new(out)
    config = LiveConfig(**options, seconds=seconds)
    checks: list[CameraCheck] = []
    with _bar("camera", seconds) as bar:
        behind = feed_steps(
            config,
            seconds,
            lambda step: checks[0].push(step),
            lambda info: checks.append(CameraCheck(info)),
            lambda now_s: bar.update(min(now_s, seconds) - bar.n),
        )
    report = checks[0].report(behind=behind)
    print(camera_text(report))
    if out is not None:
        write_json_report(out, FORMAT, VERSION, report.plain())
    return int(report.light == "red")


def measure_baseline(arguments: Sequence[str]) -> None:
    """`calibrate baseline`: measure, save and print the baseline."""
    from calibrate.baseline.measure import (
        FALSE_ALARMS_PER_MIN,
        USUAL_S,
        BaselineMeasure,
        parse_participant,
    )
    from calibrate.steps import feed_steps
    from calibrate.wording import baseline_text
    from realtime.spotting.baseline_file import save_baseline

    parser = _parser("baseline", "Measure a participant's baseline, from a neutral, still face.")
    parser.add_argument("--seconds", type=float, default=USUAL_S, help="10 to 20 are good")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="must not exist")
    parser.add_argument("--participant", default="", help="code, written into the file")
    parser.add_argument(
        "--false-alarms-per-min",
        dest="rate",
        type=float,
        default=FALSE_ALARMS_PER_MIN,
        help="acceptable rate while the face rests",
    )
    former = "--false-alarms-per-minute"
    parser.add_argument(
        former, dest="rate", type=float, default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )
    options = vars(parser.parse_args(arguments))
    out: Path = options.pop("out")
    seconds: float = options.pop("seconds")
    participant = parse_participant(options.pop("participant"))
    rate: float = options.pop("rate")
    check_new(out)
    config = LiveConfig(**options, seconds=seconds)
    measure = BaselineMeasure(false_alarms_per_min=rate)
    infos: list[SourceInfo] = []
    with _bar("neutral face, eyes on the camera, no talking", seconds) as bar:
        feed_steps(
            config,
            seconds,
            measure.push,
            infos.append,
            lambda now_s: bar.update(min(now_s, seconds) - bar.n),
        )
    baseline = measure.baseline(
        infos[0], now=datetime.now(UTC), software=list_versions(), participant=participant
    )
    save_baseline(out, baseline)
    print(baseline_text(baseline))
    print(f"saved in {out}; use it with fmanet live --baseline {out}")


def _parser(step: str, what: str) -> argparse.ArgumentParser:
    p = Parser(
        prog=program(f"calibrate {step}"),
        description=what,
    )
    add_source(p)
    add_face_networks(p)
    return p


def _bar(what: str, seconds: float) -> tqdm:
    if not 0 < seconds < MOST_S:
        raise InputError(f"--seconds {seconds:g}: choose more than 0 and less than {MOST_S:g}")
    return tqdm(
        total=seconds,
        desc=what,
        bar_format="{desc}: {n:.1f}/{total:.0f} s |{bar}|",
        file=sys.stderr,
        leave=False,
    )


if __name__ == "__main__":
    sys.exit(main())
