"""Analyses one recording: runs it through the pipeline of the live program, offline, and writes its
tables, its summary and its record."""

import sys
from collections.abc import Iterator, Sequence, Set
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from model.errors import InputError, SourceError
from model.files import write_whole
from model.inference.checkpoint import checkpoint_path, require_digest
from model.machine import choose_device
from model.records import Event, Frame, Stamp
from realtime.analysis_jobs import AnalysisJob, begin, mark_input, name_of, write_record
from realtime.config import LiveConfig
from realtime.export.annotated_video import FaceDrawing, take_drawing, write_annotated
from realtime.input_outcomes import UnwritableError
from realtime.perception.pipeline import open_pipeline, pipeline_config
from realtime.results.event_tables import (
    describe_events,
    describe_motion,
    format_codebook,
    motion_tables,
    write_events,
)
from realtime.review.analysis_summary import (
    make_analysis_summary,
    make_thumbnails,
    require_pictures,
)
from realtime.sessions.exported_copies import note_copies
from realtime.sessions.folder import DOCUMENT
from realtime.sessions.reader import Session
from realtime.sessions.session_source import SessionSource
from realtime.sources import Source, open_source, split_spec
from realtime.sources.remote_file import fetched, is_remote
from realtime.spotting.baseline_file import rate_warning


def analyze(job: AnalysisJob, config: LiveConfig, *, alone: bool = True) -> None:
    """Run the input of `job` through the pipeline and write its results, unless they exist. `alone`
    says that no other process does the same: a second thread and a progress bar help. If the source
    breaks off, write the results up to there, then raise `SourceError`. Raises `InputError` if the
    baseline does not suit the source, `UnwritableError` if the folder cannot be written."""
    if job.done:
        by = " by another version of this program" if job.by_another else ""
        print(f"{job.shown}: already analysed{by}, see {job.events}; --again analyses it again")
        return
    if job.problem:
        raise InputError(job.problem)
    require_digest(checkpoint_path(config.classifier), job.weights)
    mark = mark_input(job.spec)
    if not is_remote(job.spec):
        _analyze_at(job.spec, job, mark, config, alone)
        return
    with fetched(job.spec) as copy:
        try:
            _analyze_at(str(copy), job, mark, config, alone)
        except SourceError as error:  # who reads it knows nothing of the copy
            raise SourceError(str(error).replace(str(copy), job.shown)) from None


def _analyze_at(spec: str, job: AnalysisJob, mark: str, config: LiveConfig, alone: bool) -> None:
    """Analyse what `spec` opens: the input of `job`, or a copy of it."""
    source = _open(spec, job, config)
    try:
        if source.info.live:
            raise SourceError(f"{job.shown} is live, not a recording: use run_live.py --headless")
        if source.info.kind == "demo" and config.seconds is None:
            raise SourceError(f"{job.shown} has no end: give --seconds")
        session = source.session if isinstance(source, SessionSource) else None
        if session is None:
            _refuse_part_of_session(job)
        elif job.pictures:
            require_pictures(session)
        with begin(job, mark, config, source.info, source.status()) as work:
            try:
                _analyze(source, spec, work, mark, config, alone)
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
        raise InputError(f"{job.shown} changed meanwhile: analyse it again")


def _refuse_part_of_session(job: AnalysisJob) -> None:
    """Raise `InputError` if the input is a file of a session: consent, and what must be forgotten,
    are known of the session alone."""
    path = Path(split_spec(job.spec)[1])
    for folder in (path, path.parent):
        if (folder / DOCUMENT).is_file():
            raise InputError(f"{job.shown} belongs to a session: give its folder, {folder}")


def _analyze(
    source: Source, spec: str, job: AnalysisJob, mark: str, config: LiveConfig, alone: bool
) -> None:
    options, warning = pipeline_config(config, choose_device(config.device), source.info)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    pipeline = open_pipeline(options)
    found: list[Event] = []
    drawings: dict[int, FaceDrawing] = {}
    last: Stamp | None = None
    start_s: float | None = None
    tracks: set[int] = set()
    apex_tracks: dict[int, int] = {}
    broken: SourceError | None = None

    def keep(event: Event) -> Event:
        """Return `event` as it is kept to the end: a long recording has thousands."""
        apex = event.window.apex
        if (track := pipeline.track_at(apex)) is not None:
            apex_tracks[apex.index] = track
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
                        tracks.add(step.face.track)
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
            apex_tracks,
            again=job.again,
            language=job.language,
        )
    finally:
        pipeline.close()
    tables = {"events": describe_events(labels, units), "motion": describe_motion()}
    write_whole(job.codebook, format_codebook(tables).encode(), private=True)
    if job.video:
        with closing(_open(spec, job, config)) as second:
            write_annotated(job.annotated, _readable(second, config), drawings, confirmed)
    else:
        job.annotated.unlink(missing_ok=True)  # of an earlier analysis, which found other things
    failure = None if broken is None else str(broken).replace(spec, job.shown)
    write_record(job, mark, config, source.info, source.status(), failure)
    thumbnails = make_thumbnails(confirmed) if job.pictures else None
    files = [path for path in job.files if path not in (job.record, job.summary)]
    summary = make_analysis_summary(job.record, job.motion, files, thumbnails)
    write_whole(job.summary, summary.encode(), private=True)
    print(_report(source, confirmed, tracks, job.events))
    late = config.baseline and rate_warning(config.baseline, source.status().fps_measured)
    if late:
        print(f"warning: {late}", file=sys.stderr)
    if broken is not None:
        raise broken


def _open(spec: str, job: AnalysisJob, config: LiveConfig) -> Source:
    try:
        return open_source(spec, config.source_options())
    except OSError as error:
        raise SourceError(f"{job.shown} cannot be opened: {error.strerror or error}") from None


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
