"""Coding: a coder's edits of a session's expressions.

The events themselves do not change. A coder sees the events with the coder's latest edits applied,
and the expressions that the coder added.
"""

import time
from collections.abc import Iterable
from dataclasses import replace

from model.errors import InputError
from model.records import MICRO_S, Event, Kind, Prediction, Stamp, Window
from model.text import clean_line
from realtime.sessions.clock_anchors import format_utc
from realtime.sessions.coder_edits import Edit, Verdict, format_edit, parse_edit
from realtime.sessions.document_check import PARTICIPANT
from realtime.sessions.folder import SessionFolder, hold
from realtime.sessions.line_file import LineFile, read_lines
from realtime.sessions.reader import Session

MAX_TEXT = 500
_ROUNDING_S = 1e-3  # containers round the times of frames to this


def check_coder(coder: str) -> str:
    """Return `coder`. Raises `InputError` if it does not look like a code."""
    if not PARTICIPANT.fullmatch(coder):
        raise InputError(
            "enter your coder code first, e.g. C1"
            + (f"; {coder!r} is none: letters, digits, - and _, at most 32" if coder else "")
        )
    return coder


def read_edits(folder: SessionFolder, coder: str) -> tuple[Edit, ...]:
    """Return all edits of `coder` in the session, in order."""
    lines = read_lines(folder.edits(check_coder(coder)))
    return tuple(filter(None, map(parse_edit, lines)))


def check_reviewed(folder: SessionFolder, coder: str) -> None:
    """Raise `InputError` if `coder` has made no edit."""
    if not folder.edits(check_coder(coder)).exists():
        known = ", ".join(folder.coders()) or "none"
        raise InputError(f"coder {coder} has not reviewed {folder.path}; its coders: {known}")


def list_expressions(session: Session, coder: str) -> tuple[Edit, ...]:
    """Return every expression as `coder` coded it, in order of onset: each confirmed event, `open`
    if the coder did not edit it, and what the coder added."""
    expressions = {event.number: _edit_of(event, coder) for event in session.confirmed}
    for edit in read_edits(session.folder, coder):
        if edit.number in expressions or edit.number < 0:
            expressions[edit.number] = edit
    return tuple(sorted(expressions.values(), key=lambda edit: edit.onset.time_s))


def add_edit(
    session: Session,
    coder: str,
    number: int | None,
    *,
    verdict: Verdict,
    moments: tuple[Stamp, Stamp, Stamp],
    label: str,
    note: str = "",
) -> Edit:
    """Append the coder's edit of event `number`; None adds an expression. `moments`: the stamps of
    onset, apex and offset, frames of the session. Raises `InputError` if there is no such event,
    the moments are out of order, or another program is changing the session."""
    known = {edit.number for edit in list_expressions(session, coder)}
    if number is not None and number not in known:
        raise InputError(f"event {number}: the session has no event of that number")
    onset, apex, offset = moments
    if not onset.time_s <= apex.time_s <= offset.time_s or onset == offset:
        raise InputError("onset, apex and offset must be in this order: move the others first")
    label, note = clean_line(label), clean_line(note)
    if not label or max(len(label), len(note)) > MAX_TEXT:
        raise InputError(
            f"an expression needs a label; label and note may have {MAX_TEXT} characters at most"
        )
    added = min((n for n in known if n < 0), default=0) - 1
    edit = Edit(
        coder,
        format_utc(time.time()),
        added if number is None else number,
        verdict,
        onset,
        apex,
        offset,
        label,
        note,
    )
    with hold(session.folder.path) as folder:
        file = LineFile(folder.edits(coder))
        file.write(format_edit(edit))
        file.close()
    return edit


def apply_edits(session: Session, coder: str) -> Session:
    """Return `session` with the edits of `coder`: moved, relabelled and added expressions, without
    the rejected ones, and without those added but not yet accepted. `verdicts` says which are
    accepted, rejected or added; the others stay as found. Raises `InputError` if the coder has made
    no edit."""
    check_reviewed(session.folder, coder)
    found = {event.number: event for event in session.confirmed}
    kept: list[Event] = []
    verdicts: dict[int, str] = {}
    for edit in list_expressions(session, coder):
        if edit.verdict == "rejected" and edit.number >= 0:
            verdicts[edit.number] = "rejected"
        if edit.verdict == "rejected" or (edit.number < 0 and edit.verdict == "open"):
            continue
        kept.append(_event_of(edit, found.get(edit.number)))
        if edit.verdict == "accepted":
            verdicts[edit.number] = "added" if edit.number < 0 else "accepted"
    return replace(session, events=tuple(kept), verdicts=verdicts, coder=coder)


def find_kinds(session: Session, expressions: Iterable[Edit]) -> dict[int, Kind]:
    """Return the kind of each expression by number. An event that was not moved keeps its kind. The
    length of a moved or added expression decides, with a tolerance of one frame."""
    found = {event.number: event.window for event in session.confirmed}
    return {edit.number: _kind(edit, found.get(edit.number)) for edit in expressions}


def _kind(edit: Edit, found: Window | None) -> Kind:
    if found is not None and (edit.onset, edit.offset) == (found.onset, found.offset):
        return found.kind
    frame_s = edit.seconds / max(1, edit.offset.index - edit.onset.index)
    return "micro" if edit.seconds - frame_s <= MICRO_S + _ROUNDING_S else "macro"


def _edit_of(event: Event, coder: str) -> Edit:
    window, prediction = event.window, event.prediction
    assert window.offset is not None
    assert prediction is not None  # confirmed events have both
    return Edit(
        coder, "", event.number, "open", window.onset, window.apex, window.offset, prediction.label
    )


def _event_of(edit: Edit, event: Event | None) -> Event:
    untouched = not edit.utc
    if event is not None and untouched:
        return event
    found = event.prediction if event is not None else None
    prediction = Prediction(
        edit.label,
        found.probabilities if found is not None and found.label == edit.label else {},
        found.action_units if found is not None else {},
        f"coder {edit.coder}",
    )
    window = Window(
        edit.onset,
        edit.apex,
        edit.offset,
        event.window.score if event is not None else float("inf"),
        _kind(edit, event.window if event is not None else None),
        event.window.regions if event is not None else (),
    )
    return Event(
        number=edit.number,
        state="confirmed",
        window=window,
        prediction=prediction,
        reason=f"coded by {edit.coder}",
        known_at=edit.offset,
    )
