"""Recordings to tables, offline: as fast as the machine can, the same result every time.

    python -m realtime.analyze clip.mp4 session/ --fps 200 --out results/

For each input `<name>.events.csv` and `<name>.motion.parquet` (or `.csv`); `realtime.tables` says
what the columns are. It is the pipeline of the live program, so what was seen live is found again.

    python -m realtime.analyze sessions/P07 --compare

says of recorded sessions what is found that was not seen live, or the other way round.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

from tqdm import tqdm

from model.errors import CheckpointError, InputError, SourceError, exit_code
from model.machine import choose_device
from model.outputs import make_folder
from model.records import Event, Frame, Stamp
from realtime.baseline import load_baseline, rate_warning
from realtime.config import LiveConfig
from realtime.options import add_drawing, add_perception
from realtime.pipeline import configured, open_pipeline
from realtime.session.compare import compare
from realtime.sources import Source, open_source, split_spec
from realtime.sources.session import SessionSource
from realtime.tables import motion_table, write_events


def main() -> None:
    """Analyse what the command line names. An input that cannot be analysed is told and the
    others go on; then, at the end, `InputError`."""
    options = vars(_parser().parse_args())
    inputs: list[str] = options.pop("inputs")
    out: Path | None = options.pop("out")
    against_live: bool = options.pop("compare")
    suffix: str = options.pop("motion")
    baseline: Path | None = options.pop("baseline")
    config = LiveConfig(
        **options,
        baseline=None if baseline is None else load_baseline(baseline),
    )
    choose_device(config.device)
    if against_live:
        for spec in inputs:
            _compare(spec, config)
        return
    if out is None:
        raise InputError("--out is missing: name the folder for the tables")
    jobs = plan(inputs, out, suffix)
    failed = 0
    for spec, (events, motion) in jobs.items():
        try:
            analyze(spec, events, motion, config)
        except CheckpointError:
            raise  # the same for every input
        except InputError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
        except OSError as error:
            raise InputError(f"{events.parent} cannot be written: {error.strerror}") from None
    if failed:
        raise InputError(f"{failed} of {len(jobs)} inputs could not be analysed to their end")


def plan(inputs: Sequence[str], out: Path, motion: str) -> dict[str, tuple[Path, Path]]:
    """Where the events and the motion of each input go; inputs of one name get numbers. Makes
    the folder `out`. Raises `InputError` if a table is already there, before any work is done."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is not a folder")
    jobs: dict[str, tuple[Path, Path]] = {}
    taken: set[str] = set()
    for spec in dict.fromkeys(inputs):
        base = _name(spec)
        numbered = (f"{base}-{number}" for number in count(2))
        name = next(name for name in chain([base], numbered) if name.casefold() not in taken)
        taken.add(name.casefold())
        jobs[spec] = (out / f"{name}.events.csv", out / f"{name}.motion.{motion}")
    for path in (path for job in jobs.values() for path in job):
        if path.exists():
            raise InputError(f"{path} exists, and results are never overwritten: another --out")
    make_folder(out)
    return jobs


def analyze(spec: str, events: Path, motion: Path, config: LiveConfig) -> None:
    """Run `spec` through the pipeline and write its tables. If the source breaks on the way,
    what came before is written all the same, and then `SourceError` is raised; `InputError` if the
    baseline does not suit it."""
    source = open_source(spec, config.source_options())
    try:
        if source.info.live:
            raise SourceError(f"{spec} is live, not a recording: use run_live.py --headless")
        if source.info.kind == "demo" and config.seconds is None:
            raise SourceError(f"{spec} has no end: give --seconds")
        _analyze(source, events, motion, config)
    finally:
        source.close()


