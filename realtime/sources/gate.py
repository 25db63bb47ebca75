"""Gate: every source passes its pictures through it.

It rotates the pictures, numbers the frames, refuses times that do not increase, makes the images
read-only, and keeps the counts that `status` shows. So one place keeps the promises of `Source`.
"""

import math
import statistics
import threading
from collections import Counter, deque
from types import MappingProxyType

from model.records import Frame, ImageU8, Stamp
from realtime.sources import SourceState, SourceStatus
from realtime.sources.picture import rotate_image

RATE_FRAMES = 60
"""Intervals over which the rate is measured."""

NO_TIME = "no timestamp"
STANDS_STILL = "timestamp stands still"
RUNS_BACK = "timestamp runs back"


class Gate:
    """Passes frames on and counts them. One thread passes frames; any thread may read `status`."""

    def __init__(self, rotate: int = 0) -> None:
        """`rotate`: see `SourceOptions`."""
        self._rotate = rotate
        self._lock = threading.Lock()
        self._state: SourceState = "open"
        self._message = ""
        self._index = 0
        self._last_s = -math.inf
        self._frames = 0
        self._intervals_s: deque[float] = deque(maxlen=RATE_FRAMES)
        self._dropped: Counter[str] = Counter()
        self._unusable: Counter[str] = Counter()

    def admit(
        self,
        image: ImageU8,
        time_s: float | None,
        received_s: float = 0.0,
        packed: bytes | None = None,
    ) -> Frame | None:
        """Return the next frame; if its time does not increase, count it as unusable and return
        None.

        `image`: (H, W, 3) uint8 RGB; the gate owns it and makes it read-only. `packed`: see
        `Frame`. A time that stands still leaves no hole, so the index goes on. A time that runs
        back hides a piece of the recording, so the index jumps.
        """
        if time_s is None or not math.isfinite(time_s):
            self.refuse(NO_TIME)
            return None
        if time_s < self._last_s:
            self.refuse(RUNS_BACK)
            return None
        if time_s == self._last_s:
            with self._lock:
                self._unusable[STANDS_STILL] += 1
            return None
        image = rotate_image(image, self._rotate)
        image.setflags(write=False)
        with self._lock:
            if self._frames:
                self._intervals_s.append(time_s - self._last_s)
            frame = Frame(Stamp(self._index, time_s), image, received_s, packed)
            self._index += 1
            self._frames += 1
            self._last_s = time_s
        return frame

    def refuse(self, cause: str, n: int = 1) -> None:
        """Count `n` frames that arrived but could not be used: the index jumps over them."""
        with self._lock:
            self._unusable[cause] += n
            self._index += n

    def drop(self, cause: str, n: int = 1) -> None:
        """Count `n` frames that did not arrive or were discarded to keep up: the index jumps over
        them."""
        with self._lock:
            self._dropped[cause] += n
            self._index += n

    def say(self, state: SourceState, message: str = "") -> None:
        """Set the state of the source, and its message."""
        with self._lock:
            self._state = state
            self._message = message

    def status(self) -> SourceStatus:
        """Return a snapshot, from any thread."""
        with self._lock:
            rate = 1.0 / statistics.median(self._intervals_s) if self._intervals_s else None
            return SourceStatus(
                self._state,
                self._message,
                self._frames,
                rate,
                MappingProxyType(dict(self._dropped)),
                MappingProxyType(dict(self._unusable)),
            )
