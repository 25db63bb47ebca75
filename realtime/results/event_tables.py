"""The tables that an analysis writes: events as CSV, motion by frame as Parquet or CSV.

A table grows in `<name>.partial` and gets its name when it is complete. Existing files are not
overwritten unless the caller asks for it.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.records import Event, SpotUpdate, Step
from realtime.results.run_summary import check_new, event_record
from realtime.spotting.motion import REGIONS

if TYPE_CHECKING:
    import pyarrow as pa

NAMED_FROM = 0.5
"""Probability from which the event column `action_units` names a unit."""

Row = tuple[Any, ...]

_ROWS_PER_GROUP = 4096
_SHAPES = ("strength_px", "threshold_px", "u_px", "v_px")
_HEAD = ("head_u_px", "head_v_px", "head_turn_rad", "head_log_scale")
_EYES = ("eye_right", "eye_left")

_MOTION_TYPES = {
    "index": "int64",
    "time_s": "float64",
    "track": "int32",
    "flags": "string",
    **dict.fromkeys(_EYES + _HEAD, "float32"),
    **{f"{region}_{shape}": "float32" for region in REGIONS for shape in _SHAPES},
    "spotter": "string",
}
MOTION_COLUMNS = tuple(_MOTION_TYPES)
"""Columns of the motion table, one row per frame, empty (null) without a face. `track`: number of
the face track. `flags`: names from `realtime.spotting.motion.FLAGS`, separated by spaces. `eye_…`:
openness of the person's right and left eye. `head_…`: head motion since the last frame. For each
region `strength_px`, the `threshold_px` that it must exceed (inf while silenced), and its
displacement `u_px` right, `v_px` down; px are those of the aligned crop. `spotter`: what the
spotter said at this frame, mostly nothing: for each candidate its state (`apex`, `closed`,
`rejected`), number, kind, onset and last moment in s, and why; separated by "; "."""


@cache
def motion_schema() -> "pa.Schema":
    """Return `MOTION_COLUMNS` with their Parquet types."""
    import pyarrow as pa  # takes 50 ms and more, and a live run does not need it

    return pa.schema([(name, getattr(pa, kind)()) for name, kind in _MOTION_TYPES.items()])


def event_columns(labels: Sequence[str], action_units: Sequence[str]) -> list[str]:
    """Return the columns of the event table: times in seconds of the recording, the `index` of
    their frames as in the motion table, the number of the face's `track` (a new number is another
    person, or the same person found again), `kind`, `label` ("unclear" if no class is likely
    enough), `p_<label>` its probabilities, `action_units` those with probability 0.5 or more,
    `p_<unit>` all of them."""
    return [
        *("onset_s", "apex_s", "offset_s", "onset_index", "apex_index", "offset_index"),
        *("track", "kind", "label"),
        *(f"p_{label}" for label in labels),
        "action_units",
        *(f"p_{unit}" for unit in action_units),
    ]


def write_events(
    path: Path,
    events: Sequence[Event],
    labels: Sequence[str],
    action_units: Sequence[str],
    tracks: Mapping[int, int],
    *,
    again: bool = False,
) -> None:
    """Write confirmed `events` in order of their onset to the CSV file `path`. `tracks` maps frame
    index to track. With `again`, an existing file is replaced."""
    with _new_file(path, again) as partial, _csv(partial) as table:
        table.writerow(event_columns(labels, action_units))
        for event in sorted(events, key=lambda event: event.window.onset.time_s):
            record, window = event_record(event), event.window
            moments = (window.onset, window.apex, window.offset)
            units = record["action_units"]
            table.writerow(
                [
                    *(f"{record[moment]:.6f}" for moment in ("onset_s", "apex_s", "offset_s")),
                    *(moment.index for moment in moments if moment is not None),
                    tracks.get(window.apex.index, ""),
                    record["kind"],
                    record["label"],
                    *(f"{record['probabilities'][label]:.6f}" for label in labels),
                    " ".join(unit for unit in action_units if units[unit] >= NAMED_FROM),
                    *(f"{units[unit]:.6f}" for unit in action_units),
                ]
            )


@contextmanager
def motion_table(path: Path, *, again: bool = False) -> Iterator[Callable[[Step], None]]:
    """Open a new table at `path` with `MOTION_COLUMNS`, in the format of its suffix, `.parquet` or
    `.csv`. Yields a function that adds the row of a step. With `again`, an existing file is
    replaced at the end."""
    columns = _parquet if path.suffix == ".parquet" else _motion_csv
    with _new_file(path, again) as partial, columns(partial) as add:
        yield lambda step: add(make_motion_row(step))


def format_row(row: Row) -> str:
    """Return a row as a line of CSV."""
    return ",".join(_cells(row))  # no cell holds a comma


@contextmanager
def _parquet(path: Path) -> Iterator[Callable[[Row], None]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[Row] = []
    schema = motion_schema()

    def flush() -> None:
        if rows:
            writer.write_batch(pa.record_batch(list(zip(*rows, strict=True)), schema=schema))
            rows.clear()

    def add(row: Row) -> None:
        rows.append(row)
        if len(rows) == _ROWS_PER_GROUP:
            flush()

    with pq.ParquetWriter(path, schema) as writer:
        yield add
        flush()


@contextmanager
def _motion_csv(path: Path) -> Iterator[Callable[[Row], None]]:
    with _csv(path) as table:
        table.writerow(MOTION_COLUMNS)
        yield lambda row: table.writerow(_cells(row))


@contextmanager
def _csv(path: Path) -> Iterator[Any]:
    with path.open("w", newline="", encoding="utf-8") as file:
        yield csv.writer(file, lineterminator="\n")


@contextmanager
def _new_file(path: Path, again: bool) -> Iterator[Path]:
    partial = path.with_name(path.name + ".partial")
    yield partial
    if not again:
        check_new(path)
    partial.replace(path)


def _cells(row: Row) -> list[str]:
    return [str(row[0]), f"{row[1]:.6f}", *map(_text, row[2:])]


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def make_motion_row(step: Step) -> Row:
    """Return the row of a step, in `MOTION_COLUMNS`; None stands for an empty cell."""
    stamp, motion, signal = step.frame.stamp, step.motion, step.signal
    updates = "" if signal is None else "; ".join(map(_update_text, signal.updates))
    if motion is None or signal is None:
        return (stamp.index, stamp.time_s, *[None] * (len(MOTION_COLUMNS) - 3), updates or None)
    regions = zip(
        signal.strength.tolist(),
        signal.threshold.tolist(),
        motion.displacement.tolist(),
        strict=True,
    )
    return (
        stamp.index,
        stamp.time_s,
        motion.track,
        " ".join(sorted(motion.flags)),
        *motion.eye_openness.tolist(),
        *motion.head.tolist(),
        *(x for strength, threshold, uv in regions for x in (strength, threshold, *uv)),
        updates,
    )


def _update_text(update: SpotUpdate) -> str:
    window = update.window
    end = window.offset or window.apex
    span = f"{window.onset.time_s:.3f}–{end.time_s:.3f}"
    reason = update.reason.replace(", ", " + ")  # no cell holds a comma
    return f"{update.state} {update.candidate} {window.kind} {span}: {reason}"
