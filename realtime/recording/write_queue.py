"""Notes: what other threads leave for the recorder's to write.

Left in memory, so that it costs them no file access.
"""

import threading
from collections import deque
from dataclasses import dataclass

from model.records import Event
from realtime.sessions.ledger import Line
from realtime.sessions.markers import Marker

MAX_NOTES = 20_000
"""Notes of frames that wait for the writer: minutes of a disk that stands still, a few MB. Beyond
them, notes of analysed frames are dropped and counted; events and markers never are."""


@dataclass(frozen=True, slots=True)
class Note:
    """A frame's fate, an event, a marker, or what somebody did."""

    time_s: float
    """Of the frame that it speaks of: a redaction asks for it."""
    ledger: Line | None = None
    motion: str = ""
    event: Event | None = None
    marker: Marker | None = None
    audit: str = ""


class Notes:
    """First in, first out. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Note] = deque()
        self._ended = False
        self.lost = 0
        """How many were dropped."""

    def put(self, note: Note) -> bool:
        """Leave `note`; False, and it is not taken, after `end`."""
        with self._lock:
            if self._ended:
                return False
            if len(self._waiting) >= MAX_NOTES and note.ledger is not None:
                self.lost += 1
            else:
                self._waiting.append(note)
            return True

    def take(self) -> Note | None:
        """The oldest that waits; None if none does."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def end(self) -> None:
        """Take no more; what waits can still be taken out."""
        with self._lock:
            self._ended = True