def _analyze(source: Source, events: Path, motion: Path, config: LiveConfig) -> None:
    wanted, warning = configured(config, choose_device(config.device), source.info)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    pipeline = open_pipeline(wanted, settled=True)
    found: list[Event] = []
    last: Stamp | None = None
    start_s: float | None = None
    faces = 0
    broken: SourceError | None = None
    try:
        with motion_table(motion) as add, _progress(source, config) as bar:
            try:
                for step in pipeline.steps(_first(source, config.seconds)):
                    add(step)
                    found.extend(step.events)
                    faces += step.face is not None
                    last = step.frame.stamp
                    start_s = last.time_s if start_s is None else start_s
                    bar.update(last.time_s - start_s - bar.n)
            except SourceError as error:
                broken = error  # what came before it is whole
        if last is not None:
            found.extend(pipeline.finish(last))
        confirmed = [event for event in found if event.state == "confirmed"]
        classifier = pipeline.classifier
        write_events(events, confirmed, classifier.labels, classifier.action_units)
    finally:
        pipeline.close()
    print(_report(source, confirmed, faces, events))
    late = config.baseline and rate_warning(config.baseline, source.status().fps_measured)
    if late:
        print(f"warning: {late}", file=sys.stderr)
    if broken is not None:
        raise broken


def _first(source: Source, seconds: float | None) -> Iterator[Frame]:
    """The frames of the first `seconds`; None: all."""
    start_s: float | None = None
    for frame in source:
        start_s = frame.stamp.time_s if start_s is None else start_s
        # From the first one on: a session's times are the camera's.
        if seconds and frame.stamp.time_s - start_s >= seconds:
            return
        yield frame


def _compare(spec: str, config: LiveConfig) -> None:
    source = open_source(spec)
    try:
        if not isinstance(source, SessionSource):
            raise SourceError(f"{spec} is not a recorded session: there is nothing to compare with")
        found = compare(source, config.device)
    finally:
        source.close()
    print(
        f"{source.info.description}: {found.live} expressions live, {found.replayed} in the "
        f"recording, {len(found.differences)} differences"
    )
    for line in (*found.differences, *(f"note: {caution}" for caution in found.cautions)):
        print(f"  {line}")


def _progress(source: Source, config: LiveConfig) -> tqdm:
    lengths = [s for s in (source.info.duration_s, config.seconds) if s is not None]
    known = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} s, {remaining} left"
    return tqdm(
        total=min(lengths, default=None),
        desc=_name(source.info.spec),
        bar_format=known if lengths else "{desc}: {n:.1f} s in {elapsed}",
        file=sys.stderr,
    )


def _report(source: Source, events: Sequence[Event], faces: int, table: Path) -> str:
    status = source.status()
    micro = sum(event.window.kind == "micro" for event in events)
    found = f"{micro} micro- and {len(events) - micro} macro-expressions in {table}"
    if not faces:
        found = f"no face in any frame, so no expressions; {table} is empty"
    lost = ", ".join(f"{n} {cause}" for cause, n in {**status.dropped, **status.unusable}.items())
    return (
        f"{source.info.description}: {status.frames} frames{f' ({lost})' if lost else ''}; {found}"
    )


def _name(spec: str) -> str:
    """What the tables of an input are called: its file's or folder's name, without what a file
    name cannot hold."""
    try:
        kind, rest = split_spec(spec)
    except SourceError:  # told when its turn comes
        kind, rest = "input", spec
    path = Path(rest)
    folder = path.resolve().name
    name = {"file": path.stem, "folder": folder, "session": folder}.get(kind, path.stem)
    return re.sub(r"[^\w.+-]+", "_", name) or kind


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m realtime.analyze", description=(__doc__ or "").partition("\n")[0]
    )
    p.add_argument("inputs", nargs="+", metavar="INPUT", help="video file, folder of images, demo")
    p.add_argument("--out", type=Path, metavar="DIR", help="for the tables; made if need be")
    p.add_argument("--compare", action="store_true", help="sessions with what was seen live")
    p.add_argument("--motion", choices=("parquet", "csv"), default="parquet")
    p.add_argument("--fps", type=float, help="of a folder's images, or of the demo")
    p.add_argument("--seconds", type=float, help="only this much of each input")
    add_drawing(p)
    add_perception(p)
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
