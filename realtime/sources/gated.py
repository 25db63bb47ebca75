"""What sources have in common: a gate, one iteration, and an end from outside."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import replace

from model.records import Frame
from model.text import clean_line
from realtime.sources import SourceInfo, SourceStatus
from realtime.sources.gate import Gate


class GatedSource(ABC):
    """A `Source` whose `_run` yields frames, each passed through `_gate`.

    A subclass calls this `__init__` first and sets `_info` before its own returns. Its `_run` ends
    soon after `_stop` is set, and `_release` lets go of what it holds. `_info` describes the
    original pictures; `info` describes them as handed out.
    """

    _info: SourceInfo

    def __init__(self, rotate: int = 0) -> None:
        """`rotate`: see `SourceOptions`."""
        self._rotate = rotate
        self._gate = Gate(rotate)
        self._stop = threading.Event()
        # A generator: nothing runs before the first frame is asked for.
        self._frames = self._run()

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

    @abstractmethod
    def _run(self) -> Generator[Frame, None, None]:
        """Yield the frames until the source ends or `_stop` is set."""

    def _release(self) -> None:  # noqa: B027
        """Let go of what is held, if anything is; `close` may call it twice."""
