"""Delivers frames of a file or the demo in real time.

The schedule does not wait for the program: frame n is due at its own time, whether or not the
program is done with the last one, and `received_s` is the time at which it was *due*. So latency
counts from the scheduled arrival. If the program stalls, the latency of every frame due meanwhile
grows; the stall does not hide by shifting the schedule ("coordinated omission").
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
    """Yield each frame at the time its stamp says, counted from the first one.

    A late frame is yielded at once. Its `received_s` is its due time on `now`'s clock, so slow
    decoding also shows as growing latency. `stop` ends the iteration, even during a wait; the next
    frame is then lost. `wait(seconds)` waits for `stop` and returns whether it came. Both are
    arguments for tests.
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
