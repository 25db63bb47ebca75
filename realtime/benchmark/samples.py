"""Every frame of a load, as it was: the raw values that all figures come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.errors import InputError
from model.records import ArrayF64, Event, Stamp, Step
from realtime.results.results import Results
from realtime.stream.clock import monotonic_s

STAGES = ("wait", "face", "motion", "spot", "flow", "classify")
"""What a frame's time goes to, in order. `flow` and `classify` run in a thread of their own and
stand at the frame with which their event came out."""
SHOWN = ("encode", "send", "paint")
"""From the result to a viewer's eye, where a page was open."""
PAINTED = "painted"
"""From a frame's scheduled arrival to a viewer's eye."""
ANALYSED = "analysed"
LOST = "lost by the source"

SCHEMA = pa.schema(
    [
        ("load", pa.int16()),
        ("frame", pa.int64()),
        ("due_s", pa.float64()),
        ("measured", pa.bool_()),
        ("fate", pa.string()),
        ("latency_ms", pa.float64()),
        *((f"{name}_ms", pa.float64()) for name in (*STAGES, *SHOWN, PAINTED)),
        ("face", pa.bool_()),
    ]
)
"""Columns of `samples.parquet`, a row per frame that was due. `load`: its place in the report's
`loads`. `frame`: number within the source. `due_s`: scheduled arrival, from the load's first frame
on. `measured`: false during warm-up. `fate`: "analysed", or why not. `latency_ms`: from the
scheduled arrival to the result; `painted_ms`: to a viewer's eye. Other `…_ms`: stages; empty where
a frame did not go through one.
`face`: whether one was found."""


@dataclass(frozen=True, slots=True)
class Decision:
    """When an expression was known."""

    state: str
    """`early`: named at its apex from the first phase. `confirmed`: named from both."""
    moment_s: float
    """Of the source: the apex of an early one, the offset of a confirmed one."""
    known_s: float
    """Of the source: the frame on which the spotter's decision fell. What lies between is the
    look-ahead that no computer can shorten: the face has not yet moved on."""
    after_ms: float
    """From the scheduled arrival of that frame to the event."""

    @property
    def look_ahead_ms(self) -> float:
        """From the moment to the frame on which it could be told."""
        return (self.known_s - self.moment_s) * 1e3


class Observed(Results):
    """Results that keep what they are told, frame by frame. Written by the pipeline thread and by
    viewers; read when the run is over."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, float, float, float, Mapping[str, float], bool]] = []
        """Of each analysed frame: number, time, due, done, ms by stage, whether with a face."""
        self.left_out: list[tuple[int, float, str]] = []
        """Of each other captured frame: number, time, cause."""
        self.views: dict[int, Mapping[str, float]] = {}
        """ms by stage of the first viewer's sight, by frame."""
        self.decisions: list[Decision] = []
        super().__init__()

    def add(self, step: Step, *, waited_ms: float) -> Step:
        """See `Results.add`."""
        step = super().add(step, waited_ms=waited_ms)
        done_s = monotonic_s()
        stamp, due_s = step.frame.stamp, step.frame.received_s
        timings_ms = {"wait": waited_ms, **step.timings_ms}
        has_face = step.face is not None
        self.rows.append((stamp.index, stamp.time_s, due_s, done_s, timings_ms, has_face))
        for event in step.events:
            self._decide(event, due_s - stamp.time_s)
        return step

    def drop(self, cause: str, frames: int, stamps: tuple[Stamp, ...] = ()) -> None:
        """See `Results.drop`."""
        super().drop(cause, frames, stamps)
        self.left_out += [(stamp.index, stamp.time_s, cause) for stamp in stamps]

    def shown(self, index: int, *, painted_ms: float, timings_ms: Mapping[str, float]) -> None:
        """See `Results.shown`."""
        super().shown(index, painted_ms=painted_ms, timings_ms=timings_ms)
        self.views.setdefault(index, {**timings_ms, PAINTED: painted_ms})

    def _decide(self, event: Event, due_minus_time_s: float) -> None:
        window = event.window
        moment = window.apex if event.state == "early" else window.offset
        if event.state == "withdrawn" or moment is None:
            return
        # A source's clock keeps its distance to this program's: the frame was due then.
        due_s = event.known_at.time_s + due_minus_time_s
        after_ms = (event.emitted_s - due_s) * 1e3
        known_s = event.known_at.time_s
        self.decisions.append(Decision(event.state, moment.time_s, known_s, after_ms))


def samples(observed: Observed, load: int, warm_up_s: float) -> pa.Table:
    """The frames of a load in order, with the columns of `SCHEMA`: those analysed, those left out,
    and those that the source lost, which show as jumps of the number."""
    if not observed.rows:
        return SCHEMA.empty_table()
    _, first_time_s, first_due_s, *_ = observed.rows[0]
    offset_s = first_due_s - first_time_s
    times = {row[0]: row[1] for row in observed.rows}
    times |= {row[0]: row[1] for row in observed.left_out}
    rows: list[tuple[Any, ...]] = []
    for index, _, due_s, done_s, timings_ms, face in observed.rows:
        views = observed.views.get(index, {})
        stages = [timings_ms.get(name) for name in STAGES] + [
            views.get(name) for name in (*SHOWN, PAINTED)
        ]
        rows.append((index, due_s, ANALYSED, (done_s - due_s) * 1e3, *stages, face))
    empty = (None,) * (len(STAGES) + len(SHOWN) + 3)
    for index, time_s, cause in (*observed.left_out, *_lost(times)):
        rows.append((index, time_s + offset_s, cause, *empty))
    rows.sort(key=lambda row: row[0])
    frames, due, *rest = zip(*rows, strict=True)
    due_s = np.array(due) - due[0]
    columns = [np.full(len(rows), load), frames, due_s, due_s >= warm_up_s, *rest]
    arrays = [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)


def _lost(times: Mapping[int, float]) -> list[tuple[int, float, str]]:
    """Frames whose numbers are missing between the others, their times spread evenly between
    theirs."""
    found = []
    for before, after in pairwise(sorted(times)):
        step_s = (times[after] - times[before]) / (after - before)
        for index in range(before + 1, after):
            found.append((index, times[before] + step_s * (index - before), LOST))
    return found


def latencies(table: pa.Table) -> ArrayF64:
    """ms of the measured frames in order, `inf` for one that was not analysed."""
    measured = column(table, "measured").astype(bool)
    return np.nan_to_num(column(table, "latency_ms"), nan=np.inf)[measured]  # type: ignore[no-any-return]


def stage(table: pa.Table, name: str) -> ArrayF64:
    """ms of the measured frames that went through the stage `name`, in order."""
    values = column(table, f"{name}_ms")[column(table, "measured").astype(bool)]
    found: ArrayF64 = values[~np.isnan(values)]
    return found


def column(table: pa.Table, name: str) -> ArrayF64:
    """A column as float64; NaN where it is empty."""
    found: ArrayF64 = table[name].cast(pa.float64()).to_numpy()
    return found


def write_samples(path: Path, tables: list[pa.Table]) -> None:
    """All loads into one Parquet file."""
    pq.write_table(pa.concat_tables([SCHEMA.empty_table(), *tables]), path, compression="zstd")


def read_samples(path: Path) -> pa.Table:
    """What `write_samples` wrote; `InputError` if that is not what is there."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if table.schema.names != SCHEMA.names:
        raise InputError(f"{path} is not a benchmark's table of samples")
    return table
