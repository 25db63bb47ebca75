"""Notebook: writes markers into a running recording, at times on the source's clock.

A key, a note or another program's marker comes with a time on the system's monotonic clock, or is
written at the present time. Any thread.
"""

import math
import threading
import time
from collections.abc import Callable

from model.errors import InputError
from model.text import clean_line
from realtime.recording.recorder import SessionRecorder
from realtime.sessions.clock_anchors import SOURCE_TIME, format_utc
from realtime.sessions.markers import Marker, MarkerKind
from realtime.stream.clock import monotonic_s
from realtime.stream.ring import FrameRing

MAX_KEY_DELAY_S = 5.0
"""How long a key may take to reach this program."""
MAX_MARKER_AGE_S = 86_400.0
"""How old another program's marker may be."""
MAX_MARKER_LEAD_S = 1.0
"""How far ahead another program may mark: PsychoPy knows when its next picture will show."""
MAX_SPAN_S = 1e6
"""Longer than any recording."""
LSL_NOTE = "from LSL"
LSL_STREAM = "LSL markers"


class Notebook:
    """Writes markers into one recording."""

    def __init__(
        self,
        recorder: SessionRecorder,
        ring: FrameRing,
        clock: Callable[[], str],
        running: threading.Event,
    ) -> None:
        """`ring` has the recorded frames; `clock` says where their times come from
        (`realtime.sources.Clock`). While `running` is not set, the clock of a file stands still."""
        self._recorder = recorder
        self._ring = ring
        self._clock = clock
        self._running = running

    def mark(
        self, kind: MarkerKind, name: str, note: str, at_s: float | None = None
    ) -> float | None:
        """Write a marker at `at_s` of the monotonic clock; at the present time if `at_s` is None,
        ahead, or more than `MAX_KEY_DELAY_S` ago. Returns its time in s of the video, as the tables
        have it; None if the recording has ended."""
        now_s = monotonic_s()
        late_s = 0.0 if at_s is None else now_s - at_s
        late_s = late_s if 0 <= late_s <= MAX_KEY_DELAY_S else 0.0
        return self._mark(kind, name, note, now_s, late_s)

    def add_external(self, words: str, at_s: float) -> None:
        """Write another program's words as a marker at `at_s` of the monotonic clock: up to
        `MAX_MARKER_AGE_S` ago, because a network may have been down, and at most
        `MAX_MARKER_LEAD_S` ahead. A program may send any number: an older time, or NaN, counts as
        now, a later one as `MAX_MARKER_LEAD_S` ahead."""
        now_s = monotonic_s()
        late_s = now_s - at_s if now_s - at_s < MAX_MARKER_AGE_S else 0.0
        self._mark("mark", words, LSL_NOTE, now_s, max(late_s, -MAX_MARKER_LEAD_S))

    def note_stream(self, words: str) -> None:
        """Write a marker now that says what happened to the stream of other programs' markers."""
        self.mark("mark", LSL_STREAM, words)

    def last(self, seconds: float) -> tuple[float, float]:
        """Return start and end of the last `seconds` (at most `MAX_SPAN_S`), on the source's
        clock."""
        end_s = self._time_s(monotonic_s())
        return end_s - min(seconds, MAX_SPAN_S), end_s

    def redact(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Delete what lies between these times of the source; return them in s of the video. If the
        recording has ended, raises `InputError` with the command that deletes it."""
        marker = Marker("redact", "", "", start_s, monotonic_s(), format_utc(time.time()), end_s)
        if not self._recorder.mark(marker):
            begin_s = max(0, math.floor(self._video_s(start_s)))
            raise InputError(
                "the recording has ended and nothing was deleted from it: delete it with fmanet "
                f"session redact {self._recorder.status().folder} --from {begin_s} "
                "--to inf"
            )
        return self._video_s(start_s), self._video_s(end_s)

    def _mark(
        self, kind: MarkerKind, name: str, note: str, now_s: float, late_s: float
    ) -> float | None:
        moment_s, utc = self._time_s(now_s) - late_s, format_utc(time.time() - late_s)
        name, note = clean_line(name), clean_line(note)
        taken = self._recorder.mark(Marker(kind, name, note, moment_s, now_s - late_s, utc))
        return self._video_s(moment_s) if taken else None

    def _video_s(self, time_s: float) -> float:
        """Return a time of the source in s of the video; 0 before there is a video."""
        zero_s = self._recorder.zero_s
        return 0.0 if zero_s is None else time_s - zero_s

    def _time_s(self, now_s: float) -> float:
        """Return the source's time at `now_s` of the monotonic clock."""
        newest = self._ring.latest()
        if self._clock() in SOURCE_TIME or newest is None:
            return now_s if newest is not None else 0.0
        shown_s = now_s - newest.received_s if self._running.is_set() else 0.0
        return newest.stamp.time_s + max(0.0, shown_s)
