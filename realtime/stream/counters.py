"""Counts the frames that the capture thread delivers, their time span and rate."""

from model.records import Stamp
from realtime.stream.clock import monotonic_s
from realtime.stream.ring import FrameRing

RATE_S = 2.0
"""The current rate covers the last two seconds."""


class CaptureCounter:
    """Counts captured frames. Only the capture thread writes. There is no lock: values are replaced
    whole, so a reader in another thread sees either the old or the new one."""

    def __init__(self) -> None:
        self.frames = 0
        """Frames delivered by the source."""
        self.pause_frames = 0
        """Frames among them that came during a pause."""
        self._span_s: tuple[float, float] | None = None

    def take(self, stamp: Stamp) -> None:
        """Count a frame."""
        first_s = self._span_s[0] if self._span_s else stamp.time_s
        self._span_s = (first_s, stamp.time_s)
        self.frames += 1

    def age_s(self, stamp: Stamp) -> float:
        """Return the time from the first frame to `stamp`, on the source's clock."""
        return stamp.time_s - self._span_s[0] if self._span_s else 0.0

    def seconds(self) -> float:
        """Return the time from the first frame to the last, on the source's clock."""
        return self._span_s[1] - self._span_s[0] if self._span_s else 0.0

    def fps(self) -> float | None:
        """Return the mean rate over all frames; None before there are two."""
        seconds = self.seconds()
        return (self.frames - 1) / seconds if seconds else None


def recent_fps(ring: FrameRing) -> float | None:
    """Return the current rate of a running source; 0.0 if no frame came for two seconds, None
    before there are two frames."""
    newest = ring.latest()
    if newest is None:
        return None
    if monotonic_s() - newest.received_s > RATE_S:
        return 0.0
    recent = ring.between(newest.stamp.time_s - RATE_S, newest.stamp.time_s)
    if len(recent) < 2:
        return None
    return (len(recent) - 1) / (recent[-1].stamp.time_s - recent[0].stamp.time_s)
