"""Recordings to tables, offline: as fast as the machine can, with the same result every time.

    python -m realtime.analyze clip.mp4 session/ --out results/

Each input gives two tables, `<name>.events` and `<name>.motion`, each as `.csv` and as `.parquet`;
`<name>.columns.json`, which says what their columns hold; `<name>.summary.html`, a page to look at;
and `<name>.analysis.json`, which says what was analysed, and how. Pictures of faces are written
only if asked for: `--pictures` shows them on the page, `--video` writes `<name>.annotated.mp4`. An
input that was analysed into the same folder before is skipped. The pipeline is that of the live
program, so it finds the events that the live program found.

    python -m realtime.analyze sessions/P07 --compare

lists what was found in a recorded session only live, or only in the recording.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from model.cli import Parser, exit_code, make_folder, program
from model.errors import InputError, SourceError
from model.face.network_files import add_face_networks
from model.machine import choose_device
from model.parallel import Workers, add_jobs, check_workers
from realtime.analysis import analyze
from realtime.analysis_jobs import plan_jobs
from realtime.command_options import add_perception, add_pictures
from realtime.config import LiveConfig
from realtime.input_outcomes import run_inputs
from realtime.results.sentences import add_language
from realtime.sessions.replay_parity import compare_with_live
from realtime.sessions.session_source import SessionSource
from realtime.sources import hide_password, open_source
from realtime.spotting.baseline_file import load_baseline


def main() -> None:
    """Analyse the inputs on the command line. If one fails, go on with the others, print a table of
    failures at the end and exit with code 1."""
    options = vars(_parser().parse_args())
    inputs: list[str] = options.pop("inputs")
    out: Path | None = options.pop("out")
    against_live: bool = options.pop("compare")
    wanted = {name: options.pop(name) for name in ("again", "pictures", "video", "language")}
    workers: Workers = options.pop("workers")
    check_workers(workers)
    baseline: Path | None = options.pop("baseline")
    config = LiveConfig(**options, baseline=None if baseline is None else load_baseline(baseline))
    choose_device(config.device)
    if against_live and workers != 1:
        option = "--ray" if isinstance(workers, str) else "--jobs"
        raise InputError(f"--compare with {option} {workers}: sessions are compared one by one")
    if against_live:
        run_inputs([(hide_password(spec), partial(_compare, spec, config)) for spec in inputs])
        return
    if out is None:
        raise InputError("--out is missing: give the folder for the tables")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is not a folder: give another name")
    jobs = plan_jobs(inputs, out, config, **wanted)
    make_folder(out)
    run = partial(analyze, config=config, alone=workers == 1)
    run_inputs([(job.shown, partial(run, job)) for job in jobs], workers)


def _compare(spec: str, config: LiveConfig) -> None:
    source = open_source(spec)
    try:
        if not isinstance(source, SessionSource):
            raise SourceError(
                f"{hide_password(spec)} is not a recorded session: only sessions can be compared"
            )
        found = compare_with_live(source, config.device)
    finally:
        source.close()
    print(
        f"{source.info.description}: {found.live} expressions live, {found.replayed} in the "
        f"recording, {len(found.differences)} differences"
    )
    for line in (*found.differences, *(f"note: {caution}" for caution in found.cautions)):
        print(f"  {line}")


def _parser() -> argparse.ArgumentParser:
    p = Parser(prog=program("realtime.analyze"), description=(__doc__ or "").partition("\n")[0])
    what = "video file, also its address (https://, s3://), session, folder of images"
    p.add_argument("inputs", nargs="+", metavar="INPUT", help=what)
    p.add_argument("--out", type=Path, metavar="DIR", help="folder for the tables")
    p.add_argument("--again", action="store_true", help="repeat earlier analyses")
    p.add_argument("--compare", action="store_true", help="compare sessions with their live events")
    p.add_argument(
        "--pictures", action="store_true", help="show pictures of the face in the summary"
    )
    p.add_argument("--video", action="store_true", help="write an annotated video too")
    p.add_argument(
        "--fps", type=float, help="rate of a folder's images, of the demo, or of slow motion"
    )
    p.add_argument("--seconds", type=float, help="analyse only this much of each input")
    add_language(p)
    add_jobs(p, 1, "analyse inputs")
    add_pictures(p)
    add_perception(p)
    add_face_networks(p)
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
