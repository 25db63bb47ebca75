"""The tables that an analysis writes, as CSV and as Parquet: events, and motion by frame.

A table grows in `<name>.partial` and gets its name when it is complete. Only its owner can read it.
Existing files are not overwritten unless the caller asks for it.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.files import whole_file
from model.records import Event, SpotUpdate, Step
from realtime.results.run_summary import check_new, event_record
from realtime.results.sentences import NAMED_FROM, Language, describe_expression
from realtime.spotting.motion import REGIONS

if TYPE_CHECKING:
    import pyarrow as pa

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
"""Columns of the motion table, one row per frame, empty (null) without a face; see
`describe_motion`."""

_TIME = "s of the recording"
EVENT_DESCRIPTIONS: dict[str, str] = {
    "onset_s": f"when the face begins to move, {_TIME}",
    "apex_s": f"when the motion is strongest, {_TIME}",
    "offset_s": f"when the face is back at rest, {_TIME}",
    "onset_index": "number of the frame at the onset, as in the table of frames",
    "apex_index": "number of the frame at the apex",
    "offset_index": "number of the frame at the offset",
    "track": "number of the face's track; a new one is another person, or the same one found again",
    "kind": "micro (0.5 s at most) or macro",
    "me_probability": "probability that a micro-expression is one at all, 0 to 1, by how strongly "
    "the face moved against its noise; it says nothing of the class; empty for a macro-expression",
    "label": "the class that the network names, or unclear",
    "action_units": "FACS units with a probability of 0.5 or more, separated by spaces",
    "sentence": "the expression in one sentence: what moved, where to, how many px of the aligned "
    "face, how long, and its class; in the language that --language asked for",
}
"""What the columns of events hold. Those of exports are described in the same words."""
_MOTION_DESCRIPTIONS = {
    "index": "number of the frame",
    "time_s": _TIME,
    "track": EVENT_DESCRIPTIONS["track"],
    "flags": "what makes the motion doubtful: blink, head, light, texture; separated by spaces",
    "eye_right": "how open the person's right eye is",
    "eye_left": "how open the person's left eye is",
    "head_u_px": "motion of the head since the last frame: to the right, px of the aligned face",
    "head_v_px": "… down, px of the aligned face",
    "head_turn_rad": "… turn in the plane of the picture, radians",
    "head_log_scale": "… logarithm of the change of its size",
    "spotter": "what the spotter said at this frame, mostly nothing: of each candidate its state "
    "(apex, closed, rejected), number, kind, onset and last moment in s, and why; separated by ; ",
}
_SHAPE_DESCRIPTIONS = {
    "strength_px": "how far it moved, px of the aligned face",
    "threshold_px": "what its strength must exceed, px; inf while the region is silenced",
    "u_px": "its displacement to the right, px",
    "v_px": "its displacement down, px",
}


@cache
def motion_schema() -> "pa.Schema":
    """Return `MOTION_COLUMNS` with their Parquet types."""
    import pyarrow as pa  # takes 50 ms and more, and a live run does not need it

    return pa.schema([(name, getattr(pa, kind)()) for name, kind in _MOTION_TYPES.items()])


def describe_motion() -> dict[str, str]:
    """Return what each of `MOTION_COLUMNS` holds."""
    regions = {
        f"{region}_{shape}": f"{region.replace('_', ' ')}: {words}"
        for region in REGIONS
        for shape, words in _SHAPE_DESCRIPTIONS.items()
    }
    return {name: (_MOTION_DESCRIPTIONS | regions)[name] for name in MOTION_COLUMNS}


def describe_events(labels: Sequence[str], action_units: Sequence[str]) -> dict[str, str]:
    """Return the columns of the event table, and what each holds."""
    *first, units, sentence = EVENT_DESCRIPTIONS
    return {
        **{name: EVENT_DESCRIPTIONS[name] for name in first},
        **{f"p_{label}": f"probability of the class {label}, 0 to 1" for label in labels},
        units: EVENT_DESCRIPTIONS[units],
        **{f"p_{unit}": f"probability of {unit}, 0 to 1" for unit in action_units},
        sentence: EVENT_DESCRIPTIONS[sentence],
    }


def format_codebook(tables: Mapping[str, Mapping[str, str]]) -> str:
    """Return the codebook of tables, JSON: what each column holds, by table and column."""
    return json.dumps(tables, indent=2, ensure_ascii=False) + "\n"


def write_events(
    paths: Iterable[Path],
    events: Sequence[Event],
    labels: Sequence[str],
    action_units: Sequence[str],
    tracks: Mapping[int, int],
    *,
    again: bool = False,
    language: Language = "en",
) -> None:
    """Write confirmed `events` in order of their onset to each of `paths`, in the format of its
    suffix, `.csv` or `.parquet`. `tracks` maps frame index to track; `language` is that of the
    sentences. With `again`, existing files are replaced."""
    columns = list(describe_events(labels, action_units))
    ordered = sorted(events, key=lambda event: event.window.onset.time_s)
    rows = [_event_row(event, labels, action_units, tracks, language) for event in ordered]
    for path in paths:
        with _new_file(path, again) as partial:
            if path.suffix == ".parquet":
                _write_event_parquet(partial, columns, rows)
                continue
            with _csv(partial) as table:
                table.writerow(columns)
                table.writerows(
                    [f"{x:.6f}" if isinstance(x, float) else x for x in r] for r in rows
                )


def _event_row(
    event: Event,
    labels: Sequence[str],
    action_units: Sequence[str],
    tracks: Mapping[int, int],
    language: Language,
) -> Row:
    record, window = event_record(event), event.window
    units = record["action_units"]
    return (
        *(float(record[moment]) for moment in ("onset_s", "apex_s", "offset_s")),
        *(moment.index for moment in (window.onset, window.apex, window.offset) if moment),
        tracks.get(window.apex.index),
        record["kind"],
        record["me_probability"],
        record["label"],
        *(float(record["probabilities"][label]) for label in labels),
        " ".join(unit for unit in action_units if units[unit] >= NAMED_FROM),
        *(float(units[unit]) for unit in action_units),
        describe_expression(event, language),
    )


def _write_event_parquet(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = ("kind", "label", "action_units", "sentence")

    def kind(name: str) -> "pa.DataType":
        if name in texts:
            return pa.string()
        return pa.int64() if name in _MOTION_TYPES or name.endswith("_index") else pa.float64()

    schema = pa.schema([(name, kind(name)) for name in columns])
    pq.write_table(
        pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows], schema), path
    )


@contextmanager
def motion_tables(
    paths: Iterable[Path], *, again: bool = False
) -> Iterator[Callable[[Step], None]]:
    """Open new tables at `paths` with `MOTION_COLUMNS`, each in the format of its suffix,
    `.parquet` or `.csv`. Yields a function that adds the row of a step to all. With `again`,
    existing files are replaced at the end."""
    with ExitStack() as opened:
        adds = []
        for path in paths:
            columns = _parquet if path.suffix == ".parquet" else _motion_csv
            partial = opened.enter_context(_new_file(path, again))
            adds.append(opened.enter_context(columns(partial)))

        def add(step: Step) -> None:
            row = make_motion_row(step)
            for add_row in adds:
                add_row(row)

        yield add


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
    with whole_file(path, private=True) as partial:
        yield partial
        if not again:
            check_new(path)


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
    span = f"{window.onset.time_s:.3f}–{window.end.time_s:.3f}"
    reason = update.reason.replace(", ", " + ")  # no cell holds a comma
    return f"{update.state} {update.candidate} {window.kind} {span}: {reason}"
