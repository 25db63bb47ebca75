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
    """Time of the source from the first recorded frame to the last."""
    failure: str
    """Why it stopped before the run did, and whether something to be forgotten is still there;
    empty if it did not."""
    warnings: tuple[str, ...] = ()
    """The failed checks of the check list."""
    markers: str = ""
    """Why no markers of another program arrive; empty if they do, or if no one asked for them."""
    sound: str = ""
    """The recorded microphone, and whether it is away; empty: there is no sound."""
