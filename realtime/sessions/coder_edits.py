"""Edits: what a coder of a session says about its expressions.

Each coder has a file, `edits-<code>.jsonl`, that only grows. An edit holds everything its coder
then says about one expression, and the last edit counts. The events themselves stay as they were
found.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

from model.records import Stamp
from model.text import parse_json
from realtime.results.values import stamp, text, whole

Verdict = Literal["open", "accepted", "rejected"]
_VERDICTS = frozenset(get_args(Verdict))


@dataclass(frozen=True, slots=True)
class Edit:
    """One expression as a coder sees it."""

    coder: str
    """The coder's code."""
    utc: str
    """When the coder made the edit, ISO 8601."""
    number: int
    """Number of the event; below 0: the coder added it."""
    verdict: Verdict
    """`open`: not decided, or no longer."""
    onset: Stamp
    apex: Stamp
    offset: Stamp
    label: str
    note: str = ""

    @property
    def seconds(self) -> float:
        """Length from onset to offset."""
        return self.offset.time_s - self.onset.time_s


def edit_line(edit: Edit) -> str:
    """Return the edit as a line of the coder's file; floats keep every bit."""
    values = {
        "coder": edit.coder,
        "utc": edit.utc,
        "number": edit.number,
        "verdict": edit.verdict,
        **{
            moment: [stamp.index, stamp.time_s]
            for moment, stamp in (
                ("onset", edit.onset),
                ("apex", edit.apex),
                ("offset", edit.offset),
            )
        },
        "label": edit.label,
        "note": edit.note,
    }
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def parse_edit(line: str) -> Edit | None:
    """Return the edit of a line; None if the line is damaged."""
    try:
        values: dict[str, Any] = parse_json(line)
        if values["verdict"] not in _VERDICTS:
            return None
        return Edit(
            coder=text(values["coder"]),
            utc=text(values["utc"]),
            number=whole(values["number"]),
            verdict=values["verdict"],
            onset=stamp(values["onset"]),
            apex=stamp(values["apex"]),
            offset=stamp(values["offset"]),
            label=text(values["label"]),
            note=text(values["note"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
