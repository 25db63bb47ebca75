"""Quality of a recording: rate, jitter, losses by cause, face in view, sound."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from realtime.review.motion_lanes import MotionLanes
from realtime.review.session_sound import SessionSound
from realtime.sessions.reader import Session


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of a session, by its ledger and its motion table."""

    seconds: float
    """Length from 0 s of the video to the last recorded frame."""
    unobserved_s: float
    """How much of it was deleted since, or paused: it does not count in rates."""
    recorded: int
    losses: Mapping[str, int]
    """Number of frames missing from the video, by cause; redacted ones count."""
    interval_ms: tuple[float, float, float]
    fps: float
    """Both as `Session` has them."""
    longest_gap_s: float
    """Longest interval between two frames of the video."""
    analysed: int
    """Number of frames that were analysed live; late ones count."""
    late: int
    faces: int
    """Number of analysed frames with a face."""
    silent_s: Mapping[str, float] | None
    """Missing sound by cause; None if the session has no sound."""

    @property
    def loss_share(self) -> float:
        """Share of all frames that are missing from the video, 0 to 1."""
        lost = sum(self.losses.values())
        return lost / (lost + self.recorded) if lost else 0.0

    @property
    def face_share(self) -> float:
        """Share of the analysed frames that have a face, 0 to 1; NaN if none was analysed."""
        return self.faces / self.analysed if self.analysed else float("nan")

    @property
    def silent_share(self) -> float:
        """Share of the session for which sound is missing, 0 to 1; 0 if it has no sound."""
        return sum((self.silent_s or {}).values()) / self.seconds if self.seconds else 0.0


def measure_quality(session: Session, motion: MotionLanes, sound: SessionSound | None) -> Quality:
    """Return the quality of `session`. `motion`: its motion table; `sound`: None if it has none."""
    frames = session.frames
    recorded = frames.recorded
    lost: Counter[str] = Counter()
    for place in np.flatnonzero(~recorded).tolist():
        lost[frames.why(place)] += int(frames.counts[place])
    silent_s: defaultdict[str, float] = defaultdict(float)
    for start_s, end_s, why in sound.find_gaps() if sound is not None else ():
        silent_s[why] += end_s - start_s
    steps_ms = 1e3 * np.diff(frames.time_s[recorded])
    return Quality(
        seconds=session.seconds,
        unobserved_s=session.seconds - session.observed_s(),
        recorded=int(recorded.sum()),
        losses=dict(lost),
        interval_ms=session.interval_ms,
        fps=session.fps,
        longest_gap_s=float(steps_ms.max()) / 1e3 if len(steps_ms) else 0.0,
        analysed=int(frames.counts[frames.analysed].sum()),
        late=int(frames.counts[frames.late].sum()),
        faces=int(motion.with_face.sum()),
        silent_s=None if sound is None else dict(silent_s),
    )
