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
import io
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from model.cli import Parser, exit_code, make_folder, program
from model.cluster import run_on_cluster
from model.errors import CheckpointError, InputError, SourceError, error_line
from model.face.network_files import add_face_networks
from model.files import write_whole
from model.inference.checkpoint import checkpoint_path, require_digest
from model.machine import choose_device
from model.parallel import Workers, add_jobs, check_workers
from model.records import AlignedFace, Event, Frame, Stamp
from realtime.analysis_jobs import (
    AnalysisJob,
    begun,
    mark_input,
    name_of,
    plan_jobs,
    write_record,
)
from realtime.command_options import add_perception, add_pictures
from realtime.config import LiveConfig
from realtime.export.annotated_video import FaceDrawing, take_drawing, write_annotated
from realtime.perception.pipeline import open_pipeline, pipeline_config
from realtime.results.event_tables import (
    describe_events,
    describe_motion,
    format_codebook,
    motion_tables,
    write_events,
)
from realtime.results.sentences import Language, add_language
from realtime.review.analysis_summary import (
    make_analysis_summary,
    make_thumbnails,
    require_pictures,
)
from realtime.sessions.exported_copies import note_copies
from realtime.sessions.folder import DOCUMENT
from realtime.sessions.reader import Session
from realtime.sessions.replay_parity import compare_with_live
from realtime.sessions.session_source import SessionSource
from realtime.sources import Source, open_source, split_spec
from realtime.sources.remote_file import fetched, is_remote
from realtime.spotting.baseline_file import load_baseline, rate_warning


