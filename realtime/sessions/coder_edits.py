"""Edits: a coder's decisions about the expressions of a session.

Each coder has an append-only file, `edits-<code>.jsonl`. An edit is complete: it holds everything
that the coder decided about one expression, and the last edit counts. The events themselves do not
change.
"""

import json
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from model.records import Stamp
from model.text import parse_json
from realtime.results.value_checks import as_stamp, as_text, as_whole

Verdict = Literal["open", "accepted", "rejected"]
_VERDICTS = frozenset(get_args(Verdict))


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
    note: str = ""

    @property
    def seconds(self) -> float:
        """Length from onset to offset."""
        return self.offset.time_s - self.onset.time_s


def format_edit(edit: Edit) -> str:
    """Return the edit as a line of the coder's file; floats are exact."""
    values = {field.name: getattr(edit, field.name) for field in fields(edit)}
    values |= {name: [at.index, at.time_s] for name, at in values.items() if isinstance(at, Stamp)}
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def parse_edit(line: str) -> Edit | None:
    """Return the edit of a line; None if the line is damaged."""
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
        )
    except (ValueError, KeyError, TypeError):
        return None
