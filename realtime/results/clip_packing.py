"""Packing: the clips of a run's expressions, packed beside its analysis.

A clip, what of it the ring has not packed yet, takes longer to pack than an expression to name and
is in no hurry, so it has a thread of its own, `clips`. What waits to be packed waits in the ring
and is taken out picture by picture, so that it takes no memory beside the ring's: a clip that waits
for too long loses its beginning.
"""

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress

from model.records import Event
from realtime.results.clips import Clips, cut, span_s
from realtime.stream.packed_frame import Held
from realtime.stream.ring import FrameRing
from realtime.stream.worker import Worker

BACKLOG = 4
"""Clips that wait; then the analysis does."""


class Packing:
    """Written by the pipeline's thread."""

    def __init__(self, ring: FrameRing, clips: Clips) -> None:
        """The pictures come out of `ring` and go into `clips`."""
        self._ring = ring
        self._clips = clips
        self._worker = Worker("clips", BACKLOG)
        self._due: dict[int, Event] = {}  # confirmed, their context not yet captured
        self._packed: deque[Future[None]] = deque()

    def take(self, events: tuple[Event, ...], now_s: float) -> None:
        """Have the clips packed whose last frame has come by `now_s`, a time of the source. Raises
        what packing an earlier one did."""
        self._due.update((event.number, event) for event in events if event.state == "confirmed")
        for number, event in list(self._due.items()):
            if now_s >= span_s(event)[1]:
                del self._due[number]
                frames = self._frames(event)
                self._packed.append(self._worker.submit(self._clips.keep, number, frames))
        while self._packed and self._packed[0].done():
            self._packed.popleft().result()

    def _frames(self, event: Event) -> Iterator[Held]:
        for stamp in [frame.stamp for frame in cut(self._ring, event)]:
            yield from self._ring.between(stamp.time_s, stamp.time_s)

    def finish(self, events: tuple[Event, ...], timeout_s: float) -> None:
        """`events` are the last, and the source has ended: pack what is due and wait for it, for at
        most `timeout_s` each. Raises what packing did."""
        self.take(events, math.inf)
        with suppress(TimeoutError):  # `stop` tells
            while self._packed:
                self._packed.popleft().result(timeout_s)

    def stop(self, timeout_s: float) -> list[str]:
        """End the thread; its name if it is still alive after `timeout_s`. May be called again."""
        return [] if self._worker.stop(timeout_s) else [self._worker.name]
