"""Blinks of the last seconds: when an eye was closed, and what of the face's motion is theirs."""

import math
from bisect import bisect
from collections import deque

LEAD_S = 0.1
"""Lids and face move from this long before an eye counts as closed…"""
LIDS_TAIL_S, FACE_TAIL_S = 0.15, 0.2
"""…until this long after: first the lids come to rest, then what the mesh moved with them."""
LONGEST_S = 0.6
"""The face before a longer blink says little about the face after it."""
SAME_IOU, SAME_LEAD_S = 0.7, 0.05
"""A movement is the blink itself if its intersection over union in time with the closed eye, which
begins to close a little earlier, is more than this."""


class Blinks:
    """The moments at which an eye was closed, oldest first."""

    def __init__(self, keep_s: float) -> None:
        """`keep_s` is how far back queries may go."""
        self._keep_s = keep_s
        self._closed_s: deque[float] = deque()

    def clear(self) -> None:
        """Forget everything."""
        self._closed_s.clear()

    def push(self, now_s: float, closed: bool) -> None:
        """Take in one moment; they increase."""
        if closed:
            self._closed_s.append(now_s)
        while self._closed_s and now_s - self._closed_s[0] > self._keep_s:
            self._closed_s.popleft()

    def moved_in(self, from_s: float, to_s: float, tail_s: float = LIDS_TAIL_S) -> bool:
        """Return whether a blink moved something in that time."""
        return any(from_s - tail_s <= t <= to_s + LEAD_S for t in self._closed_s)

    def fills(self, from_s: float, to_s: float) -> bool:
        """Return whether a blink took that time, and hardly more or less."""
        closed = [t for t in self._closed_s if from_s - LIDS_TAIL_S <= t <= to_s + LEAD_S]
        if not closed:
            return False
        first_s, last_s = closed[0] - SAME_LEAD_S, closed[-1]
        shared = min(last_s, to_s) - max(first_s, from_s)
        return shared > SAME_IOU * (max(last_s, to_s) - min(first_s, from_s))

    def share_at(self, moment_s: float) -> float:
        """Return how much of a blink's motion there is in the face, 0 to 1."""
        closed_s = self._closed_s
        after = bisect(closed_s, moment_s)
        since_s = moment_s - closed_s[after - 1] if after else math.inf
        until_s = closed_s[after] - moment_s if after < len(closed_s) else math.inf
        return max(0.0, 1 - since_s / FACE_TAIL_S, 1 - until_s / LEAD_S)

    def start_before(self, moment_s: float) -> float:
        """Return when the blink at a moment began to move the face."""
        start_s = moment_s
        for t in reversed(self._closed_s):
            if t - LEAD_S <= start_s <= t + FACE_TAIL_S:
                start_s = t - LEAD_S
        return start_s
