"""Tables of expressions, markers and frames, as CSV or Parquet, and a description of their columns.

In CSV, numbers have six decimals, and an empty cell is an unknown value. The file begins with a
byte order mark, by which spreadsheet programs recognise UTF-8. Text that they would compute (`=…`,
`+…`, `-…`, `@…`) begins with an apostrophe there; in Parquet it does not.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.files import require_new
from realtime.results.event_tables import format_codebook
from realtime.review.session_sound import SessionSound, open_sound
from realtime.sessions.export_rows import (
    EVENT_COLUMNS,
    FRAME_COLUMNS,
    MARKER_COLUMNS,
    event_rows,
    export_columns,
    frame_rows,
    marker_rows,
    name_files,
)
from realtime.sessions.reader import Session

ExportRows = list[dict[str, Any]]

SOUND_COLUMNS: dict[str, str] = {
    "loudness_db": "the loudest 10 ms (RMS) from onset to offset, dB below full scale (negative); "
    "empty if there is no sound",
}
"""Further columns of the events, after `EVENT_COLUMNS`."""

_INTEGERS = {"event", "index", "part", "pts_ms", "count", "track"}
_FLOATS = {"probability", "score", "me_probability", "loudness_db"}
"""Also floats: times, `…_s`, and probabilities of classes, `p_…`."""


def write_csv(session: Session, folder: Path) -> list[Path]:
    """Write `<code>_<start>_events.csv`, `…_markers.csv`, `…_frames.csv` and `…_columns.json`."""
    return _write(session, folder, "csv", _csv)


def write_parquet(session: Session, folder: Path) -> list[Path]:
    """Write the same tables as `<code>_<start>_events.parquet` and so on."""
    return _write(session, folder, "parquet", write_parquet_table)


def _write(
    session: Session,
    folder: Path,
    ending: str,
    write_table: Callable[[Path, list[str], ExportRows], None],
) -> list[Path]:
    files = []
    for name, columns, rows in _tables(session):
        files.append(require_new(folder / f"{name_files(session)}_{name}.{ending}"))
        write_table(files[-1], columns, rows)
    descriptions = {
        "events": EVENT_COLUMNS | SOUND_COLUMNS,
        "markers": MARKER_COLUMNS,
        "frames": FRAME_COLUMNS,
    }
    path = folder / f"{name_files(session)}_columns.json"  # the same for both formats
    path.write_text(format_codebook(descriptions), "utf-8")
    return [*files, path]


def _tables(session: Session) -> list[tuple[str, list[str], ExportRows]]:
    sound = open_sound(session)
    events = [row | {"loudness_db": _loudest(sound, row)} for row in event_rows(session)]
    return [
        ("events", [*export_columns(session), *SOUND_COLUMNS], events),
        ("markers", list(MARKER_COLUMNS), list(marker_rows(session))),
        ("frames", list(FRAME_COLUMNS), list(frame_rows(session))),
    ]


def _loudest(sound: SessionSound | None, row: dict[str, Any]) -> float | None:
    return None if sound is None else sound.loudness(row["onset_s"], row["offset_s"], 1)[0]


def _csv(path: Path, columns: list[str], rows: ExportRows) -> None:
    with path.open("x", newline="", encoding="utf-8-sig") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({column: format_cell(value) for column, value in row.items()})


def write_parquet_table(path: Path, columns: list[str], rows: ExportRows) -> None:
    """Write `rows` to the file `path`; a column that a row does not have is null there."""
    schema = pa.schema([(column, _type(column)) for column in columns])
    pq.write_table(pa.Table.from_pylist(rows, schema), path)


_COMPUTED = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheet programs take text that begins with these for a formula, which may run programs."""


def format_cell(value: object) -> str:
    """Return a cell's text: floats with six decimals, empty for None, never a formula."""
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
