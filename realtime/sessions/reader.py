"""Reads a recorded session."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.errors import InputError
from model.face.choice import LARGEST
from model.records import Event
from realtime.results.event_lines import latest_states, parse_event
from realtime.results.sentences import Language
from realtime.results.snapshot import PAUSED
from realtime.sessions.clock_anchors import SOURCE_TIME, ClockOffset, find_clock_offsets
from realtime.sessions.folder import SessionFolder
from realtime.sessions.frame_table import FrameTable, read_ledger
from realtime.sessions.ledger import REDACTED
from realtime.sessions.line_file import read_lines
from realtime.sessions.markers import Marker, parse_marker
from realtime.spotting.me_probability import AT_BAR

USUAL_SHARE = 0.5
"""Intervals that differ from their median by less than this share of it are usual."""
UNFINISHED = ("recording", "torn")
"""States of a session that is being recorded, was cut off, or could not be written to its end."""
UNOBSERVED = (REDACTED, PAUSED)
"""Causes of gaps in which nothing was observed, on purpose."""


@dataclass(frozen=True, slots=True)
class Session:
    """The content of a session's folder, except pictures and sound."""

    folder: SessionFolder
    document: dict[str, Any]
    frames: FrameTable
    events: tuple[Event, ...]
    """Each in its last state, in the order in which they were first found."""
    markers: tuple[Marker, ...]
    """In the order in which they were made."""
    coder: str = ""
    """Code of the coder whose edits are in `events`; empty: they are as the program found them."""
    verdicts: Mapping[int, str] = field(default_factory=dict)
    """`accepted`, `rejected` or `added` by number of the event, for those that the coder judged."""
    coded_units: frozenset[int] = frozenset()
    """Numbers of the events whose action units are the coder's, not the program's."""
    coded_blind: Mapping[int, str] = field(default_factory=dict)
    """Whether the coder coded an event before ending blind coding, `yes` or `no`, by its
    number, for those that the coder edited."""
    clock_offsets: tuple[ClockOffset, ...] = ()
    """Offsets from the source's clock to the system's, in order of time; empty if unknown."""
    language: Language = "en"
    """Of the sentences in tables and reports."""

    @property
    def participant(self) -> str:
        """The participant's code."""
        return str(self.document["participant"])

    @property
    def zero_s(self) -> float:
        """The source's time of the first recorded frame, which is 0 s of exports and video."""
        return float(self.document.get("zero_s", 0.0))

    @property
    def rotate(self) -> int:
        """Degrees clockwise by which original JPEGs must be turned."""
        return int(self.document["camera"].get("rotate", 0))

    @property
    def face(self) -> str:
        """Which of several faces was followed, see `model.face.choice`."""
        return str(self.document["config"].get("face", LARGEST))

    @property
    def least_me_probability(self) -> float:
        """The least probability with which a micro-expression is one, see
        `realtime.spotting.me_probability`."""
        return float(self.document["config"].get("least_me_probability", AT_BAR))

    @property
    def confirmed(self) -> tuple[Event, ...]:
        """The confirmed events, in order of their onset."""
        found = [event for event in self.events if event.state == "confirmed"]
        return tuple(sorted(found, key=lambda event: event.window.onset.time_s))

    @property
    def seconds(self) -> float:
        """Length from 0 s of the video to the last recorded frame, also if its beginning was
        deleted since: s."""
        times_s = self.frames.time_s[self.frames.recorded]
        return float(times_s.max()) - self.zero_s if len(times_s) else 0.0

    @property
    def interval_ms(self) -> tuple[float, float, float]:
        """`measure_intervals_ms` of the recorded frames."""
        recorded = self.frames.recorded
        return measure_intervals_ms(self.frames.indices[recorded], self.frames.time_s[recorded])

    @property
    def fps(self) -> float:
        """`measure_fps` of the recorded frames."""
        recorded = self.frames.recorded
        return measure_fps(self.frames.indices[recorded], self.frames.time_s[recorded])

    def gaps(self) -> list[tuple[float, float, str]]:
        """Return the gaps in the video: the times of the pictures before and after each, on the
        source's clock, and its cause."""
        return [
            (before_s, after_s, self.frames.why(lost.start))
            for before_s, after_s, lost in self._gaps()
        ]

    def unobserved(self) -> list[tuple[float, float]]:
        """Return the gaps of the video in which nothing was observed, because it was deleted since
        or the recording was paused: s of the video."""
        on_purpose = [k for k, word in enumerate(self.frames.words) if word in UNOBSERVED]
        return [
            (before_s - self.zero_s, after_s - self.zero_s)
            for before_s, after_s, lost in self._gaps()
            if np.isin(self.frames.causes[lost], on_purpose).any()
        ]

    def observed_s(self, start_s: float = 0.0, end_s: float = math.inf) -> float:
        """Return how much of a span of the video was observed: its length without `unobserved`. The
        whole video by default."""
        end_s = min(end_s, self.seconds)
        missed_s = (min(to_s, end_s) - max(from_s, start_s) for from_s, to_s in self.unobserved())
        return max(0.0, end_s - start_s - sum(max(0.0, span_s) for span_s in missed_s))

    def _gaps(self) -> Iterator[tuple[float, float, slice]]:
        """The times around each gap, on the source's clock, and the places of its frames."""
        (recorded,) = np.nonzero(self.frames.recorded)
        before = np.append(-1, recorded[:-1])  # what is recorded before each
        times_s = self.frames.time_s
        for place in np.flatnonzero(recorded - before > 1).tolist():
            lost = slice(int(before[place]) + 1, int(recorded[place]))
            before_s = self.zero_s if lost.start == 0 else float(times_s[lost.start - 1])
            after_s = float(times_s[lost.stop])
            if after_s > before_s:
                yield before_s, after_s, lost

    def utc(self, time_s: float) -> datetime | None:
        """Return a time of the source as UTC; None if unknown."""
        anchors = self.document.get("anchors", [])
        if not anchors or not self.clock_offsets:
            return None
        after = bisect_right(self.clock_offsets, time_s, key=lambda offset: offset.from_s)
        monotonic_s = time_s + self.clock_offsets[max(0, after - 1)].offset_s
        after = bisect_right([anchor["monotonic_s"] for anchor in anchors], monotonic_s)
        anchor = anchors[max(0, after - 1)]
        then = datetime.fromisoformat(anchor["utc"])
        return then + timedelta(seconds=monotonic_s - anchor["monotonic_s"])


