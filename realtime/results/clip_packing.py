"""Packs the clips of a run's expressions while the analysis goes on.

Packing a clip takes longer than naming an expression and is not urgent, so it has its own thread,
`clips`. Until then pictures stay in the ring, so they need no extra memory. A clip that waits too
long loses its beginning."""

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress

from model.records import Event
from realtime.results.clips import Clips, clip_frames, span_s
from realtime.stream.packed_frame import RingFrame
from realtime.stream.ring import FrameRing
from realtime.stream.worker import Worker

MAX_WAITING = 4
"""How many clips may wait before the analysis has to wait."""


class ClipPacker:
    """Starts packing clips when they are complete. Only the pipeline's thread may call
    it; `stop` may come from the thread that ends the run."""

    def __init__(self, ring: FrameRing, clips: Clips) -> None:
        """Pictures come out of `ring` and go into `clips`."""
        self._ring = ring
        self._clips = clips
        self._worker = Worker("clips", MAX_WAITING)
        self._due: dict[int, Event] = {}  # confirmed events whose context is not yet captured
        self._packed: deque[Future[None]] = deque()

    def take(self, events: tuple[Event, ...], now_s: float) -> None:
        """Start packing the clips that are complete at `now_s`, a time of the source. Raises the
        error of an earlier packing."""
        self._due.update((event.number, event) for event in events if event.state == "confirmed")
        for number, event in list(self._due.items()):
            if now_s >= span_s(event.window)[1]:
                del self._due[number]
                frames = self._frames(event)
                self._packed.append(self._worker.submit(self._clips.keep, number, frames))
        while self._packed and self._packed[0].done():
            self._packed.popleft().result()

    def _frames(self, event: Event) -> Iterator[RingFrame]:
        for stamp in [frame.stamp for frame in clip_frames(self._ring, event)]:
            yield from self._ring.between(stamp.time_s, stamp.time_s)

    def finish(self, events: tuple[Event, ...], timeout_s: float) -> None:
        """Pack all remaining clips and those of `events`, the last ones, after the end of the
        source. Waits at most `timeout_s` for each. Raises the error of a packing."""
        self.take(events, math.inf)
        with suppress(TimeoutError):  # `stop` reports it
            while self._packed:
                self._packed.popleft().result(timeout_s)

    def stop(self, timeout_s: float) -> list[str]:
        """End the thread; return its name if it still runs after `timeout_s`. Can be called
        again."""
        return [] if self._worker.stop(timeout_s) else [self._worker.name]
