"""From frames to spotted expressions: face, motion and spotter in their one fixed order.

`Pipeline` adds names. Calibration, the test bed and the benchmarks use it as it is. Each part can
be used alone: stored motion goes through `FrameSpotter`, which needs no pictures.
"""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from model.face.aligned_crop import CROP_PX
from model.face.aligner import FaceAligner
from model.records import AlignedFace, Frame, MotionSample, SpotSignal, SpotUpdate, Stamp, Step
from realtime.spotting.motion import Motion
from realtime.spotting.spotter import Spotter

T = TypeVar("T")
Aligned = tuple[AlignedFace | None, dict[str, float]]
"""A frame's face, and how long it took to find, in ms by stage."""


class Aligner(Protocol):
    """Gives the face of each frame: a `FaceAligner`, or faces recorded before."""

    def align(self, frame: Frame) -> AlignedFace | None:
        """Return the face of `frame`, or None if there is none. Frames come in order."""

    def warm_up(self) -> None:
        """Get ready, so that the first face need not wait."""


class FrameSpotter:
    """A spotter that gets every frame, with or without a face."""

    def __init__(self, spotter: Spotter) -> None:
        self._spotter = spotter
        self._had_face = False

    def push(self, stamp: Stamp, motion: MotionSample | None) -> SpotSignal | None:
        """Return the spotter's signal for the frame at `stamp`. Without a face it is None, except
        for the first frame after the face was lost. Stamps increase."""
        had_face, self._had_face = self._had_face, motion is not None
        if motion is not None:
            return self._spotter.push(motion)
        return self._spotter.lose_face(stamp) if had_face else None

    def finish(self) -> tuple[SpotUpdate, ...]:
        """Return the last updates, at the end of the source."""
        return self._spotter.finish()


class Perception:
    """Turns the frames of one source, in order, into steps without events. Not thread-safe, except
    that `align` may run in a thread of its own."""

    def __init__(
        self,
        spotter: Spotter | None = None,
        motion: Motion | None = None,
        aligner: Aligner | None = None,
    ) -> None:
        """The defaults: the usual spotter, motion on the CPU, faces from the face mesh."""
        self._aligner = aligner or FaceAligner()
        self._motion = motion or Motion()
        self._watch = FrameSpotter(spotter or Spotter())
        self._had_face = False

    @property
    def trouble(self) -> str:
        """Why motion no longer runs on its device; empty while it does."""
        return self._motion.trouble

    def step(self, frame: Frame) -> Step:
        """Return what `frame` adds."""
        return self.follow(frame, self.align(frame))

    def align(self, frame: Frame) -> Aligned:
        """Return the face of `frame`: the first half of `step`. Frames come in order."""
        timings_ms: dict[str, float] = {}
        return _time(timings_ms, "face", lambda: self._aligner.align(frame)), timings_ms

    def follow(self, frame: Frame, aligned: Aligned) -> Step:
        """Return the step of `frame`: the second half, with what `align` returned for it."""
        face, timings_ms = aligned
        motion: MotionSample | None = None
        if face is not None:
            motion = _time(timings_ms, "motion", lambda: self._motion.push(face))
            signal = _time(timings_ms, "spot", lambda: self._watch.push(frame.stamp, motion))
        else:
            if self._had_face:
                self._motion.lose_face(frame.stamp)
            signal = self._watch.push(frame.stamp, None)
        self._had_face = face is not None
        return Step(frame, face, motion, signal, (), timings_ms)

    def finish(self) -> tuple[SpotUpdate, ...]:
        """Return the last updates, at the end of the source: emit accepted pulses, reject open
        ones."""
        return self._watch.finish()

    def warm_up(self) -> None:
        """Get ready, so that the first frames need not wait."""
        self._motion.warm_up(CROP_PX)
        self._aligner.warm_up()


def _time(timings_ms: dict[str, float], stage: str, run: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = run()
    timings_ms[stage] = (time.perf_counter() - start) * 1e3
    return result
