"""The timeline of a recording: its beginning, its rate, and what the file says about them.

Times are those that a player shows: 0 is the beginning of the file. If the sound begins first, 0 is
before the first picture. A slow-motion clip is stored slower than it was shot; if the original rate
is known, times are converted to it.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from model.errors import SourceError

RATE_PACKETS = 64
"""Packets used to measure the rate when a file is opened."""
SAME_RATE = 0.03
"""Rates closer than this are the same, and the stated one is exact."""
REGULAR_FACTOR = 1.6
"""Intervals within this factor of the median count as regular."""
STEADY_SHARE = 0.9
"""Share of regular intervals that makes a rate steady."""
CAPTURE_FPS_TAG = "com.android.capture.fps"
"""Tag in which phones store the rate at which a slow-motion (or fast) clip was shot."""

_SAME_S = 1e-3  # containers round to this


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """A rate measured from times."""

    fps: float
    steady: bool


class FrameTimes:
    """The times of one recording's pictures."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        first: VideoFrame,
        packets: Sequence["Packet[VideoStream]"],
        *,
        per_picture: int,
        fps: float | None,
        name: str,
    ) -> None:
        """`first`: the first picture. `packets`: the first packets. `per_picture`: pictures per
        coded picture. `fps`: the rate at which it was shot, if the user gave one; raises
        `SourceError` if that is impossible."""
        self.notes: list[str] = []
        claimed = stream.average_rate or stream.guessed_rate
        measured = measure_rate([t for packet in packets if (t := packet_s(packet)) is not None])
        stored = float(claimed) if claimed else None
        if measured is not None and (stored is None or not _same(stored, measured.fps)):
            if stored is not None:
                self.notes.append(f"says {stored:.4g} fps, its times {measured.fps:.4g}")
            stored = measured.fps
        self._factor = self._rescaled(container, stored, measured, fps, name)
        self.fps: float | None = None if stored is None else stored * per_picture / self._factor
        """Pictures a second, nominal."""
        self._zero_s = 0.0
        first_s = picture_s(first)
        if first_s is not None:
            self._zero_s = _zero_s(container, first_s)
            offset_s = first_s - self._zero_s
            if offset_s > 0:
                self.notes.append(f"pictures begin at {offset_s * self._factor:.3f} s")
        self.end_s = self._end_s(container, stream, first_s)
        """When the last picture ends, if the file says."""

    def time_of(self, picture: VideoFrame) -> float | None:
        """Return when `picture` was taken, s; None if it has no time."""
        time_s = picture_s(picture)
        return None if time_s is None else (time_s - self._zero_s) * self._factor

    def stored_s(self, time_s: float) -> float:
        """Return the time that the file has for a picture taken at `time_s`."""
        return time_s / self._factor + self._zero_s

    def _rescaled(
        self,
        container: InputContainer,
        stored: float | None,
        measured: MeasuredRate | None,
        fps: float | None,
        name: str,
    ) -> float:
        """Return the factor for all times."""
        shot = fps or _number(container.metadata.get(CAPTURE_FPS_TAG, ""))
        if shot is None or stored is None or _same(shot, stored):
            return 1.0
        if fps is not None and fps < stored:
            raise SourceError(
                f"{name}: --fps {fps:g}, but it is stored at {stored:.4g} fps, and was not shot "
                "more slowly: leave out --fps to use its own times"
            )
        if fps is not None and measured is not None and not measured.steady:
            raise SourceError(
                f"{name}: --fps {fps:g}, but its rate varies: leave out --fps to use its own times"
            )
        self.notes.append(f"shot at {shot:.4g} fps, stored at {stored:.4g}: times as it was shot")
        return stored / shot

    def _end_s(
        self, container: InputContainer, stream: VideoStream, first_s: float | None
    ) -> float | None:
        """Return the end of the pictures; the sound may be longer."""
        if first_s is None:
            return None
        if stream.duration and stream.time_base:
            end_s = first_s + float(stream.duration * stream.time_base)
        elif container.duration and len(container.streams) == 1:
            end_s = self._zero_s + container.duration / av.time_base
        else:
            return None
        return (end_s - self._zero_s) * self._factor


def measure_rate(times_s: Sequence[float]) -> MeasuredRate | None:
    """Return the rate of `times_s`, in any order, over their regular intervals; None for fewer than
    three. Rounding (33, 33, 34 ms) evens out."""
    steps_s = [after - before for before, after in pairwise(sorted(set(times_s)))]
    if len(steps_s) < 2:
        return None
    median_s = statistics.median_low(steps_s)
    regular = [
        step_s
        for step_s in steps_s
        if median_s / REGULAR_FACTOR <= step_s <= median_s * REGULAR_FACTOR
    ]
    return MeasuredRate(1 / statistics.fmean(regular), len(regular) >= STEADY_SHARE * len(steps_s))


def packet_s(packet: "Packet[VideoStream]") -> float | None:
    """Return the presentation time; if a container has only decoding times (AVI), the decoding
    time."""
    return _seconds(packet.pts if packet.pts is not None else packet.dts, packet.time_base)


def picture_s(picture: VideoFrame) -> float | None:
    """Return the presentation time of a picture, as `packet_s` does."""
    return _seconds(picture.pts if picture.pts is not None else picture.dts, picture.time_base)


def _seconds(ticks: int | None, time_base: Fraction | None) -> float | None:
    return None if ticks is None or not time_base else float(ticks * time_base)


def _zero_s(container: InputContainer, first_s: float) -> float:
    """Return the beginning of the file: that of its first stream. Sound before 0, which players
    discard, does not count if the pictures begin later."""
    if container.start_time is None:
        return first_s
    start_s = container.start_time / av.time_base
    if start_s < 0 <= first_s:
        start_s = 0.0
    return first_s if abs(first_s - start_s) < _SAME_S or start_s > first_s else start_s


def _same(one: float, other: float) -> bool:
    return abs(one / other - 1) < SAME_RATE


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < 1e5 else None
