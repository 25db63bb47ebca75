"""The sessions of a study, each as rows for one table of all: expressions, spans, quality.

A recording that `realtime.analyze` analysed is a session too. It has no questions, and its
participant is unknown, so it counts as a person of its own.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from model.errors import InputError, error_line
from model.files import read_json
from model.text import read_text
from realtime.review.coding import apply_edits
from realtime.review.motion_lanes import read_motion
from realtime.review.quality import measure_quality
from realtime.review.rates import WHOLE_SESSION, Rate, count_rates, observed_spans
from realtime.sessions.export_rows import (
    EVENT_COLUMNS,
    event_rows,
    export_columns,
    name_session,
)
from realtime.sessions.folder import DOCUMENT
from realtime.sessions.reader import Session, measure_fps, open_session

RECORD = ".analysis.json"
"""How the name of an analysis' record ends."""

SESSION_COLUMNS: dict[str, str] = {
    "participant": "code of the participant; of an analysed recording, its name",
    "session": "name of the session, or of the analysed recording",
    "coder": "code of the coder whose edits are applied; empty: nobody",
    "seconds": "length, s",
    "observed": "length without what was deleted since or paused, s: that of the rates",
    "frames": "number of frames in the video",
    "lost": "number of frames missing from the video",
    "fps": "frames per second: one over the mean of the usual intervals of consecutive frames",
    "face": "share of the analysed frames with a face, 0 to 1",
    "expressions": "number of confirmed expressions",
    "path": "folder or record that it was read from",
    "left_out": "why it is in no table; empty if it is",
}
"""What each column of the table of sessions holds."""


@dataclass(frozen=True, slots=True)
class StudySession:
    """What a study's tables say of one session."""

    facts: dict[str, Any]
    """A row of `SESSION_COLUMNS`."""
    rates: Mapping[str, Mapping[str, Rate]]
    """As `realtime.review.rates.count_rates` returns them."""
    columns: tuple[str, ...]
    """The columns of `rows`."""
    rows: tuple[dict[str, Any], ...]
    """The confirmed expressions, in order of onset."""

    @property
    def name(self) -> str:
        """Its name, the same for every copy of it."""
        return str(self.facts["session"])

    @property
    def participant(self) -> str:
        """Code of the participant."""
        return str(self.facts["participant"])


def find_sessions(folders: list[Path]) -> list[Path]:
    """Return the sessions (folders) and records of analyses (files) in `folders`, at any depth, in
    order of their path. Raises `InputError` if a folder does not exist, or none holds anything."""
    found: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder: give folders that hold sessions")
        found |= {path.parent for path in folder.rglob(DOCUMENT)}
        found |= set(folder.rglob(f"*{RECORD}"))
    if not found:
        raise InputError(
            f"no session and no analysis in {', '.join(map(str, folders))}: "
            f"give folders in which {DOCUMENT} or *{RECORD} lie"
        )
    return sorted(found)


def read_study_session(path: Path, coder: str | None) -> StudySession:
    """Read a session or the record of an analysis, with the edits of `coder` if given. Raises
    `InputError` if it is unfinished or damaged, or if the coder has not reviewed it."""
    if path.is_dir():
        session = open_session(path)
        return _of_session(session if coder is None else apply_edits(session, coder))
    if coder is not None:
        raise InputError(f"coder {coder} has not reviewed it: it is an analysis, not a session")
    return read_analysis(path)


def _of_session(session: Session) -> StudySession:
    quality = measure_quality(session, read_motion(session.folder), None)
    if not quality.recorded:
        raise InputError(f"{session.folder.path} has no recorded frame")
    rows = tuple(event_rows(session))
    facts = {
        "participant": session.participant,
        "session": name_session(session),
        "coder": session.coder,
        "seconds": quality.seconds,
        "observed": session.observed_s(),
        "frames": quality.recorded,
        "lost": sum(quality.losses.values()),
        "fps": None if math.isnan(quality.fps) else quality.fps,
        "face": quality.face_share if quality.analysed else None,
        "expressions": len(rows),
        "path": str(session.folder.path),
        "left_out": "",
    }
    rates = count_rates(rows, observed_spans(session))
    return StudySession(facts, rates, tuple(export_columns(session)), rows)


