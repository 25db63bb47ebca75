"""Gate: what every source passes its pictures through, and where its frames are counted.

It turns the pictures as asked, numbers the frames, refuses times that do not increase, makes the
images read-only, and keeps the counts that `status` shows. So what `Source` promises is kept in one
place.
"""

import math
import statistics
import threading
from collections import Counter, deque
from types import MappingProxyType
from typing import Literal

from model.records import Frame, ImageU8, Stamp
from realtime.sources import SourceStatus
from realtime.sources.picture import rotate_image

RATE_FRAMES = 60
"""Intervals over which the measured rate is taken."""

NO_TIME = "no timestamp"
STANDS_STILL = "timestamp stands still"
RUNS_BACK = "timestamp runs back"


class Gate:
    """Frames out, counts kept. One thread passes frames; any thread may read `status`."""

    def __init__(self, rotate: int = 0) -> None:
        """`rotate`: see `SourceOptions`."""
        self._rotate = rotate
        self._lock = threading.Lock()
        self._state: Literal["open", "reconnecting", "ended"] = "open"
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
        """The next frame, or None, counted as unusable, if its time does not increase.

        `image`: (H, W, 3) uint8 RGB, given away: it is made read-only; `packed`: see `Frame`. A
        time that stands still leaves no hole in time, so the index goes on; one that runs back
        hides a piece of the recording, and the index jumps.
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
        """`n` frames arrived and could not be used: the index jumps over them."""
        with self._lock:
            self._unusable[cause] += n
            self._index += n

    def drop(self, cause: str, n: int = 1) -> None:
        """`n` frames did not arrive, or were discarded to keep up: the index jumps over them."""
        with self._lock:
            self._dropped[cause] += n
            self._index += n

    def open(self, message: str = "") -> None:
        """It delivers (again)."""
        self._say("open", message)

    def reconnecting(self, message: str) -> None:
        """It was lost, and is being tried again."""
        self._say("reconnecting", message)

    def ended(self, message: str = "") -> None:
        """It delivers no more."""
        self._say("ended", message)

    def status(self) -> SourceStatus:
        """A snapshot, from any thread."""
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

    def _say(self, state: Literal["open", "reconnecting", "ended"], message: str) -> None:
        with self._lock:
            self._state = state
            self._message = message