def main() -> None:
    """Analyse the inputs on the command line. If one fails, go on with the others, print a table of
    failures at the end and exit with code 1."""
    options = vars(_parser().parse_args())
    inputs: list[str] = options.pop("inputs")
    out: Path | None = options.pop("out")
    against_live: bool = options.pop("compare")
    wanted = {name: options.pop(name) for name in ("again", "pictures", "video")}
    language: Language = options.pop("language")
    workers: Workers = options.pop("workers")
    check_workers(workers)
    baseline: Path | None = options.pop("baseline")
    config = LiveConfig(**options, baseline=None if baseline is None else load_baseline(baseline))
    choose_device(config.device)
    if against_live and workers != 1:
        option = "--ray" if isinstance(workers, str) else "--jobs"
        raise InputError(f"--compare with {option} {workers}: sessions are compared one by one")
    if against_live:
        _run_all([(spec, partial(_compare, spec, config)) for spec in inputs])
        return
    if out is None:
        raise InputError("--out is missing: give the folder for the tables")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is not a folder: give another name")
    jobs = plan_jobs(inputs, out, config, **wanted)
    make_folder(out)
    alone = workers == 1
    run = partial(analyze, config=config, alone=alone, language=language)
    _run_all([(job.shown, partial(run, job)) for job in jobs], workers)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How the work on one input ended, and what it printed meanwhile in a process of its own."""

    failure: str | None = None
    fatal: InputError | None = None
    """Why every other input would fail too."""
    printed: str = ""
    warned: str = ""


_LOST = _Outcome("its process was ended, as when memory is short: free some")


def _run_all(work: Sequence[tuple[str, Callable[[], None]]], workers: Workers = 1) -> None:
    """Run the work of each input, even if others fail. What is printed keeps the order of the
    inputs."""
    failed: dict[str, str] = {}
    with closing(_outcomes([run for _, run in work], workers)) as outcomes:
        for (spec, _), outcome in zip(work, outcomes, strict=True):
            print(outcome.printed, end="")
            print(outcome.warned, end="", file=sys.stderr)
            if outcome.fatal is not None:
                raise outcome.fatal
            if outcome.failure:
                failed[spec] = outcome.failure
                print(f"error: {outcome.failure}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(work)} inputs failed:", file=sys.stderr)
        longest = max(map(len, failed))
        for spec, why in failed.items():
            print(f"  {spec:<{longest}}  {why}", file=sys.stderr)
        raise SystemExit(1)


def _outcomes(work: Sequence[Callable[[], None]], workers: Workers) -> Generator[_Outcome]:
    if isinstance(workers, str):
        done = run_on_cluster(_printing_outcome, work, workers, _LOST)
        yield from tqdm(done, "analysed", len(work), unit="input")
        return
    if workers == 1 or len(work) < 2:
        yield from map(_outcome, work)
        return
    # Spawned: a process with threads must not be forked.
    with (
        ProcessPoolExecutor(min(workers, len(work)), get_context("spawn")) as pool,
        tqdm(total=len(work), desc="analysed", unit="input", file=sys.stderr) as bar,
    ):
        waiting = [pool.submit(_printing_outcome, run) for run in work]
        for each in waiting:
            each.add_done_callback(lambda _: bar.update())
        try:
            for each, run in zip(waiting, work, strict=True):
                try:
                    yield each.result()
                except BrokenProcessPool:  # by this input or by another: so each runs again alone
                    yield _outcome_alone(run)
        finally:
            pool.shutdown(cancel_futures=True)


def _outcome_alone(run: Callable[[], None]) -> _Outcome:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(_printing_outcome, run).result()
        except BrokenProcessPool:
            return _LOST


def _outcome(run: Callable[[], None]) -> _Outcome:
    try:
        run()
    except (CheckpointError, UnwritableError) as error:
        return _Outcome(fatal=error)
    except InputError as error:
        return _Outcome(str(error))
    except Exception as error:  # a bug: print its traceback, and go on with the other inputs
        traceback.print_exc()
        return _Outcome(error_line(error))
    return _Outcome()


def _printing_outcome(run: Callable[[], None]) -> _Outcome:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        outcome = _outcome(run)
    return replace(outcome, printed=out.getvalue(), warned=err.getvalue())


_RECENT_S = 10.0
"""An expression is found within this time of its apex: it lasts 4 s at most."""


class UnwritableError(InputError):
    """The results folder cannot be written."""


def analyze(
    job: AnalysisJob, config: LiveConfig, *, alone: bool = True, language: Language = "en"
) -> None:
    """Run the input of `job` through the pipeline and write its results, unless they exist. `alone`
    says that no other process does the same: a second thread and a progress bar help. `language` is
    that of the sentences in the table. If the source breaks off, write the results up to there,
    then raise `SourceError`. Raises `InputError` if the baseline does not suit the source,
    `UnwritableError` if the folder cannot be written."""
    if job.done:
        by = " by another version of this program" if job.by_another else ""
        print(f"{job.shown}: already analysed{by}, see {job.events}; --again analyses it again")
        return
    if job.problem:
        raise InputError(job.problem)
    require_digest(checkpoint_path(config.classifier), job.weights)
    mark = mark_input(job.spec)
    if not is_remote(job.spec):
        _analyze_at(job.spec, job, mark, config, alone, language)
        return
    with fetched(job.spec) as copy:
        try:
            _analyze_at(str(copy), job, mark, config, alone, language)
        except SourceError as error:  # who reads it knows nothing of the copy
            raise SourceError(str(error).replace(str(copy), job.shown)) from None


def _analyze_at(
    spec: str,
    job: AnalysisJob,
    mark: str,
    config: LiveConfig,
    alone: bool,
    language: Language,
) -> None:
    """Analyse what `spec` opens: the input of `job`, or a copy of it."""
    source = _open(spec, config)
    try:
        if source.info.live:
            raise SourceError(f"{job.spec} is live, not a recording: use run_live.py --headless")
        if source.info.kind == "demo" and config.seconds is None:
            raise SourceError(f"{job.spec} has no end: give --seconds")
        session = source.session if isinstance(source, SessionSource) else None
        if session is None:
            _refuse_part_of_session(job.spec)
        elif job.pictures:
            require_pictures(session)
        with begun(job, mark, config, source.info, source.status()) as work:
            try:
                _analyze(source, spec, work, mark, config, alone, language)
            finally:
                if session is not None:
                    _note_copies(session, work, mark)
    except OSError as error:
        raise UnwritableError(f"{job.out} cannot be written: {error.strerror or error}") from None
    finally:
        source.close()


def _note_copies(session: Session, job: AnalysisJob, mark: str) -> None:
    """Note in `session` the results of `job`. Raises `InputError`, and deletes them, if it is not
    as it was when it had this `mark`."""
    note_copies(session.folder, job.files)
    if mark_input(job.spec) != mark:
        for path in job.files:
            path.unlink()
        raise InputError(f"{job.spec} changed meanwhile: analyse it again")


def _refuse_part_of_session(spec: str) -> None:
    """Raise `InputError` if `spec` is a file of a session: consent, and what must be forgotten, are
    known of the session alone."""
    path = Path(split_spec(spec)[1])
    for folder in (path, path.parent):
        if (folder / DOCUMENT).is_file():
            raise InputError(f"{spec} belongs to a session: give its folder, {folder}")


def _analyze(
    source: Source,
    spec: str,
    job: AnalysisJob,
    mark: str,
    config: LiveConfig,
    alone: bool,
    language: Language,
) -> None:
    options, warning = pipeline_config(config, choose_device(config.device), source.info)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    pipeline = open_pipeline(options)
    found: list[Event] = []
    drawings: dict[int, FaceDrawing] = {}
    last: Stamp | None = None
    start_s: float | None = None
    tracks = _Tracks()
    broken: SourceError | None = None

    def keep(event: Event) -> Event:
        """Return `event` as it is kept to the end: a long recording has thousands."""
        tracks.keep_apex(event)
        return replace(event, flows=None, crops=event.crops if job.pictures else ())

    try:
        bar = _progress(source, config, shown=alone)
        with motion_tables(job.motion_tables, again=job.again) as add, bar:
            frames = _frames(source, config.seconds)
            try:
                for step in pipeline.steps(frames) if alone else map(pipeline.step, frames):
                    add(step)
                    last = step.frame.stamp
                    if step.face is not None:
                        tracks.note(step.face)
                    found.extend(map(keep, step.events))
                    if job.video and (drawing := take_drawing(step)) is not None:
                        drawings[last.index] = drawing
                    start_s = last.time_s if start_s is None else start_s
                    bar.update(last.time_s - start_s - bar.n)
            except SourceError as error:
                broken = error  # the results up to here are complete
        if last is not None:
            found.extend(map(keep, pipeline.finish(last)))
        confirmed = [event for event in found if event.state == "confirmed"]
        classifier = pipeline.classifier
        labels, units = classifier.labels, classifier.action_units
        write_events(
            job.event_tables,
            confirmed,
            labels,
            units,
            tracks.at_apex,
            again=job.again,
            language=language,
        )
    finally:
        pipeline.close()
    tables = {"events": describe_events(labels, units), "motion": describe_motion()}
    write_whole(job.codebook, format_codebook(tables).encode(), private=True)
    if job.video:
        with closing(_open(spec, config)) as second:
            write_annotated(job.annotated, _readable(second, config), drawings, confirmed)
    else:
        job.annotated.unlink(missing_ok=True)  # of an earlier analysis, which found other things
    failure = None if broken is None else str(broken).replace(spec, job.shown)
    write_record(job, mark, config, source.info, source.status(), failure)
    thumbnails = make_thumbnails(confirmed) if job.pictures else None
    files = [path for path in job.files if path not in (job.record, job.summary)]
    summary = make_analysis_summary(job.record, job.motion, files, thumbnails)
    write_whole(job.summary, summary.encode(), private=True)
    print(_report(source, confirmed, tracks.numbers, job.events))
    late = config.baseline and rate_warning(config.baseline, source.status().fps_measured)
    if late:
        print(f"warning: {late}", file=sys.stderr)
    if broken is not None:
        raise broken


class _Tracks:
    """The tracks of the faces, in bounded memory."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        """All of them."""
        self.at_apex: dict[int, int] = {}
        """The track at the apex of each event, by number of the frame."""
        self._recent: deque[tuple[Stamp, int]] = deque()

    def note(self, face: AlignedFace) -> None:
        self.numbers.add(face.track)
        recent = self._recent
        # Seen from the last face: what was open before a gap is found after it.
        while recent and recent[-1][0].time_s - recent[0][0].time_s > _RECENT_S:
            recent.popleft()
        recent.append((face.stamp, face.track))

    def keep_apex(self, event: Event) -> None:
        """Keep the track at the apex of `event`, which was just found."""
        apex = event.window.apex
        self.at_apex |= {stamp.index: track for stamp, track in self._recent if stamp == apex}


def _open(spec: str, config: LiveConfig) -> Source:
    try:
        return open_source(spec, config.source_options())
    except OSError as error:
        raise SourceError(f"{spec} cannot be opened: {error.strerror or error}") from None


def _frames(source: Source, seconds: float | None) -> Iterator[Frame]:
    """Yield the frames of the first `seconds`; None: all."""
    start_s: float | None = None
    try:
        for frame in source:
            start_s = frame.stamp.time_s if start_s is None else start_s
            # Count from the first frame: a session's times do not begin at 0.
            if seconds and frame.stamp.time_s - start_s >= seconds:
                return
            yield frame
    except OSError as error:
        raise SourceError(f"{source.info.spec} broke off: {error.strerror or error}") from None


def _readable(source: Source, config: LiveConfig) -> Iterator[Frame]:
    """Yield the frames as before, up to where the source broke off then."""
    with suppress(SourceError):
        yield from _frames(source, config.seconds)


def _compare(spec: str, config: LiveConfig) -> None:
    source = open_source(spec)
    try:
        if not isinstance(source, SessionSource):
            raise SourceError(f"{spec} is not a recorded session: only sessions can be compared")
        found = compare_with_live(source, config.device)
    finally:
        source.close()
    print(
        f"{source.info.description}: {found.live} expressions live, {found.replayed} in the "
        f"recording, {len(found.differences)} differences"
    )
    for line in (*found.differences, *(f"note: {caution}" for caution in found.cautions)):
        print(f"  {line}")


def _progress(source: Source, config: LiveConfig, *, shown: bool) -> tqdm:
    lengths = [s for s in (source.info.duration_s, config.seconds) if s is not None]
    known = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} s, {remaining} left"
    return tqdm(
        total=min(lengths, default=None),
        desc=name_of(source.info.spec),
        bar_format=known if lengths else "{desc}: {n:.1f} s in {elapsed}",
        file=sys.stderr,
        disable=not shown,
    )


def _report(source: Source, events: Sequence[Event], tracks: Set[int], table: Path) -> str:
    status = source.status()
    micro = sum(event.window.kind == "micro" for event in events)
    found = f"{micro} micro- and {len(events) - micro} macro-expressions in {table}"
    followed = len(tracks)
    if followed > 1:
        found = f"{found}, of {followed} face tracks"
    if not tracks:
        found = f"no face in any frame, so no expressions; {table} is empty"
    lost = ", ".join(f"{n} {cause}" for cause, n in {**status.dropped, **status.unusable}.items())
    message = f"; {status.message}" if status.message else ""
    return (
        f"{source.info.description}: {status.frames} frames{f' ({lost})' if lost else ''}"
        f"{message}; {found}"
    )


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
    from realtime import analyze as module  # by the name under which other machines import it

    sys.exit(exit_code(module.main))
