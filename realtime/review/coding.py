"""Coding: a coder's edits of a session's expressions.

The events themselves do not change. A coder sees the events with the coder's latest edits applied,
and the expressions that the coder added.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from model.errors import InputError
from model.records import MICRO_S, Event, Kind, Prediction, Stamp, Window
from model.text import clean_line
from realtime.sessions.clock_anchors import format_utc
from realtime.sessions.coder_edits import (
    ACTION_UNIT,
    CoderStep,
    Edit,
    EditHistory,
    StepName,
    Verdict,
    format_edit,
    format_step,
    read_history,
)
from realtime.sessions.document_check import PARTICIPANT
from realtime.sessions.folder import SessionFolder, hold
from realtime.sessions.line_file import LineFile, read_lines
from realtime.sessions.reader import Session

MAX_TEXT = 500
_ROUNDING_S = 1e-3  # containers round the times of frames to this


def check_coder(coder: str) -> str:
    """Return `coder`. Raises `InputError` if it does not look like a code."""
    if not PARTICIPANT.fullmatch(coder):
        if not coder:
            raise InputError("enter your coder code first, e.g. C1")
        raise InputError(f"{coder!r} is not a valid code: use letters, digits, - and _, at most 32")
    return coder


def read_coder(folder: SessionFolder, coder: str) -> EditHistory:
    """Return what `coder` did in the session; without a code, nothing."""
    if not coder:
        return EditHistory()
    return read_history(read_lines(folder.edits(check_coder(coder))))


def list_coders(folder: SessionFolder) -> list[str]:
    """Return the codes of the coders who made an edit; a code that is no code is left out."""
    codes = filter(PARTICIPANT.fullmatch, folder.coders())
    return [coder for coder in codes if read_coder(folder, coder).edits]


def check_reviewed(folder: SessionFolder, coder: str) -> EditHistory:
    """Return what `coder` did. Raises `InputError` if the coder has made no edit."""
    history = read_coder(folder, check_coder(coder))
    if not history.edits:
        known = ", ".join(list_coders(folder)) or "none"
        raise InputError(f"coder {coder} has not reviewed {folder.path}; its coders: {known}")
    return history


def list_expressions(session: Session, coder: str, *, look: bool = False) -> tuple[Edit, ...]:
    """Return every expression as `coder` coded it, in order of onset: each confirmed event, `open`
    if the coder did not edit it, and what the coder added. What the coder has not named has the
    program's label; if the coder codes blind, it has none. `look`: show the program's labels all
    the same."""
    history = read_coder(session.folder, coder)
    shown = look or history.sees_program
    expressions = {event.number: _edit_of(event, coder) for event in session.confirmed}
    labels = {number: found.label if shown else "" for number, found in expressions.items()}
    expressions = {n: replace(found, label=labels[n]) for n, found in expressions.items()}
    for edit in history.edits:
        if edit.number in labels:
            expressions[edit.number] = replace(edit, label=edit.label or labels[edit.number])
        elif edit.number < 0:
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
    action_units: Sequence[str] | None = None,
) -> Edit:
    """Append the coder's edit of event `number`; None adds an expression. `moments`: the stamps of
    onset, apex and offset, frames of the session. `label`: empty if the coder has not named it yet.
    `action_units`: see `Edit`. An edit that changes nothing is not appended: it would make an
    expression that was coded blind one that was not. Raises `InputError` if there is no such event,
    an accepted expression has no label, the moments are out of order, an action unit does not look
    like one, or another program is changing the session."""
    onset, apex, offset = moments
    if not onset.time_s <= apex.time_s <= offset.time_s or onset == offset:
        raise InputError("onset, apex and offset must be in this order: move the others first")
    label, note = clean_line(label), clean_line(note)
    label = label.lower()  # Boredom and boredom are one label
    if verdict == "accepted" and not label:
        raise InputError("an accepted expression needs a label: choose one first")
    if max(len(label), len(note)) > MAX_TEXT:
        raise InputError(f"label and note may have {MAX_TEXT} characters at most")
    check_coder(coder)
    units = None if action_units is None else check_units(action_units)
    with hold(session.folder.path) as folder:
        known = {edit.number: edit for edit in list_expressions(session, coder)}
        if number is not None and number not in known:
            raise InputError(f"event {number}: the session has no event of that number")
        now = None if number is None else known[number]
        wanted = (verdict, *moments, label, note, units)
        if now and now.utc and wanted == _decisions(now):
            return now
        history = read_coder(folder, coder)
        edit = Edit(
            coder=coder,
            utc=format_utc(time.time()),
            number=history.lowest_number - 1 if number is None else number,
            verdict=verdict,
            onset=onset,
            apex=apex,
            offset=offset,
            label=label,
            note=note,
            action_units=units,
            serial=history.next_serial,
            blind=not history.sees_program,
        )
        _append(folder, coder, format_edit(edit))
    return edit


def _decisions(edit: Edit) -> tuple[object, ...]:
    moments = (edit.onset, edit.apex, edit.offset)
    return (edit.verdict, *moments, edit.label.lower(), edit.note, edit.action_units)


def check_units(units: Sequence[str]) -> tuple[str, ...]:
    """Return action units in order of their numbers. Raises `InputError` if one does not look like
    one, or is named twice."""
    for unit in units:
        if not ACTION_UNIT.fullmatch(unit):
            raise InputError(f"action unit {unit!r}: write AU12, or AU12L or AU12R for one side")
    bare = [bare_unit(unit) for unit in units]
    if len(set(bare)) < len(bare):
        raise InputError(f"action units {', '.join(units)}: one of them is named twice")
    return tuple(sorted(units, key=lambda unit: int(bare_unit(unit)[2:])))


def bare_unit(unit: str) -> str:
    """Return an action unit without its side: AU12 of AU12L."""
    return unit.rstrip("LR")


def undo_edit(session: Session, coder: str) -> Edit:
    """Undo the coder's last edit that is in force, and return it. Its line stays. Raises
    `InputError` if there is none."""
    with hold(session.folder.path) as folder:
        edit = read_coder(folder, check_coder(coder)).last
        if edit is None:
            raise InputError(f"coder {coder} has nothing to undo")
        _append_step(folder, coder, "undo", edit.serial)
    return edit


def redo_edit(session: Session, coder: str) -> Edit:
    """Bring back the edit that was undone last, and return it. Raises `InputError` if there is
    none, or the coder has made another edit since."""
    with hold(session.folder.path) as folder:
        undone = read_coder(folder, check_coder(coder)).undone
        if not undone:
            raise InputError(f"coder {coder} has nothing to redo")
        _append_step(folder, coder, "redo", undone[-1].serial)
    return undone[-1]


def end_blind(session: Session, coder: str) -> None:
    """Note that the coder has ended blind coding: from now on the coder sees what the program
    found. Does nothing if the coder saw it before."""
    with hold(session.folder.path) as folder:
        if not read_coder(folder, check_coder(coder)).sees_program:
            _append_step(folder, coder, "done")


def _append_step(folder: SessionFolder, coder: str, step: StepName, serial: int = 0) -> None:
    _append(folder, coder, format_step(CoderStep(coder, format_utc(time.time()), step, serial)))


def _append(folder: SessionFolder, coder: str, line: str) -> None:
    file = LineFile(folder.edits(coder))
    file.write(line)
    file.close()


def apply_edits(session: Session, coder: str) -> Session:
    """Return `session` with the edits of `coder`: moved, relabelled and added expressions, without
    the rejected ones, and without those added but not yet accepted. `verdicts` says which are
    accepted, rejected or added; the others stay as found. Raises `InputError` if the coder has made
    no edit."""
    last = {edit.number: edit for edit in check_reviewed(session.folder, coder).edits}
    found = {event.number: event for event in session.confirmed}
    kept: list[Event] = []
    verdicts: dict[int, str] = {}
    coded = list_expressions(session, coder, look=True)
    for edit in coded:
        if edit.verdict == "rejected" and edit.number >= 0:
            verdicts[edit.number] = "rejected"
        if edit.verdict == "rejected" or (edit.number < 0 and edit.verdict == "open"):
            continue
        kept.append(_event_of(edit, found.get(edit.number)))
        if edit.verdict == "accepted":
            verdicts[edit.number] = "added" if edit.number < 0 else "accepted"
    return replace(
        session,
        events=tuple(kept),
        verdicts=verdicts,
        coder=coder,
        coded_units=frozenset(e.number for e in coded if e.action_units is not None),
        # Whoever coded only action units has not judged the label, which is the program's.
        coded_blind={n: "yes" if e.blind else "no" for n, e in last.items() if e.label},
    )


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
        _units_of(edit, found),
        f"coder {edit.coder}",
    )
    window = Window(
        edit.onset,
        edit.apex,
        edit.offset,
        event.window.score if event is not None else float("inf"),
        _kind(edit, event.window if event is not None else None),
        event.window.regions if event is not None else (),
        event.window.motion_px if event is not None and _same_rise(edit, event.window) else {},
        event.window.me_probability if event is not None else None,
    )
    return Event(
        number=edit.number,
        state="confirmed",
        window=window,
        prediction=prediction,
        reason=f"coded by {edit.coder}",
        known_at=edit.offset,
    )


def _same_rise(edit: Edit, found: Window) -> bool:
    """Return whether what the program measured from onset to apex still holds."""
    return (edit.onset, edit.apex) == (found.onset, found.apex)


def _units_of(edit: Edit, found: Prediction | None) -> Mapping[str, float]:
    if edit.action_units is not None:
        return dict.fromkeys(edit.action_units, 1.0)
    return found.action_units if found is not None else {}
