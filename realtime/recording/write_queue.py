"""What other threads leave for the recorder's thread to write.

They stay in memory, so that those threads touch no files.
"""

import threading
from collections import deque
from dataclasses import dataclass

from model.records import Event
from realtime.results.event_tables import Row
from realtime.sessions.ledger import LedgerLine
from realtime.sessions.markers import Marker

MAX_NOTES = 20_000
"""Entries that may wait for the writer: 50 MB, minutes of a stalled disk. Beyond that, notes
about frames are dropped and counted; events and markers are always kept."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A frame's fate, an event, a marker, or somebody's action."""

    time_s: float
    """The source's time of what it describes; redactions need it."""
    ledger: LedgerLine | None = None
    motion: Row | None = None
    """Not as text yet: the thread of the pipeline must not wait for that."""
    event: Event | None = None
    marker: Marker | None = None
    audit: str = ""


class WriteQueue:
    """First in, first out. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[QueueEntry] = deque()
        self._ended = False
        self.dropped = 0
        """Number of dropped notes."""

    def put(self, note: QueueEntry) -> bool:
        """Leave `note`. Returns False after `end`: the note is not taken."""
        with self._lock:
            if self._ended:
                return False
            if len(self._waiting) >= MAX_NOTES and note.ledger is not None:
                self.dropped += 1
            else:
                self._waiting.append(note)
            return True

    def take(self) -> QueueEntry | None:
        """Return the oldest waiting note; None if there is none."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def end(self) -> None:
        """Accept no more notes; `take` still returns the waiting ones."""
        with self._lock:
            self._ended = True
