"""Markers: moments and spans that were marked during a recording."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from model.text import parse_json
from realtime.results.value_checks import as_seconds, as_text

MarkerKind = Literal["mark", "question_start", "question_end", "pause", "resume", "redact"]
_KINDS = frozenset(get_args(MarkerKind))
KIND_WORDS: dict[str, str] = {
    "mark": "Marker",
    "question_start": "Question starts",
    "question_end": "Question ends",
    "pause": "Paused",
    "resume": "Resumed",
    "redact": "Deleted",
}
"""What reports and annotations call each kind."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A moment or, for a redaction, a span."""

    kind: MarkerKind
    name: str
    """From the protocol, or free text."""
    note: str
    time_s: float
    """On the source's clock."""
    monotonic_s: float
    """When it was made, on the system's monotonic clock."""
    utc: str
    """The same in UTC, ISO 8601."""
    until_s: float | None = None
    """End of a span, on the source's clock."""

    @property
    def span(self) -> tuple[float, float]:
        """Start and end on the source's clock; equal for a moment."""
        return self.time_s, self.time_s if self.until_s is None else self.until_s


def format_marker(marker: Marker) -> str:
    """Return the marker as a line of `markers.jsonl`."""
    return json.dumps(asdict(marker), ensure_ascii=False, allow_nan=False)


def parse_marker(line: str) -> Marker | None:
    """Return the marker of a line; None if the line is damaged."""
    try:
        values: dict[str, Any] = parse_json(line)
        if values["kind"] not in _KINDS:
            return None
        return Marker(
            values["kind"],
            as_text(values["name"]),
            as_text(values["note"]),
            as_seconds(values["time_s"]),
            as_seconds(values["monotonic_s"]),
            as_text(values["utc"]),
            None if values["until_s"] is None else as_seconds(values["until_s"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
