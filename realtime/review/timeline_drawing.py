"""The timeline of a report: what the template `timeline.svg` draws."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from realtime.review.motion_lanes import LANES, MotionLanes
from realtime.review.session_sound import LANE_DB, SessionSound
from realtime.sessions.export_rows import QuestionSpan, find_questions
from realtime.sessions.reader import Session

CURVE_BINS = 700
TOP = 2.5
"""Value at the top of a lane; 1 is the threshold."""
CURVE_GAP_S = 0.5
"""A longer stretch without values breaks the curve."""
_TICKS_S = (1, 5, 10, 30, 60, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class TimelineDrawing:
    """A whole session. Times are s of the video, lengths units of the drawing."""

    seconds: float
    curves: dict[str, str]
    """Path of the motion's curve by lane; y is 0 at the foot of the lane."""
    loudness: str | None
    """Path of the loudness bars; None without sound."""
    gaps: list[tuple[float, float]]
    """Start and end of missing video."""
    silences: list[tuple[float, float]]
    """Start and end of missing sound."""
    questions: list[QuestionSpan]
    width = 1000
    left = 56
    top = 46
    lane = 34
    tall = 26
    """Height of the highest curve in a lane."""
    threshold = tall / TOP
    """Height of the threshold in a lane."""

    @property
    def height(self) -> int:
        """Height of the drawing."""
        return self.top + self.lane * (len(self.curves) + (self.loudness is not None)) + 20

    @property
    def ticks(self) -> range:
        """The seconds that get a label."""
        every = next((s for s in _TICKS_S if self.seconds / s <= 14), _TICKS_S[-1])
        return range(0, int(self.seconds) + 1, every)

    def x(self, time_s: float) -> float:
        """Return the x of a time."""
        return self.left + time_s / self.seconds * (self.width - self.left)


def draw_timeline(
    session: Session, motion: MotionLanes, sound: SessionSound | None
) -> TimelineDrawing:
    """Return the timeline of the whole session."""
    seconds = max(session.seconds, 1e-6)
    zero_s = session.zero_s
    return TimelineDrawing(
        seconds,
        _curves(motion, zero_s, seconds),
        None if sound is None else _bars(sound.loudness(0, seconds, CURVE_BINS)),
        [(start_s - zero_s, end_s - zero_s) for start_s, end_s, _ in session.gaps()],
        [] if sound is None else [(start_s, end_s) for start_s, end_s, _ in sound.find_gaps()],
        find_questions(session),
    )


def draw_motion(motion: MotionLanes) -> TimelineDrawing:
    """Return the timeline of an analysed recording, from its first frame to its last."""
    times_s = motion.times_s
    zero_s = float(times_s[0]) if len(times_s) else 0.0
    seconds = max(float(times_s[-1]) - zero_s, 1e-6) if len(times_s) else 1e-6
    return TimelineDrawing(seconds, _curves(motion, zero_s, seconds), None, [], [], [])


def _curves(motion: MotionLanes, zero_s: float, seconds: float) -> dict[str, str]:
    over = motion.bin_peaks(zero_s, zero_s + seconds, CURVE_BINS)
    return {n: _curve(values, seconds / CURVE_BINS) for n, values in zip(LANES, over, strict=True)}


def _curve(values: Sequence[float | None], bin_s: float) -> str:
    step = (TimelineDrawing.width - TimelineDrawing.left) / CURVE_BINS
    path, last = "", -math.inf
    for i, value in enumerate(values):
        if value is not None:
            to = "M" if (i - last) * bin_s > max(CURVE_GAP_S, 1.5 * bin_s) else "L"
            up = min(value, TOP) * TimelineDrawing.threshold
            path += f"{to}{TimelineDrawing.left + (i + 0.5) * step:.1f},{-up:.1f}"
            last = i
    return path


def _bars(levels: Sequence[float | None]) -> str:
    step = (TimelineDrawing.width - TimelineDrawing.left) / CURVE_BINS
    path = ""
    for i, level in enumerate(levels):
        if level is not None:
            up = max(0.5, (1 - level / LANE_DB) * TimelineDrawing.tall)
            path += f"M{TimelineDrawing.left + i * step:.1f},0v{-up:.1f}h{step:.2f}V0z"
    return path
