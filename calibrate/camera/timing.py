"""Measures the timing of a source's frames: rate, jitter, gaps, repeats, delay."""

from dataclasses import dataclass

import numpy as np

from model.records import Frame

LONG_GAP = 1.5
"""A longer interval, in usual intervals, is a gap."""
FRAMES_PER_EXPRESSION = 3
"""An expression needs a frame on its rise, one near its apex and one on its return, so it must last
at least three intervals between pictures. At 30 fps these are 100 ms, where the spotter's recall on
synthetic footage reaches its plateau."""
SHORTEST_S = 0.04
"""The spotter takes shorter pulses for noise, at any rate."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals are those between capture times, in ms."""

    frames: int
    seconds: float
    """From the first frame to the last."""
    fps: float
    """Frames delivered per second."""
    interval_p50_ms: float
    interval_p95_ms: float
    interval_max_ms: float
    missing: int
    """Frames that the source itself reports as lost: jumps of the index."""
    gaps: int
    """Intervals of more than `LONG_GAP` usual ones."""
    repeated: float
    """Share of the frames that repeat the previous picture: the camera, or its driver, fills up to
    the rate it was asked for."""
    delay_p50_ms: float | None
    """Median delay from capture to receipt; None if the clocks do not tell."""
    delay_p95_ms: float | None

    @property
    def pictures_per_s(self) -> float:
        """Different pictures per second."""
        return self.fps * (1 - self.repeated)

    @property
    def least_s(self) -> float:
        """The shortest expression that these times resolve: `FRAMES_PER_EXPRESSION` intervals at
        their 95th percentile, and longer if pictures are repeated."""
        interval_s = self.interval_p95_ms / 1e3 / max(1 - self.repeated, 1e-3)
        return max(SHORTEST_S, FRAMES_PER_EXPRESSION * interval_s)


class FrameTiming:
    """Takes the frames of one source in order; `timing()` returns their timing."""

    def __init__(self, *, tells_delay: bool) -> None:
        """`tells_delay`: capture times are on this program's clock (driver or browser)."""
        self._tells_delay = tells_delay
        self._indices: list[int] = []
        self._times_s: list[float] = []
        self._delays_s: list[float] = []
        self._repeated = 0

    def push(self, frame: Frame, *, repeated: bool) -> None:
        """Count a frame; `repeated` if it shows the last picture again."""
        self._indices.append(frame.stamp.index)
        self._times_s.append(frame.stamp.time_s)
        self._repeated += repeated
        if self._tells_delay:
            self._delays_s.append(frame.received_s - frame.stamp.time_s)

    @property
    def seconds(self) -> float:
        """Seconds from the first frame to the last."""
        return self._times_s[-1] - self._times_s[0] if self._times_s else 0.0

    def timing(self) -> Timing:
        """The timing of all frames so far. Raises ValueError before there are three."""
        n = len(self._times_s)
        if n < 3:
            raise ValueError(f"timing needs three frames, got {n}")
        intervals_ms = 1e3 * np.diff(self._times_s)
        jumps = np.diff(self._indices) - 1
        p50, p95 = np.percentile(intervals_ms, [50, 95])
        delays = np.percentile(self._delays_s, [50, 95]) * 1e3 if self._delays_s else None
        return Timing(
            frames=n,
            seconds=self.seconds,
            fps=(n - 1) / self.seconds,
            interval_p50_ms=float(p50),
            interval_p95_ms=float(p95),
            interval_max_ms=float(intervals_ms.max()),
            missing=int(jumps.sum()),
            gaps=int((intervals_ms > LONG_GAP * p50).sum()),
            repeated=self._repeated / (n - 1),
            delay_p50_ms=None if delays is None else float(delays[0]),
            delay_p95_ms=None if delays is None else float(delays[1]),
        )
