"""The pictures around the last events, for their replay."""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from threading import Lock

from model.records import Event, Frame, Window
from realtime.results.results import Results
from realtime.stream.packed_frame import PackedFrame, RingFrame, pack, unpack
from realtime.stream.ring import FrameRing

CONTEXT_S = 0.5
"""How much is kept before the onset and after the offset."""
MAX_CLIPS = 50
MAX_BYTES = 96 * 2**20


class Clips:
    """Packed frames by event number (`realtime.stream.packed_frame`). The oldest clips make room
    for new ones: it keeps at most `max_clips`, and at most `max_bytes` unless one clip is larger.
    Any thread may use it."""

    def __init__(self, max_clips: int = MAX_CLIPS, max_bytes: int = MAX_BYTES) -> None:
        self._max_clips = max_clips
        self._max_bytes = max_bytes
        self._clips: OrderedDict[int, tuple[PackedFrame, ...]] = OrderedDict()
        self._bytes = 0
        self._forgotten: set[int] = set()
        self._spans: list[tuple[float, float]] = []
        self._lock = Lock()

    def keep(self, number: int, frames: Iterable[RingFrame]) -> None:
        """Pack and keep the frames of event `number`; replaces an earlier clip of it. Forgotten
        frames are not kept."""
        packed = tuple(map(pack, frames))
        with self._lock:
            self._drop(number)
            if number in self._forgotten:
                return
            for span in self._spans:
                packed = _without(packed, *span)
            self._clips[number] = packed
            self._bytes += _size(packed)
            while len(self._clips) > 1 and (
                len(self._clips) > self._max_clips or self._bytes > self._max_bytes
            ):
                self._drop(next(iter(self._clips)))

    def frames(self, number: int) -> tuple[Frame, ...]:
        """Return the clip of event `number`; empty if it was never kept or has made room."""
        with self._lock:
            packed = self._clips.get(number, ())
        return tuple(map(unpack, packed))

    def forget(self, numbers: Collection[int], start_s: float, end_s: float) -> None:
        """Forget the clips of the events `numbers`, and the pictures between these times of the
        source in all other clips, now and later."""
        with self._lock:
            self._forgotten.update(numbers)
            self._spans.append((start_s, end_s))
            for number in numbers:
                self._drop(number)
            self._clips.update((n, _without(c, start_s, end_s)) for n, c in self._clips.items())
            self._bytes = sum(map(_size, self._clips.values()))

    def _drop(self, number: int) -> None:
        self._bytes -= _size(self._clips.pop(number, ()))


def span_s(window: Window) -> tuple[float, float]:
    """Return start and end of the clip of an event with this `window`, s of the source."""
    return window.onset.time_s - CONTEXT_S, window.end.time_s + CONTEXT_S


def clip_frames(ring: FrameRing, event: Event) -> tuple[RingFrame, ...]:
    """Return the part of the clip of `event` that `ring` holds now."""
    return ring.between(*span_s(event.window))


def find_clip(
    number: int, clips: Clips, results: Results, ring: FrameRing | None
) -> tuple[Frame, ...]:
    """Return the clip of event `number`: the packed one, which the last events have, or, if it is
    in progress, what `ring` still holds. Empty if there is none."""
    frames = clips.frames(number)
    if frames or ring is None:
        return frames
    event = next((event for event in results.events() if event.number == number), None)
    held = () if event is None else clip_frames(ring, event)
    return tuple(unpack(frame) for frame in held if not results.is_forgotten(frame.stamp))


def _without(
    clip: tuple[PackedFrame, ...], start_s: float, end_s: float
) -> tuple[PackedFrame, ...]:
    return tuple(one for one in clip if not start_s <= one.stamp.time_s <= end_s)


def _size(clip: tuple[PackedFrame, ...]) -> int:
    return sum(packed.nbytes for packed in clip)
