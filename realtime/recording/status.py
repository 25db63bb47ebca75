"""The state of a recording, as numbers and words."""

from dataclasses import dataclass

from realtime.sessions.redact import RedactedFrames


@dataclass(slots=True)
class FrameCounts:
    """How many frames of a recording are in its video, and how many are not. The ledger has the
    same numbers."""

    recorded: int = 0
    dropped: int = 0
    redacted: int = 0

    def redact(self, gone: RedactedFrames) -> None:
        """Count frames that were recorded or dropped as redacted."""
        self.recorded -= gone.recorded
        self.dropped -= gone.dropped
        self.redacted += sum(gone)


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """The state of a recording."""

    folder: str
    frames: int
    """Frames in the video."""
    dropped: int
    """Frames captured but not in the video."""
    redacted: int
    """Frames that were deleted on request."""
    seconds: float
    """Length from the first recorded frame to the last, in the source's time."""
    failure: str
    """Why it stopped before the run, and whether something to be forgotten is still there; empty if
    it did not stop."""
    warnings: tuple[str, ...] = ()
    """The failed checks of the check list."""
    markers: str = ""
    """Why no markers of another program arrive; empty if they do, or nobody asked for them."""
    sound: str = ""
    """The recorded microphone, and whether it is away; empty: no sound is recorded."""
    level_db: float | None = None
    """How loud the sound is now (RMS), dB below full scale; None if nothing is heard."""
