"""How a recording stands: numbers and words for whoever looks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """How a recording stands."""

    folder: str
    frames: int
    """In the video."""
    dropped: int
    """Captured and not in the video."""
    seconds: float
    """Time of the source from the first frame recorded to the last."""
    failure: str
    """Why it stopped before the run did, and whether something that was to be forgotten is still
    there; empty if it did not."""
    warnings: tuple[str, ...] = ()
    """What the check list missed."""
    markers: str = ""
    """Why no markers of another program are heard; empty if they are, or none are asked for."""
    sound: str = ""
    """The microphone that is recorded too, and whether it is away; empty: there is no sound."""