def measure_intervals_ms(indices: ArrayLike, times_s: ArrayLike) -> tuple[float, float, float]:
    """Return the interval between consecutive frames, given their numbers and times (N,): median,
    5th and 95th percentile, ms; NaN if there are none."""
    following_ms = _following_ms(indices, times_s)
    if not len(following_ms):
        return math.nan, math.nan, math.nan
    median, low, high = np.percentile(following_ms, [50, 5, 95])
    return float(median), float(low), float(high)


def measure_fps(indices: ArrayLike, times_s: ArrayLike) -> float:
    """Return the frame rate, given the numbers and times of frames (N,): one over the mean of the
    usual intervals, which losses and pauses do not lower. The median alone is wrong where a file
    holds whole ms: 33, 33, 34. NaN if no two frames follow each other."""
    following_ms = _following_ms(indices, times_s)
    if not len(following_ms):
        return math.nan
    median = np.median(following_ms)
    usual = following_ms[np.abs(following_ms - median) <= USUAL_SHARE * median]
    return float(1000 / usual.mean()) if usual.sum() > 0 else math.inf


def _following_ms(indices: ArrayLike, times_s: ArrayLike) -> NDArray[np.float64]:
    """The intervals between consecutive frames, ms."""
    return np.asarray(1e3 * np.diff(times_s)[np.diff(indices) == 1], np.float64)


class RecoveryNeededError(InputError):
    """The session must be recovered before it can be read."""


def open_session(path: Path) -> Session:
    """Read the session in `path`. Raises `InputError` if it is not a session, and
    `RecoveryNeededError` if its recording was cut off, or if something that was to be deleted is
    still in it: nothing may be seen of it, nor leave it, before a recovery."""
    folder = SessionFolder(path)
    document = folder.read_document()
    remedy = f"with Recover on the page or fmanet session recover {path}"
    if document["state"] in UNFINISHED:
        raise RecoveryNeededError(
            f"{path} is still being recorded, or was cut off: once the recording has ended, repair "
            f"it {remedy}"
        )
    frames = read_ledger(folder.frames)
    markers = tuple(filter(None, map(parse_marker, read_lines(folder.markers))))
    if _has_undeleted(frames, markers):
        raise RecoveryNeededError(f"a deletion in {path} was interrupted: first finish it {remedy}")
    timed = frames.take(~np.isnan(frames.time_s) & (np.nan_to_num(frames.received_s) != 0))
    return Session(
        folder,
        document,
        frames,
        latest_states(filter(None, map(parse_event, read_lines(folder.events)))),
        markers,
        clock_offsets=find_clock_offsets(
            timed.time_s,
            np.where(timed.having_clock(SOURCE_TIME), timed.time_s, timed.received_s),
        ),
    )


def _has_undeleted(frames: FrameTable, markers: Iterable[Marker]) -> bool:
    """Return whether something that was to be deleted is still there."""
    spans = (marker.span for marker in markers if marker.kind == "redact")
    times_s = frames.time_s
    return any(bool(np.any((start_s <= times_s) & (times_s <= end_s))) for start_s, end_s in spans)
