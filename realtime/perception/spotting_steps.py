"""From frames to what the spotter says: face, motion, spotter, in the one order that there is.

`Pipeline` adds names to it; calibration, the test bed and benchmarks take it as it is. Both parts
of it can be had alone: stored motion goes through `Watch`, which needs no pictures.
"""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from model.face.aligner import FaceAligner
from model.face.crop import CROP_PX
from model.records import AlignedFace, Frame, MotionSample, SpotSignal, SpotUpdate, Stamp, Step
from realtime.spotting.motion import Motion
from realtime.spotting.spotter import Spotter

T = TypeVar("T")
Aligned = tuple[AlignedFace | None, dict[str, float]]
"""A frame's face, and what finding it took, ms by stage."""


class Aligner(Protocol):
    """What gives the face of each frame: a `FaceAligner`, or faces recorded before."""

    def align(self, frame: Frame) -> AlignedFace | None:
        """The face of `frame`, None where there is none. Frames come in order."""

    def warm_up(self) -> None:
        """So that the first face does not wait."""


class Watch:
    """A spotter that is told of every frame, with a face or without."""

    def __init__(self, spotter: Spotter) -> None:
        self._spotter = spotter
        self._seen = False

    def push(self, stamp: Stamp, motion: MotionSample | None) -> SpotSignal | None:
        """What follows from the frame of `stamp`; None while there is no face, but for the first
        frame without it. Stamps increase."""
        seen, self._seen = self._seen, motion is not None
        if motion is not None:
            return self._spotter.push(motion)
        return self._spotter.lost(stamp) if seen else None

    def finish(self) -> tuple[SpotUpdate, ...]:
        """The end of the source."""
        return self._spotter.finish()


class Perception:
    """Frames of one source, in order, to steps without events. Not thread-safe, but for `align`,
    which may run in a thread of its own."""

    def __init__(
        self,
        spotter: Spotter | None = None,
        motion: Motion | None = None,
        aligner: Aligner | None = None,
    ) -> None:
        """By default: the usual spotter, motion on the CPU, faces found by the mesh."""
        self._aligner = aligner or FaceAligner()
        self._motion = motion or Motion()
        self._watch = Watch(spotter or Spotter())
        self._seen = False

    @property
    def trouble(self) -> str:
        """Why motion's device is not used any more; empty while it is."""
        return self._motion.trouble

    def step(self, frame: Frame) -> Step:
        """What `frame` adds."""
        return self.follow(frame, self.align(frame))

    def align(self, frame: Frame) -> Aligned:
        """The first half of `step`; frames in order."""
        timings_ms: dict[str, float] = {}
        return _timed(timings_ms, "face", lambda: self._aligner.align(frame)), timings_ms

    def follow(self, frame: Frame, aligned: Aligned) -> Step:
        """The second half, with what `align` gave for this frame."""
        face, timings_ms = aligned
        motion: MotionSample | None = None
        signal: SpotSignal | None = None
        if face is not None:
            motion = _timed(timings_ms, "motion", lambda: self._motion.push(face))
            signal = _timed(timings_ms, "spot", lambda: self._watch.push(frame.stamp, motion))
        else:
            if self._seen:
                self._motion.lost(frame.stamp)
            signal = self._watch.push(frame.stamp, None)
        self._seen = face is not None
        return Step(frame, face, motion, signal, (), timings_ms)

    def finish(self) -> tuple[SpotUpdate, ...]:
        """The end of the source: accepted pulses are emitted, open ones rejected."""
        return self._watch.finish()

    def warm_up(self) -> None:
        """So that the first frames do not wait."""
        self._motion.warm_up(CROP_PX)
        self._aligner.warm_up()


def _timed(timings_ms: dict[str, float], stage: str, run: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = run()
    timings_ms[stage] = (time.perf_counter() - start) * 1e3
    return result
