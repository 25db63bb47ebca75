"""Reads a recorded session."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.records import Event
from realtime.results.event_lines import as_they_stand, parse_event
from realtime.sessions.clock_anchors import SOURCE_TIME, Tie, ties
from realtime.sessions.folder import SessionFolder
from realtime.sessions.ledger import FrameRecord, fold, parse_line
from realtime.sessions.line_file import read_lines
from realtime.sessions.markers import Marker, parse_marker

UNFINISHED = ("recording", "torn")
"""States of a session that is being recorded, was cut off, or could not be fully written."""


@dataclass(frozen=True, slots=True)
class Session:
    """Everything a session's folder holds, except the pictures."""

    folder: SessionFolder
    document: dict[str, Any]
    frames: tuple[FrameRecord, ...]
    """In order of the index."""
    events: tuple[Event, ...]
    """Each in its last state, in the order in which they were first known."""
    markers: tuple[Marker, ...]
    """In the order in which they were made."""
    coder: str = ""
    """Who reviewed these events; empty: as the program found them."""
    verdicts: Mapping[int, str] = field(default_factory=dict)
    """Verdicts by number of the event, for events that the coder judged: `accepted` or `added`."""
    ties: tuple[Tie, ...] = ()
    """Ties from the source's clock to the system's, in order of time; empty if no frame gives
    one."""

    @property
    def participant(self) -> str:
        """The participant's code."""
        return str(self.document["participant"])

    @property
    def zero_s(self) -> float:
        """The source's time of the first frame recorded: 0 s of every export and of the video."""
        return float(self.document.get("zero_s", 0.0))

    @property
    def rotate(self) -> int:
        """Degrees clockwise by which original JPEGs must be turned."""
        return int(self.document["camera"].get("rotate", 0))

    @property
    def confirmed(self) -> tuple[Event, ...]:
        """The events that are results, in order of their onset."""
        found = [event for event in self.events if event.state == "confirmed"]
        return tuple(sorted(found, key=lambda event: event.window.onset.time_s))

    @property
    def seconds(self) -> float:
        """Length from the first recorded frame to the last."""
        times = [f.time_s for f in self.frames if f.fate == "recorded" and f.time_s is not None]
        return max(times) - min(times) if times else 0.0

    def gaps(self) -> list[tuple[float, float, str]]:
        """The gaps in the video: from the last picture before each to the first after it, on the
        source's clock, and why."""
        found = []
        before_s, why = self.zero_s, ""
        for frame in self.frames:
            if frame.fate != "recorded" or frame.time_s is None:
                why = why or frame.cause or frame.fate
                continue
            if why and frame.time_s > before_s:
                found.append((before_s, frame.time_s, why))
            before_s, why = frame.time_s, ""
        return found

    def utc(self, time_s: float) -> datetime | None:
        """Return the source's time as UTC; None if the session cannot tell."""
        anchors = self.document.get("anchors", [])
        if not anchors or not self.ties:
            return None
        tie = bisect_right(self.ties, time_s, key=lambda tie: tie.from_s)
        monotonic_s = time_s + self.ties[max(0, tie - 1)].later_s
        after = bisect_right([anchor["monotonic_s"] for anchor in anchors], monotonic_s)
        anchor = anchors[max(0, after - 1)]
        then = datetime.fromisoformat(anchor["utc"])
        return then + timedelta(seconds=monotonic_s - anchor["monotonic_s"])


def open_session(path: Path) -> Session:
    """Read the session in `path`. Raises `InputError` if it is not a session, or if it was cut off
    and has not been recovered."""
    folder = SessionFolder(path)
    document = folder.read_document()
    if document["state"] in UNFINISHED:
        raise InputError(
            f"{path} is being recorded, or was cut off: when nothing records it any more, make it "
            f"whole with python -m realtime.session recover {path}"
        )
    frames = tuple(fold(filter(None, map(parse_line, read_lines(folder.frames)))))
    return Session(
        folder,
        document,
        frames,
        as_they_stand(filter(None, map(parse_event, read_lines(folder.events)))),
        tuple(filter(None, map(parse_marker, read_lines(folder.markers)))),
        ties=ties(
            (frame.time_s, frame.time_s if frame.clock in SOURCE_TIME else frame.received_s)
            for frame in frames
            if frame.time_s is not None and frame.received_s
        ),
    )