def read_analysis(record: Path, *, broken: bool = False) -> StudySession:
    """Read the tables of an analysis by its `record`. Raises `InputError` if they are damaged or,
    unless `broken`, if the analysis broke off."""
    name = record.name.removesuffix(RECORD)
    document = read_json(record)
    try:
        lost = sum(document["dropped"].values()) + sum(document["unusable"].values())
        frames, failure = int(document["frames"]), document["failure"]
    except (LookupError, TypeError, ValueError, AttributeError):
        raise InputError(f"{record} is damaged: it does not describe an analysis") from None
    if failure and not broken:
        raise InputError(f"its analysis broke off: {failure}")
    columns, rows = _read_events(record.with_name(f"{name}.events.csv"), name)
    motions = (record.with_name(f"{name}.motion.{ending}") for ending in ("parquet", "csv"))
    table = _motion_table(next((path for path in motions if path.exists()), None))
    times_s = table["time_s"]
    seconds = float(pc.max(times_s).as_py() - pc.min(times_s).as_py()) if len(times_s) else 0.0
    facts = {
        "participant": name,
        "session": name,
        "coder": "",
        "seconds": seconds,
        "observed": seconds,
        "frames": frames,
        "lost": lost,
        **_measure_motion(table),
        "expressions": len(rows),
        "path": str(record),
        "left_out": "",
    }
    return StudySession(facts, count_rates(rows, {WHOLE_SESSION: seconds}), columns, rows)


def _read_events(path: Path, name: str) -> tuple[tuple[str, ...], tuple[dict[str, Any], ...]]:
    """Return the columns and rows of an analysis' events, as those of a session."""
    try:
        lines = list(csv.DictReader(io.StringIO(read_text(path))))
        before_units = list(lines[0])[: list(lines[0]).index("action_units")] if lines else []
        labels = [column for column in before_units if column.startswith("p_")]
        return (*EVENT_COLUMNS, *labels), tuple(
            _event_row(name, number, line, labels) for number, line in enumerate(lines)
        )
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (LookupError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is damaged: {error_line(error)}") from None


def _event_row(
    name: str, number: int, line: Mapping[str, str], labels: Sequence[str]
) -> dict[str, Any]:
    times_s = {key: float(line[key]) for key in ("onset_s", "apex_s", "offset_s")}
    probabilities = {label: float(line[label]) for label in labels}
    return {
        **dict.fromkeys(EVENT_COLUMNS),
        "participant": name,
        "event": number,
        **times_s,
        "duration_s": times_s["offset_s"] - times_s["onset_s"],
        **{key: int(line[key]) for key in ("onset_index", "apex_index", "offset_index")},
        "track": int(line["track"]) if line["track"] else None,
        "kind": line["kind"],
        "label": line["label"],
        "probability": max(probabilities.values(), default=None),
        "action_units": line["action_units"],
        "action_units_by": "program",
        "coder": "",
        "verdict": "",
        "blind": "",
        **probabilities,
    }


def _motion_table(path: Path | None) -> pa.Table:
    """Return `index`, `time_s` and `track` of a motion table; no rows if there is none."""
    types = {"index": pa.int64(), "time_s": pa.float64(), "track": pa.int64()}
    if path is None or not path.exists() or path.stat().st_size == 0:
        return pa.schema(types).empty_table()
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path, columns=list(types)).cast(pa.schema(types))
        convert = pacsv.ConvertOptions(include_columns=list(types), column_types=types)
        return pacsv.read_csv(path, convert_options=convert)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is damaged: {error_line(error)}") from None


def _measure_motion(table: pa.Table) -> dict[str, float | None]:
    """Return rate and share of faces of a motion table; None if unknown."""
    fps = measure_fps(table["index"], table["time_s"])
    rows = table.num_rows
    return {
        "fps": fps if math.isfinite(fps) else None,
        "face": (rows - table["track"].null_count) / rows if rows else None,
    }
