"""Real time for sources that have none: frames of a file or the demo, on a clock.

The clock is open loop: frame n is due at its own time whether or not the last one has been dealt
with, and `received_s` says when it was *due*. So latency counts from the scheduled arrival, and a
stall of the program shows in the latency of every frame that came due meanwhile instead of
quietly pushing the schedule back ("coordinated omission").
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from model.records import Frame
from realtime.stream.clock import monotonic_s


def pace(
    frames: Iterable[Frame],
    stop: threading.Event,
    *,
    now: Callable[[], float] = monotonic_s,
    wait: Callable[[float], bool] | None = None,
) -> Iterator[Frame]:
    """Each frame at the time its stamp says, counted from the first one.

    A frame whose time has passed is delivered at once, with `received_s` its due time on `now`'s
    clock: decoding that cannot keep up with the rate shows as growing latency too. `stop` ends
    it, also while it waits; the frame waited for is then lost. `wait(seconds)` waits for `stop`
    and returns whether it came; it is an argument, as is the clock, for tests.
    """
    wait = wait or stop.wait
    offset_s: float | None = None
    for frame in frames:
        if offset_s is None:
            offset_s = now() - frame.stamp.time_s
        due_s = frame.stamp.time_s + offset_s
        early_s = due_s - now()
        if stop.is_set() or (early_s > 0 and wait(early_s)):
            return
        yield replace(frame, received_s=due_s)
