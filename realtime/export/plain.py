"""Tables as CSV or Parquet: expressions, markers, frames, with their columns described beside them.

Numbers in CSV have six decimals; an empty cell is a value that is not known. It begins with a byte
order mark: without one, spreadsheet programs do not take it for UTF-8. Words that they would
compute (`=…`, `+…`, `-…`, `@…`) have an apostrophe before them there, and in Parquet none.
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from realtime.review.sound import Sound, sound_of
from realtime.sessions.export_rows import (
    EVENT_COLUMNS,
    FRAME_COLUMNS,
    MARKER_COLUMNS,
    event_columns,
    event_rows,
    frame_rows,
    marker_rows,
    new_file,
    stem,
)
from realtime.sessions.reader import Session

SOUND_COLUMNS: dict[str, str] = {
    "loudness_db": "the loudest 10 ms (RMS) from onset to offset, dB, 0 being full scale; empty "
    "where there is no sound",
}
"""Of the events, beside `EVENT_COLUMNS`."""

_INTEGERS = {"event", "index", "part", "pts_ms", "count", "track"}
_FLOATS = {"probability", "score", "loudness_db"}
"""Beside times, `…_s`, and probabilities of classes, `p_…`."""


def write_csv(session: Session, folder: Path) -> list[Path]:
    """`<code>_<start>_events.csv`, `…_markers.csv`, `…_frames.csv`, `…_columns.json`."""
    files = [_csv(folder, session, *table) for table in _tables(session)]
    return [*files, _columns(folder, session)]


def write_parquet(session: Session, folder: Path) -> list[Path]:
    """The same as `<code>_<start>_events.parquet` and so on."""
    files = [_parquet(folder, session, *table) for table in _tables(session)]
    return [*files, _columns(folder, session)]


def _tables(session: Session) -> list[tuple[str, list[str], list[dict[str, Any]]]]:
    sound = sound_of(session)
    events = [row | {"loudness_db": _loudest(sound, row)} for row in event_rows(session)]
    return [
        ("events", [*event_columns(session), *SOUND_COLUMNS], events),
        ("markers", list(MARKER_COLUMNS), list(marker_rows(session))),
        ("frames", list(FRAME_COLUMNS), list(frame_rows(session))),
    ]


def _loudest(sound: Sound | None, row: dict[str, Any]) -> float | None:
    if sound is None:
        return None
    (loudest,) = sound.loudness(row["onset_s"], row["offset_s"], 1)
    return loudest


def _csv(
    folder: Path, session: Session, name: str, columns: list[str], rows: Iterable[dict[str, Any]]
) -> Path:
    path = new_file(folder / f"{stem(session)}_{name}.csv")
    with path.open("x", newline="", encoding="utf-8-sig") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({column: text(value) for column, value in row.items()})
    return path


def _parquet(
    folder: Path, session: Session, name: str, columns: list[str], rows: list[dict[str, Any]]
) -> Path:
    path = new_file(folder / f"{stem(session)}_{name}.parquet")
    schema = pa.schema([(column, _type(column)) for column in columns])
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
    return path


def _columns(folder: Path, session: Session) -> Path:
    path = folder / f"{stem(session)}_columns.json"  # the same for both formats
    events = EVENT_COLUMNS | SOUND_COLUMNS
    described = {"events": events, "markers": MARKER_COLUMNS, "frames": FRAME_COLUMNS}
    path.write_text(json.dumps(described, indent=2) + "\n", "utf-8")
    return path


_COMPUTED = ("=", "+", "-", "@", "\t", "\r")
"""How words begin that a spreadsheet program would take for a formula, which may call programs."""


def text(value: object) -> str:
    """A cell: floats with six decimals, empty for None, words never a formula."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_COMPUTED):
        return f"'{value}"
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _type(column: str) -> pa.DataType:
    if column in _INTEGERS or column.endswith("_index"):
        return pa.int64()
    is_float = column.endswith("_s") or column.startswith("p_") or column in _FLOATS
    return pa.float64() if is_float else pa.string()
