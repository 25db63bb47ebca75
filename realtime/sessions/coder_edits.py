"""Edits: what a person who codes a session says of its expressions.

Each coder has a file, `edits-<code>.jsonl`, in which nothing is ever changed: an edit is the whole
of what its coder then says of one expression, and the last word counts. The events themselves stay
as they were found.
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
    """When it was said, ISO 8601."""
    number: int
    """Of the event; below 0: one that the coder added."""
    verdict: Verdict
    """`open`: nothing is decided, or no longer."""
    onset: Stamp
    apex: Stamp
    offset: Stamp
    label: str
    note: str = ""

    @property
    def seconds(self) -> float:
        """From onset to offset."""
        return self.offset.time_s - self.onset.time_s


def edit_line(edit: Edit) -> str:
    """As a line of the coder's file; floats keep every bit."""
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
    """The edit of a line; None for what is damaged."""
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
