"""FrameRing: the last seconds of a source, for one writer and many readers.

The capture thread appends frames; pipeline and recorder follow, each at its own pace. The
writer never waits: a slow reader loses the oldest frames and learns how many. An error that ended
the capture is raised in the readers, so it cannot get lost in its own thread.

Each reader needs a picture once. Then only replays need it, so a thread that runs `FrameRing.pack`
packs it: six seconds at 640×480 and 60 fps take 35 MB instead of 330.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

from model.records import Frame, Stamp
from realtime.stream.packed_frame import PackedFrame, RingFrame, blacken, pack

STAMPS = 65_536
"""Stamps kept of released frames, for readers that were too slow: 18 min at 60 fps."""
_time_s = attrgetter("stamp.time_s")


class FrameRing:
    """Frames of one source in the order of their stamps, bounded in seconds and in bytes.

    Thread-safe. The newest frame is always kept, even if it alone exceeds the bounds. Readers
    get the frames themselves, not copies: their images are read-only.
    """

    def __init__(self, seconds: float, max_bytes: int, *, as_sent: bool = False) -> None:
        """Keep at most `seconds` of source time between oldest and newest frame, and at most
        `max_bytes` of pictures. `as_sent`: see `pack`."""
        if not seconds > 0 or not max_bytes > 0:
            raise ValueError(f"a ring needs room: seconds {seconds}, max_bytes {max_bytes}")
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._as_sent = as_sent
        self._frames: deque[RingFrame] = deque()
        self._packed = 0  # number of oldest frames that are packed or being packed
        self._readers: list[RingReader] = []
        self._offsets: deque[int] = deque()  # for each frame: the bytes of all before it
        self._bytes = 0
        self._all_bytes = 0
        self._appended = 0
        self._released: deque[Stamp] = deque(maxlen=STAMPS)
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def append(self, frame: Frame) -> None:
        """Add the next frame and wake the readers.

        Raises `ValueError` unless index and time both exceed the last frame's, and `RuntimeError`
        on a closed ring: both are bugs of the writer.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("append to a closed ring")
            if self._frames:
                last, new = self._frames[-1].stamp, frame.stamp
                if not (new.index > last.index and new.time_s > last.time_s):
                    raise ValueError(f"stamps must increase: {new} after {last}")
            self._frames.append(frame)
            self._offsets.append(self._all_bytes)
            self._bytes += frame.nbytes
            self._all_bytes += frame.nbytes
            self._appended += 1
            oldest_s = frame.stamp.time_s - self._seconds
            while len(self._frames) > 1 and (
                self._frames[0].stamp.time_s < oldest_s or self._bytes > self._max_bytes
            ):
                oldest = self._frames.popleft()
                self._packed = max(0, self._packed - 1)
                self._offsets.popleft()
                self._bytes -= oldest.nbytes
                self._released.append(oldest.stamp)
            self._changed.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        """End the ring. Readers get the remaining frames; then they end, or raise `error` if an
        error ended the capture. Only the first call counts."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._error = error
            self._changed.notify_all()

    def latest(self) -> Frame | None:
        """Return the newest frame, even from a closed ring; None before the first."""
        with self._changed:
            newest = self._frames[-1] if self._frames else None
            assert not isinstance(newest, PackedFrame)
            return newest

    def between(self, t0_s: float, t1_s: float) -> tuple[RingFrame, ...]:
        """Return the frames still held, packed or not, with `t0_s` ≤ time ≤ `t1_s`, in order, even
        from a closed ring."""
        with self._changed:
            return tuple(self._frames[place] for place in self._places(t0_s, t1_s))

    def forget(self, start_s: float, end_s: float) -> None:
        """Blacken the pictures with times from `start_s` to `end_s`. Frames that a reader already
        has stay as they are."""
        with self._changed:
            for place in self._places(start_s, end_s):
                frame = self._frames[place]
                self._frames[place] = black = blacken(frame)
                self._bytes += black.nbytes - frame.nbytes

    def follow(self) -> "RingReader":
        """Return a new reader. It starts at the oldest frame that is held and not packed."""
        return RingReader(self)

    def pack(self) -> None:
        """Pack frames that only a replay still needs, until the ring is closed. Run it in its own
        thread."""
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._is_read())
            self.pack_read()

    def pack_read(self) -> None:
        """Pack the frames that every reader has read, except the newest. For one thread."""
        while True:
            with self._changed:
                if not self._is_read():
                    return
                number = self._appended - len(self._frames) + self._packed
                frame = self._frames[self._packed]
                self._packed += 1
            packed = pack(frame, as_sent=self._as_sent)
            with self._changed:
                place = number - (self._appended - len(self._frames))
                # It may have been released or forgotten meanwhile.
                if place >= 0 and self._frames[place] is frame:
                    self._frames[place] = packed
                    self._bytes += packed.nbytes - frame.nbytes

    def _places(self, t0_s: float, t1_s: float) -> range:
        """Return the places of the frames with `t0_s` ≤ time ≤ `t1_s`: times increase."""
        first = bisect_left(self._frames, t0_s, key=_time_s)
        return range(first, bisect_right(self._frames, t1_s, key=_time_s))

    def _is_read(self) -> bool:
        """Return whether there is an unpacked frame that every reader has read."""
        oldest = self._appended - len(self._frames) + self._packed
        slowest = min((reader._next for reader in self._readers), default=self._appended)
        return oldest < min(slowest, self._appended - 1)


class RingReader:
    """One reader of a ring: iterate to get `(frame, missed)`.

    `missed` counts the frames between the last frame and this one that this reader did not get
    because it was too slow. Frames that the source itself dropped show as a jump of `stamp.index`
    instead. The iteration waits for the next frame without polling, ends when the ring is closed
    and read out, and raises the error that closed it.
    """

    def __init__(self, ring: FrameRing) -> None:
        self._ring = ring
        self._stopped = False
        self._missed: tuple[Stamp, ...] = ()
        with ring._changed:
            self._next = ring._appended - len(ring._frames) + ring._packed
            ring._readers.append(self)

    def __iter__(self) -> Iterator[tuple[Frame, int]]:
        return self

    def __next__(self) -> tuple[Frame, int]:
        taken = self._take(None)
        assert taken is not None  # without a time limit it waits until a frame comes
        return taken

    def beats(self, beat_s: float) -> Iterator[tuple[Frame, int] | None]:
        """Iterate in the same way, but yield None whenever no frame came for `beat_s`, for a reader
        with other work to do."""
        while True:
            try:
                yield self._take(beat_s)
            except StopIteration:
                return

    def waits_for(self, timeout_s: float) -> bool:
        """Return whether the next frame has not come after `timeout_s`, nor the end."""
        ring = self._ring
        with ring._changed:
            return not ring._changed.wait_for(self._has_next, timeout_s)

    def _has_next(self) -> bool:
        return self._stopped or self._ring._closed or self._ring._appended > self._next

    def peek(self) -> Frame | None:
        """Return the next frame if it is there already and none was missed before it. A slow reader
        may still miss that frame."""
        ring = self._ring
        with ring._changed:
            place = self._next - (ring._appended - len(ring._frames))
            if not 0 <= place < len(ring._frames):
                return None
            return _picture(ring._frames[place])

    @property
    def missed(self) -> tuple[Stamp, ...]:
        """The stamps of the frames missed before the last one, in order; at most the newest
        `STAMPS` are known."""
        return self._missed

    @property
    def backlog(self) -> float:
        """How much of the ring waits for this reader, 0 to 1, by seconds or by bytes, whichever is
        more. 0 once it is closed, because nothing can overflow any more. Any thread."""
        ring = self._ring
        with ring._changed:
            first = max(0, self._next - (ring._appended - len(ring._frames)))
            if ring._closed or first == len(ring._frames):
                return 0.0
            waiting_s = ring._frames[-1].stamp.time_s - ring._frames[first].stamp.time_s
            waiting_bytes = ring._all_bytes - ring._offsets[first]
            share = max(waiting_s / ring._seconds, waiting_bytes / ring._max_bytes)
            return min(1.0, share)

    def _take(self, timeout_s: float | None) -> tuple[Frame, int] | None:
        """Return the next frame; None if it has not come after `timeout_s`."""
        ring = self._ring
        with ring._changed:
            if not ring._changed.wait_for(self._has_next, timeout_s):
                return None
            if self._stopped:
                raise StopIteration
            if ring._appended == self._next:
                if ring._error is not None:
                    raise ring._error
                raise StopIteration
            oldest = ring._appended - len(ring._frames)
            missed = max(0, oldest - self._next)
            self._missed = tuple(islice(reversed(ring._released), missed))[::-1]
            self._next += missed + 1
            return _picture(ring._frames[self._next - 1 - oldest]), missed

    def stop(self) -> None:
        """End this reader's iteration, from any thread, even while it waits; unread frames are
        left. The ring and its other readers go on."""
        with self._ring._changed:
            self._stopped = True
            if self in self._ring._readers:
                self._ring._readers.remove(self)
            self._ring._changed.notify_all()


def _picture(frame: RingFrame) -> Frame:
    assert isinstance(frame, Frame)  # frames are packed only after every reader has read them
    return frame
