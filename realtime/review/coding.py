"""Coding: a person's view of a session's expressions, kept edit by edit.

The originals stay untouched. A coder sees the events with the coder's latest edits applied, and the
expressions that the coder added.
"""

import time
from collections.abc import Iterable
from dataclasses import replace

from model.errors import InputError
from model.records import MICRO_S, Event, Kind, Prediction, Stamp, Window
from model.text import clean_line
from realtime.sessions.clock_anchors import iso
from realtime.sessions.coder_edits import Edit, Verdict, edit_line, parse_edit
from realtime.sessions.folder import PARTICIPANT, SessionFolder, claim
from realtime.sessions.line_file import LineFile, read_lines
from realtime.sessions.reader import Session

MAX_TEXT = 500
_ROUNDING_S = 1e-3  # containers round the times of frames to this


def check_coder(coder: str) -> str:
    """Return `coder`. Raises `InputError` unless it is a code, like a participant's."""
    if not PARTICIPANT.fullmatch(coder):
        raise InputError(
            f"coder {coder!r}: give a code of letters, digits, - and _ (at most 32, like C1)"
        )
    return coder


def edits(folder: SessionFolder, coder: str) -> tuple[Edit, ...]:
    """Return all edits of `coder` in the session, in order."""
    lines = read_lines(folder.edits(check_coder(coder)))
    return tuple(filter(None, map(parse_edit, lines)))


def coded_expressions(session: Session, coder: str) -> tuple[Edit, ...]:
    """Return every expression as `coder` sees it, in order of onset: each confirmed event, `open`
    if the coder said nothing about it, and what the coder added."""
    seen = {event.number: _as_found(event, coder) for event in session.confirmed}
    for edit in edits(session.folder, coder):
        if edit.number in seen or edit.number < 0:
            seen[edit.number] = edit
    return tuple(sorted(seen.values(), key=lambda edit: edit.onset.time_s))


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
    """Append the coder's edit of event `number`; None adds a missed expression. `moments` are
    onset, apex and offset, frames of the session.

    Raises `InputError` if there is no such event, the moments are out of order, or another program
    is changing the session.
    """
    known = {edit.number for edit in coded_expressions(session, coder)}
    if number is not None and number not in known:
        raise InputError(f"event {number}: the session has none of that number")
    onset, apex, offset = moments
    if not onset.time_s <= apex.time_s <= offset.time_s or onset == offset:
        raise InputError("onset, apex and offset must follow each other: move the others first")
    label, note = clean_line(label), clean_line(note)
    if not label or max(len(label), len(note)) > MAX_TEXT:
        raise InputError(f"an expression needs a label, and texts of at most {MAX_TEXT} letters")
    added = min((n for n in known if n < 0), default=0) - 1
    edit = Edit(
        coder,
        iso(time.time()),
        added if number is None else number,
        verdict,
        onset,
        apex,
        offset,
        label,
        note,
    )
    let_go = claim(session.folder.path)
    try:
        file = LineFile(session.folder.edits(coder))
        file.write(edit_line(edit))
        file.close()
    finally:
        let_go()
    return edit


def as_coded(session: Session, coder: str) -> Session:
    """Return `session` as `coder` left it: without rejected expressions, with moved, relabelled and
    added ones; the others stay as found. `verdicts` says which is which. Raises `InputError` if the
    coder has made no edit."""
    if not session.folder.edits(check_coder(coder)).exists():
        coders = ", ".join(session.folder.coders()) or "nobody"
        raise InputError(f"coder {coder} has not reviewed {session.folder.path}; {coders} has")
    found = {event.number: event for event in session.confirmed}
    kept: list[Event] = []
    verdicts: dict[int, str] = {}
    for edit in coded_expressions(session, coder):
        if edit.verdict == "rejected":
            continue
        kept.append(_as_coded(edit, found.get(edit.number)))
        if edit.verdict == "accepted":
            verdicts[edit.number] = "added" if edit.number < 0 else "accepted"
    return replace(session, events=tuple(kept), verdicts=verdicts, coder=coder)


def kinds(session: Session, expressions: Iterable[Edit]) -> dict[int, Kind]:
    """Return the kind of each of `expressions`, by number. An expression with its original span
    keeps its kind; for a moved or added one the length decides, with a tolerance of one frame."""
    found = {event.number: event.window for event in session.confirmed}
    return {edit.number: _kind(edit, found.get(edit.number)) for edit in expressions}


def _kind(edit: Edit, found: Window | None) -> Kind:
    if found is not None and (edit.onset, edit.offset) == (found.onset, found.offset):
        return found.kind
    frame_s = edit.seconds / max(1, edit.offset.index - edit.onset.index)
    return "micro" if edit.seconds - frame_s <= MICRO_S + _ROUNDING_S else "macro"


def _as_found(event: Event, coder: str) -> Edit:
    window, prediction = event.window, event.prediction
    assert window.offset is not None
    assert prediction is not None  # confirmed events have both
    return Edit(
        coder, "", event.number, "open", window.onset, window.apex, window.offset, prediction.label
    )


def _as_coded(edit: Edit, event: Event | None) -> Event:
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
