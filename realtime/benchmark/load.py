"""One load: the live program on a source that delivers on a clock, every frame recorded.

It is the program itself, threads and all, that runs here: the same `LiveSession` as behind the
page. The source's frames are due at fixed times (`realtime.sources.pacing`); whether the program
is ready for them is its own affair.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import pyarrow as pa

from model.machine import choose_device
from realtime.benchmark.monitor import Monitor, Reading
from realtime.benchmark.plan import WARM_UP_S
from realtime.benchmark.samples import Decision, Observed, samples
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.results.snapshot import Snapshot
from realtime.stream.clock import monotonic_s

BEAT_S = 0.25
SILENT_S = 10.0
"""A source that should have ended this long ago is stopped."""

Around = Callable[[LiveSession], AbstractContextManager[None]]
"""What is done while a session runs, as showing it on a page."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen of one load."""

    config: LiveConfig
    snapshot: Snapshot
    """At its end."""
    table: pa.Table
    """Every frame: `realtime.benchmark.samples.SCHEMA`."""
    decisions: tuple[Decision, ...]
    """Of expressions after the warm-up."""
    readings: tuple[Reading, ...]
    warm_up_s: float


def measure(
    load: LiveConfig,
    number: int,
    *,
    warm_up_s: float = WARM_UP_S,
    around: Around = lambda session: nullcontext(),
    progress: Callable[[float], None] = lambda seconds: None,
) -> Measured:
    """Run `load`, the one with that number, for its `seconds` and `warm_up_s` before them.

    `progress` gets the seconds of the source so far. Raises what ended the run, if it was an
    error.
    """
    if load.seconds is None:
        raise ValueError("a load without end")
    observed = Observed()
    whole_s = load.seconds + warm_up_s
    session = LiveSession(replace(load, seconds=whole_s), results=observed)
    with Monitor(choose_device(load.device)) as monitor, around(session):
        with session:
            over_s = monotonic_s() + whole_s + SILENT_S
            while not session.wait(BEAT_S) and monotonic_s() < over_s:
                progress(session.snapshot().seconds)
            end_s = monotonic_s()
        snapshot = session.snapshot()
    first_time_s, first_due_s = observed.first() or (0.0, end_s)
    return Measured(
        config=load,
        snapshot=snapshot,
        table=samples(observed, number, warm_up_s),
        decisions=tuple(d for d in observed.decisions if d.moment_s - first_time_s >= warm_up_s),
        readings=monitor.readings(first_due_s + warm_up_s, end_s),
        warm_up_s=warm_up_s,
    )
