"""The state of a recording, as numbers and words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """The state of a recording."""

    folder: str
    frames: int
    """Frames in the video."""
    dropped: int
    """Frames captured but not in the video."""
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
