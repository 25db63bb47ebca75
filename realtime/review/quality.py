"""How good a recording is: rate, jitter, losses by cause, face in view, sound."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from realtime.review.motion_lanes import MotionLanes
from realtime.review.sound import Sound
from realtime.sessions.reader import Session


@dataclass(frozen=True, slots=True)
class Quality:
    """What the ledger and the motion table say about a session."""

    seconds: float
    """Length from the first recorded frame to the last."""
    recorded: int
    lost: Mapping[str, int]
    """Frames missing from the video, by cause, including redacted ones."""
    interval_ms: tuple[float, float, float]
    """Between frames that follow each other: median, 5th and 95th percentile; NaN below two."""
    longest_gap_s: float
    """Longest interval between two frames of the video."""
    analysed: int
    """Frames that were analysed live, including late ones."""
    late: int
    faces: int
    """Analysed frames with a face."""
    silent_s: Mapping[str, float] | None
    """Missing sound by cause; None if no sound was to be recorded."""

    @property
    def fps(self) -> float:
        """Rate of consecutive frames, from the median interval."""
        return 1000 / self.interval_ms[0]

    @property
    def lost_share(self) -> float:
        """Share of all frames that are missing from the video, 0 to 1."""
        lost = sum(self.lost.values())
        return lost / (lost + self.recorded) if lost else 0.0

    @property
    def face_share(self) -> float:
        """Share of the analysed frames with a face, 0 to 1; NaN if none was analysed."""
        return self.faces / self.analysed if self.analysed else float("nan")

    @property
    def silent_share(self) -> float:
        """Share of the length without sound, if sound was to be recorded, 0 to 1."""
        return sum((self.silent_s or {}).values()) / self.seconds if self.seconds else 0.0


def measure(session: Session, motion: MotionLanes, sound: Sound | None) -> Quality:
    """Return the quality of `session` from its motion table `motion` and its `sound`, if it was
    recorded."""
    lost: Counter[str] = Counter()
    recorded = [frame for frame in session.frames if frame.fate == "recorded"]
    for frame in session.frames:
        if frame.fate != "recorded":
            lost[frame.cause or frame.fate] += frame.count
    times_s = np.array([frame.stamp.time_s for frame in recorded])
    indices = np.array([frame.index for frame in recorded])
    steps_ms = 1e3 * np.diff(times_s)
    following = steps_ms[np.diff(indices) == 1]
    median, low, high = (
        np.percentile(following, [50, 5, 95]) if len(following) else [float("nan")] * 3
    )
    return Quality(
        seconds=session.seconds,
        recorded=len(recorded),
        lost=dict(lost),
        interval_ms=(float(median), float(low), float(high)),
        longest_gap_s=float(steps_ms.max()) / 1e3 if len(steps_ms) else 0.0,
        analysed=sum(f.count for f in session.frames if f.analysis in ("analysed", "late")),
        late=sum(f.count for f in session.frames if f.analysis == "late"),
        faces=int(motion.with_face.sum()),
        silent_s=None if sound is None else _silent(sound),
    )


def _silent(sound: Sound) -> dict[str, float]:
    found: dict[str, float] = {}
    for start_s, end_s, why in sound.missing():
        found[why] = found.get(why, 0.0) + end_s - start_s
    return found
