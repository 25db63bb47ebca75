"""What disturbed a face lately, and by how much more a region has to move because of it."""

from collections import deque
from collections.abc import Iterable

import numpy as np

from model.records import ArrayF64, MotionSample
from realtime.spotting.motion import REGIONS

BLINK_BROWS = 2.0
"""A blink raises the thresholds of the brows by this factor; the lids it silences."""
BLINK_REST = 1.5
"""The rest of the face it moves little, but the head's motion is taken from all of it."""
BLINK_LEAD_S, BLINK_TAIL_S = 0.1, 0.15
"""The lids move this long before and after an eye counts as closed."""
HEAD_TRAVEL_S, HEAD_RISE_PER_PX = 0.3, 0.1
"""Each px that the head travels within `HEAD_TRAVEL_S` raises all thresholds by this share: what
turns out of the plane does not move as one."""
JUMP_S = 0.05
"""A jump of the light spoils this much time on either side."""

_BROWS = np.array([name.startswith("brow") for name in REGIONS])
_LIDS = np.array([name.startswith("lid") for name in REGIONS])


class Nuisances:
    """Blinks, jumps of the light and head motion of the last seconds."""

    def __init__(self, keep_s: float) -> None:
        """`keep_s`: how far back it can be asked."""
        self._keep_s = keep_s
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._blinks: deque[float] = deque()
        self._jumps: deque[float] = deque()
        self._travels: deque[tuple[float, float]] = deque()
        self._places: deque[tuple[float, ArrayF64]] = deque()

    def push(self, sample: MotionSample) -> None:
        """Take in one sample; stamps increase."""
        now_s = sample.stamp.time_s
        if "blink" in sample.flags:
            self._blinks.append(now_s)
        if sample.flags & {"light", "texture"}:
            self._jumps.append(now_s)
        last = self._places[-1][1] if self._places else np.zeros(2)
        place = last + sample.head[:2]
        self._places.append((now_s, place))
        while now_s - self._places[0][0] > HEAD_TRAVEL_S:
            self._places.popleft()
        self._travels.append((now_s, float(np.hypot(*(place - self._places[0][1])))))
        while now_s - self._travels[0][0] > self._keep_s:
            self._travels.popleft()
        for times in (self._blinks, self._jumps):
            while times and now_s - times[0] > self._keep_s:
                times.popleft()

    def factor(self, from_s: float, to_s: float) -> ArrayF64:
        """By how much thresholds rise in that time, (R,) 1 or more; inf silences a region."""
        factor = np.full(len(REGIONS), 1 + HEAD_RISE_PER_PX * self.travel_px(from_s, to_s))
        if self._blinked(from_s, to_s):
            factor *= np.where(_BROWS, BLINK_BROWS, BLINK_REST)
            factor[_LIDS] = np.inf
        if self._jumped(from_s, to_s):
            factor[:] = np.inf
        return factor

    def name(self, from_s: float, to_s: float) -> str | None:
        """The worst of what disturbed that time, in words, or None."""
        if self._jumped(from_s, to_s):
            return "the light jumped"
        if self._blinked(from_s, to_s):
            return "a blink"
        if HEAD_RISE_PER_PX * self.travel_px(from_s, to_s) > 0.5:
            return "the head moved"
        return None

    def travel_px(self, from_s: float, to_s: float) -> float:
        """The head's way within `HEAD_TRAVEL_S` at most, in that time, crop px."""
        if from_s == to_s:  # the newest sample, asked for at each of them
            return self._travels[-1][1]
        return max((px for t, px in self._travels if from_s <= t <= to_s), default=0.0)

    def _blinked(self, from_s: float, to_s: float) -> bool:
        return _any(self._blinks, from_s - BLINK_TAIL_S, to_s + BLINK_LEAD_S)

    def _jumped(self, from_s: float, to_s: float) -> bool:
        return _any(self._jumps, from_s - JUMP_S, to_s + JUMP_S)


def _any(times: Iterable[float], from_s: float, to_s: float) -> bool:
    return any(from_s <= t <= to_s for t in times)
