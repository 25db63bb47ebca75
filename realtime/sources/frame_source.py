"""The base of all sources, and the gate through which each passes its pictures.

The gate rotates the pictures, numbers the frames, refuses times that do not increase, makes the
images read-only, and keeps the counts that `status` shows. So one place keeps the promises of
`Source`.
"""

import math
import statistics
import threading
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain, count
from types import MappingProxyType

from model.errors import SourceError
from model.records import Frame, ImageU8, Stamp
from model.text import clean_line
from realtime.sources import SourceInfo, SourceState, SourceStatus
from realtime.sources.picture_decoding import rotate_image

RATE_FRAMES = 60
"""Intervals over which the rate is measured."""

NO_TIME = "no timestamp"
STANDS_STILL = "timestamp stands still"
RUNS_BACK = "timestamp runs back"
RETRY_S = (0.25, 0.5, 1.0, 2.0)
"""Waits between attempts to reopen a live source; the last one repeats."""


class Gate:
    """Passes frames on and counts them. One thread passes frames; any thread may read `status`."""

    def __init__(self, rotate: int = 0, start_s: float = -math.inf) -> None:
        """`rotate`: see `SourceOptions`. Pictures from before `start_s`, in time of the source, are
        left out, and do not count."""
        self._rotate = rotate
        self._start_s = start_s
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
        """Return the next frame; None if it comes before the start. If its time does not increase,
        count it as unusable and return None.

        `image`: (H, W, 3) uint8 RGB; the gate owns it and makes it read-only. `packed`: see
        `Frame`. A time that stands still leaves no hole, so the index goes on. A time that runs
        back hides a piece of the recording, so the index jumps.
        """
        if time_s is None or not math.isfinite(time_s):
            self.refuse(NO_TIME)
            return None
        if time_s < self._start_s:
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
        self._count(self._unusable, cause, n)

    def drop(self, cause: str, n: int = 1) -> None:
        """Count `n` frames that did not arrive or were discarded to keep up: the index jumps over
        them."""
        self._count(self._dropped, cause, n)

    def _count(self, counter: Counter[str], cause: str, n: int) -> None:
        with self._lock:
            if not self._frames and self._start_s > -math.inf:
                return  # before the start: what a decoder lacks there is needed for nothing
            counter[cause] += n
            self._index += n

    def set_state(self, state: SourceState, message: str = "") -> None:
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


class FrameSource(ABC):
    """A `Source` whose `_run` yields frames, each passed through `_gate`.

    A subclass calls this `__init__` and sets `_info` before its own returns. `_info`
    describes the original pictures; `info` describes them as handed out.
    """

    _info: SourceInfo

    def __init__(self, rotate: int = 0, start_s: float = -math.inf) -> None:
        """`rotate`, `start_s`: see `Gate`."""
        self._rotate = rotate
        self._gate = Gate(rotate, start_s)
        self._stop = threading.Event()
        # A generator, so nothing runs before the first frame is requested.
        self._frames = self._deliver()

    @property
    def info(self) -> SourceInfo:
        """What was opened."""
        info = self._info
        width, height = info.width, info.height
        if self._rotate in (90, 270):
            width, height = height, width
        turn = (f"turned by {self._rotate}°",) if self._rotate else ()
        notes = tuple(clean_line(note) for note in (*info.notes, *turn))
        return replace(
            info,
            spec=clean_line(info.spec),
            description="; ".join((clean_line(info.description), *notes)),
            notes=notes,
            width=width,
            height=height,
            rotate=self._rotate,
        )

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def status(self) -> SourceStatus:
        """Return a snapshot, from any thread."""
        return self._gate.status()

    def interrupt(self) -> None:
        """End the iteration before the next frame, or when the read that waits for it times out."""
        self._stop.set()

    def close(self) -> None:
        """Release what is held; the iteration ends."""
        self.interrupt()
        self._frames.close()
        self._release()

    def _deliver(self) -> Generator[Frame, None, None]:
        with closing(self._run()) as frames:
            for frame in chain([None], frames):  # looks at `_stop` before the first frame too
                if frame is not None:
                    yield frame
                if self._stop.is_set():
                    break
        if self._gate.status().state != "ended":
            self._gate.set_state("ended")

    @abstractmethod
    def _run(self) -> Generator[Frame | None, None, None]:
        """Yield the frames, and None for refused ones, until the source ends. If `_stop` is set,
        this generator is closed at a yield; while it waits, it must check `_stop` itself."""

    def _retry(self, reopen: Callable[[], None], wait: Callable[[float], bool]) -> bool:
        """Call `reopen` until it raises no `SourceError` (True) or `wait` says that this source was
        interrupted (False)."""
        for attempt in count():
            if wait(RETRY_S[min(attempt, len(RETRY_S) - 1)]):
                break
            try:
                reopen()
            except SourceError as error:
                self._gate.set_state(
                    "reconnecting", f"reconnecting, attempt {attempt + 1}: {error}"
                )
            else:
                return True
        return False

    def _release(self) -> None:  # noqa: B027
        """Release what is held, if anything; `close` may call it twice."""
