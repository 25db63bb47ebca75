"""The base of all sources: a gate, one iteration, and interruption."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain, count

from model.errors import SourceError
from model.records import Frame
from model.text import clean_line
from realtime.sources import SourceInfo, SourceStatus
from realtime.sources.gate import Gate

RETRY_S = (0.25, 0.5, 1.0, 2.0)
"""Waits between attempts to reopen a live source; the last one repeats."""


class GatedSource(ABC):
    """A `Source` whose `_run` yields frames, each passed through `_gate`.

    A subclass calls this `__init__` first and sets `_info` before its own returns. `_info`
    describes the original pictures; `info` describes them as handed out.
    """

    _info: SourceInfo

    def __init__(self, rotate: int = 0) -> None:
        """`rotate`: see `SourceOptions`."""
        self._rotate = rotate
        self._gate = Gate(rotate)
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
            self._gate.say("ended")

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
                self._gate.say("reconnecting", f"reconnecting, attempt {attempt + 1}: {error}")
            else:
                return True
        return False

    def _release(self) -> None:  # noqa: B027
        """Release what is held, if anything; `close` may call it twice."""
