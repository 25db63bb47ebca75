"""Rows for exports: expressions, markers, frames."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, TypeVar

from model.records import Event
from model.text import clean_text
from realtime.results.event_tables import EVENT_DESCRIPTIONS, MOTION_COLUMNS
from realtime.results.sentences import NAMED_FROM, describe_expression
from realtime.sessions.line_file import read_lines
from realtime.sessions.markers import Marker
from realtime.sessions.reader import Session

EVENT_COLUMNS: dict[str, str] = {
    "participant": "code of the participant",
    "event": "number of the expression, unique within the session",
    "onset_s": "when the face begins to move, s from the first recorded frame",
    "apex_s": "when the motion is strongest, s",
    "offset_s": "when the face is back at rest, s",
    "duration_s": "s from onset to offset",
    **{name: EVENT_DESCRIPTIONS[name] for name in ("onset_index", "apex_index", "offset_index")},
    "track": EVENT_DESCRIPTIONS["track"],
    "onset_utc": "onset as UTC, ISO 8601",
    "kind": EVENT_DESCRIPTIONS["kind"],
    "label": EVENT_DESCRIPTIONS["label"] + "; or the coder's own label",
    "probability": "the network's probability of its likeliest class, 0 to 1",
    "action_units": EVENT_DESCRIPTIONS["action_units"] + "; or those that the coder saw (L, R: on "
    "the person's left, right side alone)",
    "action_units_by": "coder or program: whose action units these are; empty if the coder added "
    "the expression and coded none",
    "regions": "regions of the face that moved, strongest first, separated by spaces",
    "sentence": EVENT_DESCRIPTIONS["sentence"],
    "score": "strength of the motion over the noise floor; 1 is the threshold",
    "me_probability": EVENT_DESCRIPTIONS["me_probability"] + ", one that a coder added, and in "
    "recordings of earlier versions",
    "question": "name of the question during which the expression began; empty if none",
    "coder": "code of the coder who reviewed the session; empty: nobody",
    "verdict": "the coder's verdict, accepted or added; empty if the coder gave none",
    "blind": "yes: the coder coded this before ending blind coding, while the page hid what the "
    "program found; no: after; empty if the coder did not code it",
}
"""What each column holds. Columns `p_<label>` (probability of each class) follow."""

MARKER_COLUMNS: dict[str, str] = {
    "participant": "code of the participant",
    "time_s": "s from the first recorded frame",
    "until_s": "end of a span, s; empty for a moment",
    "utc": "when it was made, ISO 8601",
    "kind": "mark, question_start, question_end, pause, resume or redact",
    "name": "the protocol's name for it",
    "note": "free text",
}

FRAME_COLUMNS: dict[str, str] = {
    "index": "number of the frame; of the first one if count is above 1",
    "time_s": "s from the first recorded frame; empty if unknown",
    "fate": "recorded, dropped, missing or redacted",
    "cause": "why it is not in the video",
    "analysis": "analysed, late (more than 0.5 s after its arrival), unanalysed, or empty",
    "part": "part of the video: 1 is video.mkv",
    "pts_ms": "time in the video, ms",
    "count": "number of frames that the row describes",
}

SpanT = TypeVar("SpanT", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class QuestionSpan:
    """A question and when it was asked, in s of the video."""

    name: str
    start_s: float
    end_s: float


def name_files(session: Session) -> str:
    """Return the first part of the name of an exported file: the session's name, and the coder if
    one reviewed the session."""
    return name_session(session) + (f"_{session.coder}" if session.coder else "")


def name_session(session: Session) -> str:
    """Return the session's name: `P07_20260101T120000`."""
    return f"{session.participant}_{format_start(session)}"


def format_start(session: Session) -> str:
    """Return when the recording started, in UTC: `20260101T120000`."""
    return f"{datetime.fromisoformat(session.document['started_utc']):%Y%m%dT%H%M%S}"


def export_columns(session: Session) -> list[str]:
    """Return the columns of `event_rows`."""
    return [*EVENT_COLUMNS, *(f"p_{label}" for label in _labels(session.confirmed))]


