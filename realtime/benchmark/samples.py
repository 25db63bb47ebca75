"""Every frame of a load: the raw values behind all figures."""

from collections.abc import Mapping
from dataclasses import dataclass
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
"""The stages of a frame, in order. `flow` and `classify` run in their own thread and are listed
with the frame at which their event came out."""
SHOWN = ("encode", "send", "paint", "painted")
"""From the result to a viewer's eye, if a page was open; `painted`: from a frame's scheduled
arrival to the viewer's eye."""
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
        *((f"{name}_ms", pa.float64()) for name in (*STAGES, *SHOWN)),
        ("face", pa.bool_()),
    ]
)
"""Columns of `samples.parquet`, a row per frame that was due. `load`: its place in the report's
`loads`. `frame`: number within the source. `due_s`: scheduled arrival, from the load's first frame
on. `measured`: false during warm-up. `fate`: "analysed", or why not. `latency_ms`: from the
scheduled arrival to the result; `painted_ms`: to a viewer's eye. Other `…_ms`: stages; empty where
a frame did not go through one. `face`: whether one was found."""


@dataclass(frozen=True, slots=True)
class Decision:
    """When an expression became known."""

    state: str
    """`early`: named at its apex from the first phase. `confirmed`: named from both."""
    moment_s: float
    """Time of the source: the apex of an early one, the offset of a confirmed one."""
    look_ahead_ms: float
    """From the moment to the frame at which the spotter decided. No computer can shorten it: the
    face has not yet moved on."""
    after_ms: float
    """From the scheduled arrival of that frame to the event."""


class Observed(Results):
    """Results that also keep everything, frame by frame. The pipeline thread and viewers write;
    read it after the run."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        """Frames by number, analysed or left out: columns of `SCHEMA`, but that `due_s` is of
        `realtime.stream.clock`, and empty where a frame was left out."""
        self.times_s: dict[int, float] = {}
        """Time of the source for the same frames."""
        self.decisions: list[Decision] = []
        self._views: dict[int, dict[str, float]] = {}
        super().__init__()

    def add(self, step: Step, *, waited_ms: float) -> Step:
        """See `Results.add`."""
        step = super().add(step, waited_ms=waited_ms)
        stamp, due_s = step.frame.stamp, step.frame.received_s
        self.times_s[stamp.index] = stamp.time_s
        self.rows[stamp.index] = {
            "due_s": due_s,
            "fate": ANALYSED,
            "latency_ms": (monotonic_s() - due_s) * 1e3,
            "wait_ms": waited_ms,
            **{f"{name}_ms": ms for name, ms in step.timings_ms.items()},
            "face": step.face is not None,
        }
        for event in step.events:
            self._decide(event, due_s - stamp.time_s)
        return step

    def drop(self, cause: str, frames: int, stamps: tuple[Stamp, ...] = ()) -> None:
        """See `Results.drop`."""
        super().drop(cause, frames, stamps)
        for stamp in stamps:
            self.times_s[stamp.index] = stamp.time_s
            self.rows[stamp.index] = {"fate": cause}

    def shown(self, index: int, *, painted_ms: float, timings_ms: Mapping[str, float]) -> None:
        """See `Results.shown`; only the first of several viewers counts."""
        super().shown(index, painted_ms=painted_ms, timings_ms=timings_ms)
        seen = {f"{name}_ms": ms for name, ms in timings_ms.items()}
        self._views.setdefault(index, {**seen, "painted_ms": painted_ms})

    def frames(self) -> dict[int, dict[str, Any]]:
        """`rows` with what viewers saw."""
        return {index: row | self._views.get(index, {}) for index, row in self.rows.items()}

    def first(self) -> tuple[float, float] | None:
        """When the first analysed frame was taken, in time of the source, and was due, by
        `realtime.stream.clock`."""
        for index, row in self.rows.items():
            if "due_s" in row:
                return self.times_s[index], row["due_s"]
        return None

    def _decide(self, event: Event, due_minus_time_s: float) -> None:
        window, known_s = event.window, event.known_at.time_s
        moment = window.apex if event.state == "early" else window.offset
        if event.state == "withdrawn" or moment is None:
            return
        # A source's clock keeps its distance to this program's: the frame was due then.
        after_ms = (event.emitted_s - known_s - due_minus_time_s) * 1e3
        look_ahead_ms = (known_s - moment.time_s) * 1e3
        self.decisions.append(Decision(event.state, moment.time_s, look_ahead_ms, after_ms))


def samples(observed: Observed, load: int, warm_up_s: float) -> pa.Table:
    """The frames of a load in order, with the columns of `SCHEMA`: those analysed, those left out,
    and those that the source lost, which show as jumps of the number."""
    first = observed.first()
    if first is None:
        return SCHEMA.empty_table()
    rows, offset_s = observed.frames(), first[1] - first[0]
    known = sorted(rows)
    numbers = range(known[0], known[-1] + 1)
    due_s = [rows[n].get("due_s", observed.times_s[n] + offset_s) for n in known]
    # The times of those that the source lost are spread evenly between the others'.
    since_s = np.interp(numbers, known, due_s) - due_s[0]
    return pa.Table.from_pylist(
        [
            rows.get(number, {"fate": LOST})
            | {"load": load, "frame": number, "due_s": at_s, "measured": at_s >= warm_up_s}
            for number, at_s in zip(numbers, since_s.tolist(), strict=True)
        ],
        schema=SCHEMA,
    )


def latencies(table: pa.Table) -> ArrayF64:
    """ms of the measured frames in order, `inf` for one that was not analysed."""
    late_ms = column(table.filter(table["measured"]), "latency_ms")
    return np.where(np.isnan(late_ms), np.inf, late_ms)


def stage(table: pa.Table, name: str) -> ArrayF64:
    """ms of the measured frames that went through the stage `name`, in order."""
    values = column(table.filter(table["measured"]), f"{name}_ms")
    return values[~np.isnan(values)]


def column(table: pa.Table, name: str) -> ArrayF64:
    """A column as float64; NaN where it is empty."""
    found: ArrayF64 = table[name].cast(pa.float64()).to_numpy()
    return found


def write_samples(path: Path, tables: list[pa.Table]) -> None:
    """All loads into one Parquet file."""
    pq.write_table(pa.concat_tables([SCHEMA.empty_table(), *tables]), path, compression="zstd")


def read_samples(path: Path) -> pa.Table:
    """Read what `write_samples` wrote. Raises `InputError` if it is something else."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if table.schema.names != SCHEMA.names:
        raise InputError(f"{path} is not a benchmark's table of samples")
    return table
