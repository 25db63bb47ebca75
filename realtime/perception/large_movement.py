"""Names a large movement while it lasts, for the page.

Its event comes only once it is over. Until then the network names what there is of it: the phase
from the face before it to its peak so far, without the second phase, as it names a micro-expression
at its apex. Such a name is no result: it is neither recorded nor counted. It is made only while
somebody reads it.
"""

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from model.inference.naming import NamedExpression
from model.records import ArrayF32, MotionSample, Prediction, SpotSignal, Stamp

LEAD_S = 0.3
"""A movement counts as large a while after it began: the face before it is this much earlier."""
PAUSE_S = 0.2
"""A movement that is not large for longer is over."""
EVERY_S = 0.25
GROWTH = 1.15
"""It is named again at most so often, and only once its peak is so much higher."""

Name = Callable[[Stamp, Stamp], Future[NamedExpression] | None]
"""Names the movement from a face to another; None: not now, or one of them is no longer kept."""


class LargeMovement:
    """Follows one face. Not thread-safe."""

    def __init__(self, name: Name) -> None:
        self._name = name
        self._before: deque[tuple[Stamp, ArrayF32]] = deque()
        self._track: int | None = None
        self._onset: tuple[Stamp, ArrayF32] | None = None
        self._peak: Stamp | None = None
        self._peak_px = self._named_px = 0.0
        self._last_s = self._named_s = -math.inf
        self._naming: Future[NamedExpression] | None = None
        self._prediction: Prediction | None = None
        self._read = False  # since it was last named

    @property
    def prediction(self) -> Prediction | None:
        """The name of the movement so far; None if there is none, or it is not named yet. For any
        thread."""
        self._read = True
        return self._prediction

    def push(self, motion: MotionSample | None, signal: SpotSignal | None) -> None:
        """Take in a frame's motion; None without a face."""
        if motion is None or signal is None or motion.track != self._track:
            self._end()
            self._before.clear()
            self._track = None if motion is None else motion.track
            if motion is None or signal is None:
                return
        now = motion.stamp
        self._before.append((now, motion.displacement))
        while now.time_s - self._before[0][0].time_s > LEAD_S:
            self._before.popleft()
        if signal.large:
            self._last_s = now.time_s
            self._onset = self._onset or self._before[0]
        elif self._onset is not None and now.time_s - self._last_s > PAUSE_S:
            self._end()
        if self._onset is not None:
            self._follow(now, motion.displacement, *self._onset)

    def _follow(self, now: Stamp, displacement: ArrayF32, onset: Stamp, rest: ArrayF32) -> None:
        moved_px = float(np.hypot(*(displacement - rest).T).max())
        if self._peak is None or moved_px > self._peak_px:
            self._peak, self._peak_px = now, moved_px
        if self._naming is not None and self._naming.done():
            if self._naming.exception() is None:  # otherwise the next expression reports it
                self._prediction = self._naming.result().prediction
            self._naming = None
        due = now.time_s - self._named_s >= EVERY_S and self._peak_px > GROWTH * self._named_px
        if self._naming is None and due and self._read:
            self._naming = self._name(onset, self._peak)
            if self._naming is not None:
                self._named_s, self._named_px = now.time_s, self._peak_px
                self._read = False

    def _end(self) -> None:
        self._onset = self._peak = self._naming = self._prediction = None
        self._peak_px = self._named_px = 0.0
        self._last_s = self._named_s = -math.inf
