"""Runs one load: the live program on a source whose frames come on a clock.

It is the whole program with all its threads: the `LiveSession` that the page uses. The source's
frames are due at fixed times (`realtime.sources.pacing`), whether or not the program is ready.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import pyarrow as pa

from model.machine import choose_device
from realtime.benchmark.monitor import Monitor, Reading
from realtime.benchmark.plan import WARM_UP_S
from realtime.benchmark.samples import Decision, ResultLog, tabulate_frames
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.results.snapshot import Snapshot
from realtime.stream.clock import monotonic_s

READING_S = 0.25
OVERTIME_S = 10.0
"""A source that goes on for this long after its end is stopped."""

Around = Callable[[LiveSession], AbstractContextManager[object]]
"""A context for a running session, such as a browser that shows its page."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The measurements of one load."""

    config: LiveConfig
    snapshot: Snapshot
    """The last snapshot."""
    table: pa.Table
    """All frames, as `realtime.benchmark.samples.SCHEMA`."""
    decisions: tuple[Decision, ...]
    """Decisions about expressions after the warm-up."""
    readings: tuple[Reading, ...]
    warm_up_s: float


def measure_load(
    load: LiveConfig,
    number: int,
    *,
    warm_up_s: float = WARM_UP_S,
    around: Around = nullcontext,
    progress: Callable[[float], None] = lambda seconds: None,
) -> LoadResult:
    """Run `load`, number `number`, for its `seconds` after a warm-up of `warm_up_s`. `progress` is
    called with the seconds of the source so far. Raises the error that ended the run, if there was
    one."""
    if load.seconds is None:
        raise ValueError("a load without end")
    log = ResultLog()
    whole_s = load.seconds + warm_up_s
    session = LiveSession(replace(load, seconds=whole_s), results=log)
    monitor = Monitor(choose_device(load.device))
    with around(session):
        with session:
            over_s = monotonic_s() + whole_s + OVERTIME_S
            while not session.wait(READING_S) and monotonic_s() < over_s:
                monitor.read()
                progress(session.snapshot().seconds)
            end_s = monotonic_s()
        snapshot = session.snapshot()
    first_time_s, first_due_s = log.first() or (0.0, end_s)
    return LoadResult(
        config=load,
        snapshot=snapshot,
        table=tabulate_frames(log, number, warm_up_s),
        decisions=tuple(d for d in log.decisions if d.moment_s - first_time_s >= warm_up_s),
        readings=monitor.readings(first_due_s + warm_up_s, end_s),
        warm_up_s=warm_up_s,
    )
