"""SessionRecorder: one writer for everything in a session's folder.

The recorder thread calls `write` and `beat`; it, or the owner of the recorder, calls `close`. Other
threads leave notes (`note_step`, `note_unanalysed`, `note_events`, `mark`, `audit`) and sound
(`take_sound`) without touching files; the recorder thread writes them with its next frame or beat.
The recorder starts no thread and never waits.

After any failure (a full disk, a bug) the files are closed, what they hold is kept, and `status`
says why. From then on frames count as dropped, and the run goes on. Redactions are still carried
out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from model.errors import error_line
from model.records import Event, Frame, Stamp, Step
from realtime.recording.lsl import Streams
from realtime.recording.sound_track import SoundBlock, SoundTrack
from realtime.recording.status import FrameCounts, RecordingStatus
from realtime.recording.tables import Tables
from realtime.recording.video_parts import VideoParts
from realtime.recording.write_queue import QueueEntry, WriteQueue
from realtime.results.event_lines import format_event, overlaps
from realtime.results.event_tables import format_row, make_motion_row
from realtime.sessions.audit import format_audit
from realtime.sessions.clock_anchors import ANCHOR_S, SOURCE_TIME, take_anchor
from realtime.sessions.folder import RESERVE_BYTES, SessionFolder, free_bytes, lock_session
from realtime.sessions.ledger import LATE_S, RECORDER_BEHIND, REDACTED, LedgerLine
from realtime.sessions.markers import Marker, format_marker
from realtime.sessions.redact import redact, redact_marked
from realtime.stream.clock import monotonic_s
from realtime.stream.latency import Percentiles

SYNC_S = 2.0
"""A power cut may cost this much of the recording."""
ROOM_S = 1.0

DISK_FULL = "the disk is full"


class _DiskFullError(OSError):
    """Only the reserve is left on the disk: just enough to close everything."""


class SessionRecorder:
    """One recording, from its first frame to `close`."""

    def __init__(
        self,
        folder: SessionFolder,
        document: dict[str, Any],
        *,
        clock: Callable[[], str],
        losses: Callable[[], Mapping[str, int]],
        now: Callable[[], float] = monotonic_s,
        streams: Streams | None = None,
        sound: SoundTrack | None = None,
    ) -> None:
        """`document`: the content of `session.json` at the start. `clock` returns where capture
        times come from, `losses` the number of frames that the source never delivered, by cause.
        `streams` get what is recorded. `sound` goes into the video's file. Raises `OSError` if the
        folder cannot be written to."""
        self._folder = folder
        self._release = lock_session(folder.path)
        self._document = document | {"state": "recording", "anchors": []}
        sound_hz = None if sound is None else sound.rate
        rotate = document["camera"].get("rotate", 0)
        self._video = VideoParts(folder, document["video"]["codec"], sound_hz, rotate)
        self._clock, self._losses, self._now = clock, losses, now
        self._streams, self._sound = streams, sound
        self._queue = WriteQueue()
        self._redacted: list[tuple[float, float]] = []
        self._due: list[Marker] = []
        self._zero_s: float | None = None
        self._offset_s, self._offset_until_s = 0.0, -math.inf
        self._last: Stamp | None = None
        self._counted: dict[str, int] = {}
        self._frames = FrameCounts()
        self._intervals = Percentiles()
        self._failure = ""
        self._torn = self._closed = False
        self._anchor_due_s = self._sync_due_s = self._room_due_s = -1.0
        self._tables = Tables(folder)
        self.beat()

    def write(self, frame: Frame, missed: Sequence[Stamp] = ()) -> None:
        """Record `frame`. `missed`: frames since the last one that this thread came too late
        for."""
        for stamp in missed:
            self._drop(stamp, RECORDER_BEHIND)
        if self._failure:
            self._frames.dropped += 1
            self._redact_after_failure()
            return
        try:
            self._gap_before(frame.stamp.index)
            if self._last is not None:
                self._intervals.add((frame.stamp.time_s - self._last.time_s) * 1e3)
            self._last = frame.stamp
            if self._is_redacted(frame.stamp.time_s):
                self._note_redacted(frame.stamp)
            else:
                self._record(frame)
        except Exception as error:
            self._fail(error)
        self._catch_up(frame.stamp.time_s)

    def beat(self) -> None:
        """Write sound and notes, and do periodic work. Call it a few times a second or more."""
        self._catch_up(math.inf)

    def _catch_up(self, heard_until_s: float) -> None:
        if self._failure:
            self._redact_after_failure()
            return
        try:
            self._write_sound(heard_until_s)
            self._write_notes()
            now_s = self._now()
            if now_s >= self._room_due_s:
                self._room_due_s = now_s + ROOM_S
                if free_bytes(self._folder.path) < RESERVE_BYTES:
                    raise _DiskFullError(DISK_FULL)
            if now_s >= self._anchor_due_s:
                self._anchor_due_s = now_s + ANCHOR_S
                self._document["anchors"].append(asdict(take_anchor()))
                self._folder.write_document(self._document)
            if now_s >= self._sync_due_s:
                self._sync_due_s = now_s + SYNC_S
                # The ledger first: a picture must not outlive its line.
                self._tables.sync()
                if self._sound is not None:
                    self._sound.sync()
                self._video.sync()
        except Exception as error:
            self._fail(error)

    def take_sound(self, block: SoundBlock, omit_cause: str = "") -> None:
        """See `SoundTrack.take`. Only for a recording with sound. Any thread."""
        assert self._sound is not None
        self._sound.take(block, omit_cause)

    def note_step(self, step: Step, done_s: float) -> None:
        """Note that a frame was analysed, at `done_s` of the monotonic clock. Any thread."""
        stamp = step.frame.stamp
        late = done_s - step.frame.received_s > LATE_S
        line = LedgerLine(stamp.index, "late" if late else "analysed")
        self._queue.put(QueueEntry(stamp.time_s, line, make_motion_row(step)))
        self.note_events(step.events)

    def note_unanalysed(self, stamps: Sequence[Stamp], cause: str) -> None:
        """Note that frames will not be analysed. Any thread."""
        for stamp in stamps:
            line = LedgerLine(stamp.index, "unanalysed", cause=cause)
            self._queue.put(QueueEntry(stamp.time_s, line))

    def note_events(self, events: Sequence[Event]) -> None:
        """Note events. Any thread."""
        for event in events:
            self._queue.put(QueueEntry(event.known_at.time_s, event=event))

    def mark(self, marker: Marker) -> bool:
        """Note a marker; one of kind `redact` deletes its span. Returns False if it is not
        noted: after `close`, or after a failure unless it is a `redact`. Any thread."""
        if self._failure and marker.kind != "redact":
            return False
        taken = self._queue.put(QueueEntry(marker.time_s, marker=marker))
        if taken and marker.kind == "redact":
            self._redacted.append(marker.span)  # from here on, nothing in this span is written
        return taken

    def audit(self, who: str, did: str) -> None:
        """Note that `who` did `did`. Any thread."""
        self._queue.put(QueueEntry(math.inf, audit=format_audit(who, did)))

    @property
    def zero_s(self) -> float | None:
        """The source's time at which the video begins; None before it does."""
        return self._zero_s

    def close(self, ended: str, **results: Any) -> None:
        """Write the remaining notes, close the files, and add to `session.json` why the recording
        ended, and `results`. Later calls do nothing."""
        if self._closed:
            return
        self._closed = True
        with ExitStack() as ending:
            ending.callback(self._release)
            self._queue.end()
            self.beat()
            self._redact_due()  # there may be room again
            self._streams = None
            self._close_all()
            self._conclude(ended, results)

    def _close_all(self) -> None:
        try:
            self._close_files()
            if self._sound is not None:
                self._sound.close(self._zero_s or 0.0, self._last.time_s if self._last else 0.0)
        except Exception as error:
            self._torn, self._failure = True, self._failure or f"closing: {_reason(error)}"
        self._torn = self._torn or bool(self._due)  # `recover` does the rest

    def _conclude(self, ended: str, results: Mapping[str, Any]) -> None:
        """Write into `session.json` how the recording ended."""
        self._document |= {
            "state": "torn" if self._torn else "stopped" if self._failure else "complete",
            "ended": ended,
            "failure": self.status().failure,
            "frames": asdict(self._frames),
            "notes_lost": self._queue.dropped,
            "interval_ms": asdict(self._intervals.summary()),
            **results,
        }
        try:
            self._document["anchors"].append(asdict(take_anchor()))
            self._folder.write_document(self._document)
        except Exception as error:  # `recover` writes it once there is room
            self._failure = self._failure or f"closing: {_reason(error)}"

    def status(self) -> RecordingStatus:
        """Return a snapshot, from any thread."""
        last, zero_s, frames = self._last, self._zero_s, self._frames
        seconds = last.time_s - zero_s if last is not None and zero_s is not None else 0.0
        missed = tuple(self._document.get("warnings", ()))
        path, failure = self._folder.path, self._failure
        if failure and self._due:
            failure += (
                "; what was to be forgotten is NOT deleted yet: make room, then run "
                f"fmanet session recover {path}"
            )
        return RecordingStatus(
            str(path), frames.recorded, frames.dropped, frames.redacted, seconds, failure, missed
        )

    def _record(self, frame: Frame) -> None:
        stamp = frame.stamp
        if self._zero_s is None:
            self._zero_s = stamp.time_s
            self._document["zero_s"] = stamp.time_s
            self._folder.write_document(self._document)
        self._update_clock_offset(frame)
        self._write_sound(stamp.time_s)
        due_ms = round((stamp.time_s - self._zero_s) * 1000)
        part, pts_ms = self._video.place(frame, due_ms)
        self._tables.begin_part(part, stamp.time_s)
        line = LedgerLine(
            stamp.index, "recorded", stamp.time_s, frame.received_s, self._clock(), part, pts_ms
        )
        self._tables.ledger.write(line.text())
        self._video.write(frame, pts_ms)
        self._frames.recorded += 1
        if self._streams is not None:
            self._streams.frame(stamp, self._offset_s, part, pts_ms)

    def _update_clock_offset(self, frame: Frame) -> None:
        """Measure how far the source's clock is from the monotonic one. A file's clock stands still
        during a pause, and only the next picture shows for how long. Until then, sound has no time
        on it."""
        if self._clock() in SOURCE_TIME:
            self._offset_s, self._offset_until_s = 0.0, math.inf
            return
        if self._sound is not None and self._offset_until_s > -math.inf:
            # sound from before the pause
            self._sound.place(self._offset_s, frame.stamp.time_s)
        self._offset_s = frame.received_s - frame.stamp.time_s
        self._offset_until_s = frame.stamp.time_s

    def _write_sound(self, until_s: float) -> None:
        if self._sound is None:
            return
        self._sound.place(self._offset_s, min(until_s, self._offset_until_s))
        writer = self._video.writer
        if writer is not None and self._zero_s is not None:  # otherwise sound waits for a picture
            self._sound.write(writer, self._zero_s, self._is_redacted)

    def _gap_before(self, index: int) -> None:
        """Write a line for the frames before `index` that the source never delivered."""
        expected = self._last.index + 1 if self._last is not None else 0
        counts = dict(self._losses())
        grown = [cause for cause, n in counts.items() if n > self._counted.get(cause, 0)]
        if index > expected:
            self._counted = counts
            cause = "; ".join(grown) or "source"
            line = LedgerLine(expected, "missing", cause=cause, count=index - expected)
            self._tables.ledger.write(line.text())

    def _drop(self, stamp: Stamp, cause: str) -> None:
        if self._failure:
            self._frames.dropped += 1
            return
        try:
            self._gap_before(stamp.index)
            self._last = stamp
            if self._is_redacted(stamp.time_s):
                self._note_redacted(stamp)
                return
            self._frames.dropped += 1
            clock = self._clock()
            line = LedgerLine(stamp.index, "dropped", stamp.time_s, clock=clock, cause=cause)
            self._tables.ledger.write(line.text())
        except Exception as error:
            self._fail(error)

    def _note_redacted(self, stamp: Stamp) -> None:
        self._frames.redacted += 1
        self._tables.ledger.write(LedgerLine(stamp.index, "redacted", cause=REDACTED).text())

    def _write_notes(self) -> None:
        while (note := self._queue.take()) is not None:
            if note.audit:
                self._tables.audit.write(note.audit)
            elif note.marker is not None:
                self._write_marker(note.marker)
            elif note.event is not None:
                if not any(overlaps(note.event, *span) for span in self._redacted):
                    self._tables.events.write(format_event(note.event))
                    if self._streams is not None:
                        self._streams.event(note.event)
            elif not self._is_redacted(note.time_s) and note.ledger is not None:
                self._tables.ledger.write(note.ledger.text())
                if note.motion is not None:
                    self._tables.motion.write(format_row(note.motion))

    def _write_marker(self, marker: Marker) -> None:
        if marker.kind == "redact":
            self._due.append(marker)  # before any of this can fail
        elif self._is_redacted(marker.time_s):
            return  # another program's marker that came late
        self._tables.markers.write(format_marker(marker))
        if self._streams is not None:
            self._streams.marker(marker)
        if marker.kind == "redact":
            # First to the disk: if the program ends midway, `recover` continues.
            self._tables.markers.sync()
            self._close_files()
            try:
                since = self._tables.sizes_before(marker.span[0])
                self._frames.redact(redact(self._folder, *marker.span, since))
            finally:
                self._tables.open()
            self._due.remove(marker)

    def _redact_after_failure(self) -> None:
        """Carry out the redactions among the notes, and drop the other notes."""
        due = len(self._due)
        while (note := self._queue.take()) is not None:
            if note.marker is not None and note.marker.kind == "redact":
                self._due.append(note.marker)
        if len(self._due) > due:  # retry earlier ones too, but not at each beat
            self._redact_due()

    def _redact_due(self) -> None:
        """Carry out the redactions that are still due. The files must be closed."""
        for marker in list(self._due):
            try:
                self._frames.redact(redact_marked(self._folder, marker))
            except Exception:  # `status` reports it
                continue
            self._due.remove(marker)

    def _is_redacted(self, begin_s: float, end_s: float | None = None) -> bool:
        """Return whether a redaction touches this time; `end_s` None: the moment `begin_s`."""
        last_s = begin_s if end_s is None else end_s
        return any(start_s <= last_s and begin_s <= until_s for start_s, until_s in self._redacted)

    def _close_files(self) -> None:
        with ExitStack() as closing:  # close each even if the other cannot be closed
            closing.callback(self._video.close)
            closing.callback(self._tables.close)

    def _fail(self, error: Exception) -> None:
        """End the recording here because of `error`; keep what was recorded."""
        self._torn = not isinstance(error, _DiskFullError)
        self._failure = (
            f"recording stopped at {self.status().seconds:.1f} s: {_reason(error)}; what was "
            f"recorded is kept in {self._folder.path}"
        )
        try:
            self._close_files()
        except Exception:  # `error` is reported
            self._torn = True


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else error_line(error)
