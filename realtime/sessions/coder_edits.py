"""Edits: a coder's decisions about the expressions of a session.

Each coder has an append-only file, `edits-<code>.jsonl`. An edit is complete: it holds everything
that the coder decided about one expression, and the last edit counts. A step undoes an edit, brings
it back, or ends blind coding. Nothing is ever taken out of the file, except by a redaction, and the
events themselves do not change.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from model.records import Stamp
from model.text import parse_json
from realtime.results.value_checks import as_stamp, as_text, as_whole

Verdict = Literal["open", "accepted", "rejected"]
StepName = Literal["undo", "redo", "done"]
_VERDICTS = frozenset(get_args(Verdict))
_STEPS = frozenset(get_args(StepName))

ACTION_UNIT = re.compile(r"AU[1-9][0-9]?[LR]?")
"""An action unit as coders write it: AU12 on both sides, AU12L or AU12R on the person's left or
right side alone."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One expression as a coder coded it."""

    coder: str
    """The coder's code."""
    utc: str
    """When the coder made the edit, ISO 8601."""
    number: int
    """Number of the event; negative: the coder added it."""
    verdict: Verdict
    """`open`: not decided, or taken back."""
    onset: Stamp
    apex: Stamp
    offset: Stamp
    label: str
    """Empty: the coder has not named it."""
    note: str = ""
    action_units: tuple[str, ...] | None = None
    """See `ACTION_UNIT`; empty: the coder saw none. None: the coder did not code them."""
    serial: int = 0
    """Number of the edit, by which a step names it; unique in the coder's file. 0: made by a
    version that did not number them."""
    blind: bool = False
    """Whether the coder had not ended blind coding when the edit was made."""

    @property
    def seconds(self) -> float:
        """Length from onset to offset."""
        return self.offset.time_s - self.onset.time_s


@dataclass(frozen=True, slots=True)
class CoderStep:
    """What a coder did besides editing."""

    coder: str
    utc: str
    step: StepName
    """`undo`, `redo`: of the edit `serial`. `done`: the coder ended blind coding, and sees what the
    program found from then on."""
    serial: int = 0


@dataclass(frozen=True, slots=True)
class EditHistory:
    """What a coder's file says, line after line."""

    edits: tuple[Edit, ...] = ()
    """The edits in force, in order: the last one of an expression counts."""
    undone: tuple[Edit, ...] = ()
    """Undone edits that can be brought back; the last one comes back first."""
    last: Edit | None = None
    """The edit that an undo takes back; None: nothing can be undone. What came before the end of
    blind coding stays."""
    done_utc: str = ""
    """When the coder ended blind coding; empty: the coder did not."""
    sees_program: bool = False
    """Whether the coder is shown the program's labels, probabilities and scores."""
    next_serial: int = 1
    lowest_number: int = 0
    """The lowest number of an expression, undone ones included; below 0: a coder added it."""


def format_edit(edit: Edit) -> str:
    """Return the edit as a line of the coder's file; floats are exact."""
    values = {field.name: getattr(edit, field.name) for field in fields(edit)}
    values |= {name: [at.index, at.time_s] for name, at in values.items() if isinstance(at, Stamp)}
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def parse_edit(line: str) -> Edit | None:
    """Return the edit of a line; None if the line is damaged, or a step."""
    try:
        values: dict[str, Any] = parse_json(line)
        if values["verdict"] not in _VERDICTS:
            return None
        return Edit(
            coder=as_text(values["coder"]),
            utc=as_text(values["utc"]),
            number=as_whole(values["number"]),
            verdict=values["verdict"],
            onset=as_stamp(values["onset"]),
            apex=as_stamp(values["apex"]),
            offset=as_stamp(values["offset"]),
            label=as_text(values["label"]),
            note=as_text(values["note"]),
            # Older versions wrote none of these.
            action_units=_as_units(values.get("action_units")),
            serial=as_whole(values.get("serial", 0)),
            blind=_as_bool(values.get("blind", False)),
        )
    except (ValueError, KeyError, TypeError):
        return None


def format_step(step: CoderStep) -> str:
    """Return the step as a line of the coder's file."""
    values = {field.name: getattr(step, field.name) for field in fields(step)}
    return json.dumps(values, ensure_ascii=False)


def parse_step(line: str) -> CoderStep | None:
    """Return the step of a line; None if the line is damaged, or an edit."""
    try:
        values: dict[str, Any] = parse_json(line)
        if values["step"] not in _STEPS:
            return None
        return CoderStep(
            coder=as_text(values["coder"]),
            utc=as_text(values["utc"]),
            step=values["step"],
            serial=as_whole(values["serial"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def read_history(lines: Iterable[str]) -> EditHistory:
    """Return what the lines of a coder's file come to. Damaged lines are left out, and so are steps
    whose edit is no longer there, because a redaction took it."""
    edits: list[Edit] = []
    undoable: list[Edit] = []
    undone: list[Edit] = []
    done_utc, sees_program, highest, lowest = "", False, 0, 0
    for line in lines:
        if edit := parse_edit(line):
            edits.append(edit)
            undoable += [edit] if edit.serial else []
            undone.clear()
            sees_program |= not edit.blind
            highest, lowest = max(highest, edit.serial), min(lowest, edit.number)
        elif step := parse_step(line):
            highest = max(highest, step.serial)
            if step.step == "done":
                done_utc, sees_program = done_utc or step.utc, True
                undoable.clear()
                undone.clear()
                continue
            source, target = (undoable, undone) if step.step == "undo" else (undone, undoable)
            moved = next((edit for edit in source if edit.serial == step.serial), None)
            if moved is None:
                continue
            source.remove(moved)
            target.append(moved)
            if step.step == "undo":
                edits.remove(moved)
            else:
                edits.append(moved)
    return EditHistory(
        edits=tuple(edits),
        undone=tuple(undone),
        last=undoable[-1] if undoable else None,
        done_utc=done_utc,
        sees_program=sees_program,
        next_serial=highest + 1,
        lowest_number=lowest,
    )


def _as_units(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list of action units")
    for unit in value:
        if not ACTION_UNIT.fullmatch(as_text(unit)):
            raise ValueError(f"{unit!r} is no action unit")
    return tuple(value)


def _as_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value
