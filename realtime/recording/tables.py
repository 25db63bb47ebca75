"""The tables of a session, while it is recorded."""

from contextlib import ExitStack

from realtime.results.event_tables import MOTION_COLUMNS
from realtime.sessions.folder import SessionFolder
from realtime.sessions.ledger import LEDGER_HEADER
from realtime.sessions.line_file import LineFile
from realtime.sessions.redact import NOTHING, TableSizes

AHEAD_S = 60.0
"""The analysis is ahead of the recorder by less: both follow the ring."""


class Tables:
    """The files to which the recorder's thread appends lines."""

    def __init__(self, folder: SessionFolder) -> None:
        """Open them. Raises `OSError`."""
        self._folder = folder
        self._begun: dict[int, tuple[float, TableSizes]] = {}
        self.open()

    def open(self) -> None:
        """Open them again after `close`."""
        self.ledger = LineFile(self._folder.frames, LEDGER_HEADER)
        self.motion = LineFile(self._folder.motion, ",".join(MOTION_COLUMNS))
        self.events = LineFile(self._folder.events)
        self.markers = LineFile(self._folder.markers)
        self.audit = LineFile(self._folder.audit)
        self._open = [self.ledger, self.motion, self.events, self.markers, self.audit]

    def sync(self) -> None:
        """Return when everything written is on the disk, the ledger first."""
        for table in self._open:
            table.sync()

    def close(self) -> None:
        """Close them all, even if one of them cannot be closed; then raises `OSError`."""
        tables, self._open = self._open, []
        with ExitStack() as closing:
            for table in tables:
                closing.callback(table.close)

    def begin_part(self, part: int, time_s: float) -> None:
        """Note that a `part` of the video begins at `time_s`, before its first line; for a part
        that has begun this does nothing."""
        if part not in self._begun:
            self._begun[part] = time_s, TableSizes(self.ledger.size, self.motion.size)

    def sizes_before(self, start_s: float) -> TableSizes:
        """Return how much of the tables is about frames before `start_s`: up to the part before it,
        not exactly."""
        begun = self._begun.values()
        before = [sizes for begin_s, sizes in begun if begin_s <= start_s - AHEAD_S]
        return before[-1] if before else NOTHING
