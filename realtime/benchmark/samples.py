"""The samples of a load: a row for every frame, from which all figures are computed."""

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
"""The stages of a frame, in order. `flow` and `classify` run in their own thread and belong to the
frame at which their event came out."""
PAGE_STAGES = ("encode", "send", "paint", "painted")
"""The stages from the result to the paint, if a page was open. `painted` is the whole: from the
frame's scheduled arrival to the paint."""
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
        *((f"{name}_ms", pa.float64()) for name in (*STAGES, *PAGE_STAGES)),
        ("face", pa.bool_()),
    ]
)
"""Columns of `samples.parquet`, which has a row for each frame that was due. `load`: index in the
report's `loads`. `frame`: number within the source. `due_s`: scheduled arrival, counted from that
of the load's first frame. `measured`: false during the warm-up. `fate`: "analysed", or why it was
not. `latency_ms`: from the scheduled arrival to the result; `painted_ms`: to the paint. The other
`…_ms`: stages; empty if the frame did not go through them. `face`: whether a face was found."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How long it took to decide on an expression."""

    state: str
    """`early`: named at its apex, from the first phase. `confirmed`: named from both phases."""
    moment_s: float
    """The source's time of the apex (early) or the offset (confirmed)."""
    look_ahead_ms: float
    """From that moment to the frame by which the spotter decided. No computer can shorten this: the
    spotter must see how the face moves on."""
    after_ms: float
    """From the scheduled arrival of that frame to the event."""


class ResultLog(Results):
    """Results that also keep a row for every frame. The pipeline thread and viewers write it; read
    it after the run."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        """Columns of `SCHEMA` by number of the frame, analysed or left out. Here `due_s` is on
        `realtime.stream.clock`, and missing if the frame was left out."""
        self.times_s: dict[int, float] = {}
        """The source's time of the same frames."""
        self.decisions: list[Decision] = []
        self.views: dict[int, dict[str, float]] = {}
        """Columns of `SCHEMA` that viewers report about the same frames."""
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

    def add_named(
        self, events: tuple[Event, ...], timings_ms: Mapping[str, float]
    ) -> tuple[Event, ...]:
        """See `Results.add_named`; its times go to the last frame."""
        events = super().add_named(events, timings_ms)
        index, row = next(reversed(self.rows.items()))
        row |= {f"{name}_ms": ms for name, ms in timings_ms.items()}
        if "due_s" in row:
            for event in events:
                self._decide(event, row["due_s"] - self.times_s[index])
        return events

    def drop(self, cause: str, frames: int, stamps: tuple[Stamp, ...] = ()) -> None:
        """See `Results.drop`."""
        super().drop(cause, frames, stamps)
        for stamp in stamps:
            self.times_s[stamp.index] = stamp.time_s
            self.rows[stamp.index] = {"fate": cause}

    def add_painted(
        self, index: int, *, painted_ms: float, timings_ms: Mapping[str, float]
    ) -> None:
        """See `Results.add_painted`; only the first of several viewers counts."""
        super().add_painted(index, painted_ms=painted_ms, timings_ms=timings_ms)
        stages = {f"{name}_ms": ms for name, ms in timings_ms.items()}
        self.views.setdefault(index, {**stages, "painted_ms": painted_ms})

    def first(self) -> tuple[float, float] | None:
        """Return when the first analysed frame was taken, in the source's time, and when it was
        due, on `realtime.stream.clock`."""
        for index, row in self.rows.items():
            if "due_s" in row:
                return self.times_s[index], row["due_s"]
        return None

    def _decide(self, event: Event, due_minus_time_s: float) -> None:
        window, known_s = event.window, event.known_at.time_s
        moment = window.apex if event.state == "early" else window.offset
        if event.state == "withdrawn" or moment is None:
            return
        # The source's clock plus `due_minus_time_s` is this program's: the frame was due then.
        after_ms = (event.emitted_s - known_s - due_minus_time_s) * 1e3
        look_ahead_ms = (known_s - moment.time_s) * 1e3
        self.decisions.append(Decision(event.state, moment.time_s, look_ahead_ms, after_ms))


def tabulate_frames(log: ResultLog, load: int, warm_up_s: float) -> pa.Table:
    """Return the frames of a load in order, with the columns of `SCHEMA`: analysed ones, those left
    out, and those that the source lost, which are gaps in the numbers."""
    first = log.first()
    if first is None:
        return SCHEMA.empty_table()
    offset_s = first[1] - first[0]
    rows = {index: row | log.views.get(index, {}) for index, row in log.rows.items()}
    known = sorted(rows)
    numbers = range(known[0], known[-1] + 1)
    due_s = [rows[n].get("due_s", log.times_s[n] + offset_s) for n in known]
    # Frames that the source lost were due at even steps between their neighbours.
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
    """Return the latencies of the measured frames in order, ms; `inf` if one was not analysed."""
    late_ms = column(table.filter(table["measured"]), "latency_ms")
    return np.where(np.isnan(late_ms), np.inf, late_ms)


def stage(table: pa.Table, name: str) -> ArrayF64:
    """Return the times of the stage `name` in order, ms, for measured frames that went through."""
    values = column(table.filter(table["measured"]), f"{name}_ms")
    return values[~np.isnan(values)]


def column(table: pa.Table, name: str) -> ArrayF64:
    """Return a column as float64; empty cells are NaN."""
    found: ArrayF64 = table[name].cast(pa.float64()).to_numpy()
    return found


def write_samples(path: Path, tables: list[pa.Table]) -> None:
    """Write the samples of all loads into one Parquet file."""
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