def event_rows(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the confirmed expressions in order of onset; unknown values are None."""
    asked = find_questions(session)
    tracks = _tracks(session)
    labels = _labels(session.confirmed)
    for event in session.confirmed:
        window, prediction = event.window, event.prediction
        assert window.offset is not None
        assert prediction is not None  # confirmed events have both
        onset_s = window.onset.time_s - session.zero_s
        utc = session.utc(window.onset.time_s)
        units = [unit for unit, p in prediction.action_units.items() if p >= NAMED_FROM]
        yield {
            "participant": session.participant,
            "event": event.number,
            "onset_s": onset_s,
            "apex_s": window.apex.time_s - session.zero_s,
            "offset_s": window.offset.time_s - session.zero_s,
            "duration_s": window.offset.time_s - window.onset.time_s,
            "onset_index": window.onset.index,
            "apex_index": window.apex.index,
            "offset_index": window.offset.index,
            "track": tracks.get(window.apex.index),
            "onset_utc": None if utc is None else utc.isoformat(timespec="milliseconds"),
            "kind": window.kind,
            "label": clean_text(prediction.label),
            "probability": max(prediction.probabilities.values(), default=None),
            "action_units": " ".join(units),
            "action_units_by": _units_by(session, event.number),
            "regions": " ".join(window.regions),
            "sentence": clean_text(describe_expression(event, session.language)),
            "score": window.score if math.isfinite(window.score) else None,
            "me_probability": window.me_probability,
            "question": next((q.name for q in asked if q.start_s <= onset_s < q.end_s), None),
            "coder": session.coder,
            "verdict": session.verdicts.get(event.number, ""),
            "blind": session.coded_blind.get(event.number, ""),
            **{f"p_{label}": prediction.probabilities.get(label) for label in labels},
        }


def marker_rows(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the markers in order of time."""
    for marker in sorted(session.markers, key=lambda marker: marker.time_s):
        yield {
            "participant": session.participant,
            "time_s": marker.time_s - session.zero_s,
            "until_s": None if marker.until_s is None else marker.until_s - session.zero_s,
            "utc": marker.utc,
            "kind": marker.kind,
            "name": clean_text(marker.name),
            "note": clean_text(marker.note),
        }


def frame_rows(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the ledger in order of the index."""
    for frame in session.frames:
        time_s = None if frame.time_s is None else frame.time_s - session.zero_s
        yield {name: getattr(frame, name) for name in FRAME_COLUMNS} | {"time_s": time_s}


def find_questions(session: Session) -> list[QuestionSpan]:
    """Return the questions in order. If nobody marked the end of one, it ends with the start of the
    next, or with the session."""
    marked: Sequence[Marker] = sorted(
        (m for m in session.markers if m.kind in ("question_start", "question_end")),
        key=lambda marker: marker.time_s,
    )
    found = []
    for number, marker in enumerate(marked):
        if marker.kind == "question_start":
            after = marked[number + 1].time_s - session.zero_s if marked[number + 1 :] else None
            end_s = session.seconds if after is None else after
            start_s = marker.time_s - session.zero_s
            found.append(QuestionSpan(clean_text(marker.name), start_s, max(start_s, end_s)))
    return found


def split_overlaps(spans: Iterable[SpanT]) -> list[list[SpanT]]:
    """Return `spans` (tuples that begin with start and end), in order, in as few lists as possible,
    so that no two in a list overlap."""
    found: list[list[SpanT]] = []
    for span in sorted(spans):
        free = next((lane for lane in found if lane[-1][1] <= span[0]), None)
        if free is None:
            free = []
            found.append(free)
        free.append(span)
    return found


def _units_by(session: Session, number: int) -> str:
    if number in session.coded_units:
        return "coder"
    return "program" if number >= 0 else ""  # the program knows nothing of what a coder added


def _tracks(session: Session) -> dict[int, int]:
    """Return the number of the face's track by number of the frame, at each apex with a face."""
    apexes = {str(event.window.apex.index) for event in session.confirmed}
    track = MOTION_COLUMNS.index("track")
    found = {}
    for line in read_lines(session.folder.motion):
        index = line.partition(",")[0]  # the first of the columns, of which there are many
        if index in apexes:
            cells = line.split(",")
            if len(cells) > track and cells[track].isdecimal():
                found[int(index)] = int(cells[track])
    return found


def _labels(events: Sequence[Event]) -> list[str]:
    found = (event.prediction.probabilities for event in events if event.prediction is not None)
    return list(dict.fromkeys(chain.from_iterable(found)))
