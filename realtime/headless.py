"""A live run without a page: a progress line while it runs, a summary when it ends."""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from types import FrameType

from tqdm import tqdm

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.protocol_keys import Keys
from realtime.recording.status import RecordingStatus
from realtime.results.run_summary import check_new, summarise_run, write_summary
from realtime.results.snapshot import Snapshot
from realtime.sessions.audit import TERMINAL
from realtime.sessions.ledger import describe_cause
from realtime.sources.demo_face import Demo
from realtime.stream.clock import monotonic_s

PROGRESS_S = 0.5
"""How often to update the progress line and check whether to end."""
SOURCE_PATIENCE_S = 5.0
"""How long to wait for a silent source after `--seconds` are over."""


def run_headless(config: LiveConfig, summary: Path | None = None) -> None:
    """Run until the source ends, `config.seconds` are over, or Ctrl-C or SIGTERM comes; then write
    `summary`. If the source broke off, raises `InputError` after writing the summary."""
    if config.source.partition(":")[0] == "browser":
        raise InputError("--source browser needs the page: leave out --headless")
    if summary is not None:
        check_new(summary)
    with _catch_signals() as asked_to_end:
        session = LiveSession(config)
        session.start()
        try:
            _watch(session, asked_to_end)
        finally:
            if asked_to_end.is_set():
                session.audit(TERMINAL, "stop")
            try:
                session.stop()
            finally:  # a thread that hangs must not cost the results
                _close(session, session.snapshot(), summary)


def _watch(session: LiveSession, asked_to_end: Flag) -> None:
    """Show progress until the run ends. Raises the error that ended it, if there was one."""
    seconds = session.config.seconds
    over_s = monotonic_s() + (seconds or float("inf"))
    captured, captured_at_s = 0, monotonic_s()
    keys = _keys(session)
    shape = "{desc} {n:.1f}/{total_fmt} s{postfix}" if seconds else "{desc} {n:.1f} s{postfix}"
    with tqdm(total=seconds, file=sys.stderr, bar_format=shape, desc="live", leave=False) as line:
        recording = session.recording()
        for missed in recording.warnings if recording else ():
            line.write(f"warning: {missed}", file=sys.stderr)
        while not asked_to_end.is_set():
            if keys is not None and not _listen(keys, line):
                keys = None
            ended = session.wait(0.0 if keys else PROGRESS_S)
            snapshot = session.snapshot()
            now_s = monotonic_s()
            if snapshot.captured != captured:
                captured, captured_at_s = snapshot.captured, now_s
            line.n = snapshot.seconds
            line.set_postfix_str(_progress(session, snapshot))
            recording = session.recording()
            if recording is not None and recording.failure:
                raise InputError(recording.failure)
            if ended or now_s > max(over_s, captured_at_s + SOURCE_PATIENCE_S):
                return


def _keys(session: LiveSession) -> Keys | None:
    """Return the keys of a recording's protocol; None without a recording, or if stdin cannot be
    watched."""
    plan = session.config.record
    if plan is None or os.name != "posix":
        return None
    try:
        sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # no stdin, or it is not a file
        return None
    return Keys(plan.protocol, session)


def _listen(keys: Keys, line: tqdm) -> bool:
    """Wait up to `PROGRESS_S` for typed keys and act on them at once: their time counts. Returns
    False when no more can come."""
    typed = sys.stdin.fileno()
    if not select.select([typed], [], [], PROGRESS_S)[0]:
        return True
    if os.isatty(typed) and os.tcgetpgrp(typed) != os.getpgrp():
        return False  # in the background, where reading would stop the program
    text = os.read(typed, 4096).decode("utf-8", "replace")
    for answer in keys.type_text(text):
        line.write(answer, file=sys.stderr)
    return bool(text)


def _progress(session: LiveSession, snapshot: Snapshot) -> str:
    events = sum(event.state == "confirmed" for event in session.results.events())
    parts = [
        f"{snapshot.fps_measured or 0:.1f} fps",
        f"{snapshot.analysed} analysed",
        f"{sum(snapshot.dropped.values())} dropped",
        f"{events} events",
        f"p95 {snapshot.frame_to_result.p95:.1f} ms",
    ]
    return ", ".join([*parts, snapshot.message] if snapshot.message else parts)


def _close(session: LiveSession, snapshot: Snapshot, summary: Path | None) -> None:
    source = session.source
    truth = source.truth(snapshot.seconds) if isinstance(source, Demo) else None
    if summary is not None:
        write_summary(
            summary, summarise_run(snapshot, session.results.events(), session.config, truth)
        )
    recording = session.recording()
    print(
        _closing_line(session, snapshot)
        + (f"; summary in {summary}" if summary else "")
        + (f"; {_recording_line(recording)}" if recording else "")
    )


def _recording_line(recording: RecordingStatus) -> str:
    sound = f" with sound of {recording.sound}" if recording.sound else ""
    deleted = f" ({recording.redacted} more deleted)" if recording.redacted else ""
    return f"{recording.frames} frames{deleted}{sound} recorded in {recording.folder}"


def _closing_line(session: LiveSession, snapshot: Snapshot) -> str:
    events = [event for event in session.results.events() if event.state == "confirmed"]
    micro = sum(event.window.kind == "micro" for event in events)
    dropped = ", ".join(f"{n} ({describe_cause(c)})" for c, n in snapshot.dropped.items())
    if snapshot.analysed and not snapshot.faces:
        found = "no face in any frame, so no expressions"
    else:
        found = f"{micro} micro- and {len(events) - micro} macro-expressions"
    return (
        f"{snapshot.source}: {snapshot.captured} frames captured, {snapshot.analysed} analysed, "
        f"dropped: {dropped or '0'}; {found}; frame to result p50 "
        f"{snapshot.frame_to_result.p50:.1f} ms, p99 {snapshot.frame_to_result.p99:.1f} ms; "
        f"{Path(snapshot.classifier).stem} by {snapshot.engine}"
    )


@contextmanager
def _catch_signals() -> Iterator[Flag]:
    """Yield a flag that SIGINT and SIGTERM set. A second signal interrupts, in case the end
    hangs."""
    flag = Flag()

    def end(number: int, frame: FrameType | None) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
