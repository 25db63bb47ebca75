"""Finds expressions in all regions at once, against the face's own noise.

What an expression does to a course is a bend: the face goes and comes back. A bend is the
displacement at one moment against the mean of the moments before and after it, so slow motion of
the head does not count. The bends of the last seconds give the noise of all regions together, and
how it goes together: a head that nods moves both brows. The filter looks for the patterns of
expressions (`realtime.spotting.expression_patterns`) where this noise is weak. It is the
generalised likelihood-ratio test for a known shape in coloured noise (S. M. Kay, Fundamentals of
Statistical Signal Processing, vol. II, 1998, section 13.4); each bend counts at most as much as a
usual one (D. E. Tyler, Ann. Statist. 15, 1987), so that blinks and speech do not spoil the
estimate.
"""

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from model.records import ArrayF64
from realtime.spotting.blinks import FACE_TAIL_S, LONGEST_S, Blinks
from realtime.spotting.expression_patterns import blink_noise, usual_noise
from realtime.spotting.region_pulse import RETURNED, SETTLED, Pulse, foot, variation_ratio
from realtime.spotting.smoothing import History

REACHES_S = (0.13, 0.2)
"""How far before and after a moment its bend is measured: about half of an expression."""
MEMORY_S = 20.0
PRIOR_S, PRIOR_PX = 3.0, 0.1
"""The noise of an unknown face, and for how long that counts as seen."""
SHRINKAGE = 0.15
"""Share of noise that is taken to be as that of an unknown face."""
FLOW_NOISE_PX = 0.02
"""Noise that is never missing: what the flow itself adds."""
OUTLIER_S, OUTLIER_SHARE = 5.0, 0.5
"""What stands out of the noise like an expression does not count as noise, unless it filled
`OUTLIER_SHARE` of the last seconds."""
LEAST_FLANK = 0.3
"""An expression rises and falls: each flank has at least this share of its bend."""
_EVERY_S = 0.1
_WAIT_S = 0.7  # until it is known whether a bend belongs to an expression
_NEAR_S = 0.2  # a bend of an expression changes those within this time


@dataclass(frozen=True, slots=True)
class Match:
    """A bend that looks like an expression."""

    strength: float
    """In standard deviations of the noise in this direction."""
    direction: ArrayF64
    """(2 R,): a course times this is the course in standard deviations."""
    apex_s: float
    reach_s: float


@dataclass(frozen=True, slots=True)
class _Waiting:
    time_s: float
    bends: list[ArrayF64]


class MatchedFilter:
    """The filter for one face. Feed it every sample, in order."""

    def __init__(self, patterns: ArrayF64, blinks: Blinks) -> None:
        """`patterns`: (P, 2 R) directions of expressions. `blinks` is kept up to date."""
        self._blinks = blinks
        self._noises = [_Noise(patterns) for _ in REACHES_S]
        self._outlier_share = 0.6  # a face that has not rested for a second is noise
        self._waiting: deque[_Waiting] = deque()
        self._outliers: deque[float] = deque()
        self._skipped: deque[tuple[float, float]] = deque(maxlen=8)

    def clear(self) -> None:
        """Forget bends that wait; keep the noise."""
        for each in (self._waiting, self._outliers, self._skipped):
            each.clear()

    def skip(self, from_s: float, to_s: float) -> None:
        """Do not learn from this time: an expression, or something else that is no noise."""
        self._skipped.append((from_s, to_s))

    def push(self, history: History) -> Match | None:
        """Return the strongest match that ends at the newest entry of `history`; None at first."""
        times, values = history.times_s, history.values
        now_s = float(times[-1])
        if now_s - 2 * max(REACHES_S) < times[0]:
            return None
        begins = times.searchsorted([now_s - 2 * reach_s for reach_s in REACHES_S])
        middles = times.searchsorted([now_s - reach_s for reach_s in REACHES_S])
        bends: list[ArrayF64] = []
        best: Match | None = None
        for reach_s, noise, first, middle in zip(
            REACHES_S, self._noises, begins, middles, strict=True
        ):
            bends.append(values[middle] - (values[first] + values[-1]) / 2)
            base, share, blink = self._base(times, first, middle)
            before, after = values[middle] - values[base], values[middle] - values[-1]
            strength, direction = noise.match(share * before + (1 - share) * after, blink)
            if best is None or strength > best.strength:
                flank = min(before @ direction, after @ direction)
                if flank > LEAST_FLANK * strength:
                    best = Match(strength, direction, float(times[middle]), reach_s)
        if best is not None and best.strength > OPEN_SD:
            self._outliers.append(best.apex_s)
        while self._outliers and now_s - self._outliers[0] > _KEEP_S:
            self._outliers.popleft()
        if not self._waiting or now_s - self._waiting[-1].time_s >= _EVERY_S:
            self._waiting.append(_Waiting(now_s, bends))
        while self._waiting and now_s - self._waiting[0].time_s >= _WAIT_S:
            self._learn(self._waiting.popleft())
        return best

    def _base(self, times: ArrayF64, first: int, middle: int) -> tuple[int, float, float]:
        """Return the position that a bend is measured from, how much of the bend it makes, and the
        bend's share of a blink's variance. In a blink it is the position before: it says where the
        face was."""
        first_s, middle_s, now_s = times[[first, middle, -1]].tolist()
        blinks, share = self._blinks, 0.5
        moved = blinks.share_at(first_s)
        if moved > 0:
            base = int(times.searchsorted(blinks.start_before(first_s))) - 1
            if base >= 0 and first_s - times[base] < LONGEST_S:
                first, moved = base, 0.0
                share = (now_s - middle_s) / (now_s - float(times[base]))
        moved = math.hypot(
            share * moved, blinks.share_at(middle_s), (1 - share) * blinks.share_at(now_s)
        )
        return first, share, moved**2

    def _learn(self, waited: _Waiting) -> None:
        end_s = waited.time_s
        for reach_s, noise, bend in zip(REACHES_S, self._noises, waited.bends, strict=True):
            middle_s = end_s - reach_s
            begin_s = middle_s - reach_s
            if self._blinks.moved_in(begin_s, end_s, FACE_TAIL_S):
                continue
            if any(a < end_s and begin_s < b for a, b in self._skipped):
                continue
            is_outlier = any(abs(at_s - middle_s) < _NEAR_S for at_s in self._outliers)
            self._outlier_share += (
                _EVERY_S / OUTLIER_S / len(REACHES_S) * (is_outlier - self._outlier_share)
            )
            if not is_outlier or self._outlier_share > OUTLIER_SHARE:
                noise.learn(bend)


OPEN_SD = 4.5
"""A match opens a pulse when it is this strong."""
HEIGHT_SD = 4.0
"""The least height of a pulse over both its feet, along the direction of its match."""
BACKING_SD, BACKING_BLINK_FACTOR = 3.0, 1.5
"""The whole face backs a pulse of one half by a match of at least this strength; near a blink by
this factor more."""
LEAD_S = 0.45
"""An expression rises within this time before its apex."""
STILL_BEFORE_S, STILL_UNTIL_S = 0.8, 0.1
"""The face must rest for this time before an expression; until then the expression itself bends
the course."""
MOST_MOTION_BEFORE = 0.7
"""An expression of the whole face stands out of rest: before it, nothing may have bent the course
by more than this share of its strength."""
SLOW = 1.0
"""A flank ends where the course goes on by less than this share of its height a second: the head's
slow motion is not part of an expression."""
SETTLE_S = 0.06
"""A course that has not fallen for this long has returned as far as it will."""
HELD_S = 0.6
"""A course that has not returned this long after its apex is no micro-expression."""
_KEEP_S = 3.0


@dataclass(frozen=True, slots=True)
class _Last:
    """The last pulse: the end of the one before it, and its strength in standard deviations."""

    after_s: float
    strength: float


class MatchedPulses:
    """Follows expressions of the whole face along the direction in which they stand out."""

    def __init__(self, patterns: ArrayF64, blinks: Blinks) -> None:
        """`patterns`: (P, 2 R) directions of expressions. `blinks` is kept up to date."""
        self._blinks = blinks
        self._filter = MatchedFilter(patterns, blinks)
        self.opening = 1.0
        """Share of `OPEN_SD` and `HEIGHT_SD` at which a pulse opens."""
        self.reset()

    def reset(self) -> None:
        """Forget the open pulse, but keep the noise measurement."""
        self._filter.clear()
        self._recent: deque[tuple[float, float]] = deque()
        self._match: Match | None = None
        self._shown = False
        self._after_s = -np.inf
        self._last: _Last | None = None
        self._rejected: _Last | None = None

    def reject(self) -> None:
        """Say that the pulse that has just ended is no expression. A stronger match may then take
        its place, as if it were still open."""
        self._rejected = self._last

    def skip(self, from_s: float, to_s: float) -> None:
        """Do not take this time for noise."""
        self._filter.skip(from_s, to_s)

    def backing(self, pulse: Pulse) -> float:
        """Return how strong the strongest match is whose apex is within `pulse`, of one half of the
        face, over what is needed."""
        from_s, to_s = pulse.onset_s, pulse.offset_s
        strength = max((sd for t, sd in self._recent if from_s <= t <= to_s), default=0.0)
        blinked = self._blinks.moved_in(from_s, to_s)
        return strength / (BACKING_SD * (BACKING_BLINK_FACTOR if blinked else 1.0))

    def moved_before(self, pulse: Pulse) -> bool:
        """Return whether the face moved before `pulse`, nearly as strongly."""
        from_s, to_s = pulse.onset_s - STILL_BEFORE_S, pulse.onset_s - STILL_UNTIL_S
        before = max((sd for t, sd in self._recent if from_s <= t <= to_s), default=0.0)
        return before > MOST_MOTION_BEFORE * OPEN_SD * pulse.strength

    def push(self, history: History) -> Pulse | None:
        """Take in the newest entry of `history`; return the pulse that is open or just ended."""
        found = self._filter.push(history)
        now_s = float(history.times_s[-1])
        if found is not None:
            self._recent.append((found.apex_s, found.strength))
        while self._recent and now_s - self._recent[0][0] > _KEEP_S:
            self._recent.popleft()
        opens_sd = OPEN_SD * self.opening
        least_sd = opens_sd if self._match is None else self._match.strength
        if found is not None and found.strength > least_sd:
            instead = self._rejected
            if found.apex_s > self._after_s:
                self._match = found
            elif instead and found.apex_s > instead.after_s and found.strength > instead.strength:
                self._match, self._after_s, self._rejected = found, instead.after_s, None
        if self._match is None:
            return None
        match = self._match
        pulse, height_sd = self._measure(history, match)
        if pulse.state != "open":
            self._match = None
        # Before and after an expression its bend points the other way: there is no hill there, and
        # the expression itself is still to come.
        high = height_sd > HEIGHT_SD * self.opening
        if not (high or self._shown):
            return None
        if pulse.state != "open":
            self._last, self._rejected = _Last(self._after_s, match.strength), None
            self._after_s = pulse.offset_s if pulse.state == "ended" else now_s
        self._shown = pulse.state == "open"
        return pulse if high else replace(pulse, depth=0.0)

    def _measure(self, history: History, match: Match) -> tuple[Pulse, float]:
        begin = history.since(max(match.apex_s - LEAD_S, self._after_s))
        times = history.times_s[begin:]
        values = history.values[begin:]
        course = values @ match.direction
        low, high = np.searchsorted(times, match.apex_s + np.array([-0.5, 0.5]) * match.reach_s)
        low = min(int(low), len(times) - 1)
        apex = int(low + np.argmax(course[low : high + 1]))
        drifting = course + SLOW * float(np.ptp(course)) * np.abs(times - times[apex])
        left = int(np.argmin(drifting[: apex + 1]))
        right = apex + int(np.argmin(drifting[apex:]))
        top, before, after, last = course[apex], course[left], course[right], course[-1]
        rise = max(float(top - before), 1e-9)
        fall = float(top - last) / rise
        onset_s = foot(times[apex::-1], course[apex::-1], float(before), float(top))
        offset_s = foot(times[apex:], course[apex:], float(after), float(top))
        now_s = float(times[-1])
        settled = (top - after) / rise >= SETTLED and now_s - times[right] >= SETTLE_S
        returned = fall >= RETURNED and now_s >= offset_s
        held = now_s - match.apex_s > HELD_S
        chord = values[left] + (values[right] - values[left]) * (apex - left) / max(right - left, 1)
        pulse = Pulse(
            state="ended" if returned or settled else "held" if held else "open",
            onset_s=max(onset_s, float(times[0])),
            apex_s=float(times[apex]),
            offset_s=min(offset_s, now_s) if returned or settled else now_s,
            fall=fall,
            depth=float(top - max(before, after)) / rise,
            variation_ratio=variation_ratio(times, course, onset_s, offset_s),
            motion=(values[apex] - chord).reshape(-1, 2),
            strength=match.strength / OPEN_SD,
            direction=match.direction,
        )
        return pulse, float(top - (before if pulse.state == "open" else max(before, after)))


class _Noise:
    """The noise of bends of one reach."""

    def __init__(self, patterns: ArrayF64) -> None:
        self._patterns = patterns
        self._covariance = PRIOR_PX**2 * usual_noise()
        self._seen_s = PRIOR_S
        self._prepare()

    def match(self, bend: ArrayF64, blink: float) -> tuple[float, ArrayF64]:
        """Return the strength of the best pattern and its direction, in a bend with this share of
        a blink's variance."""
        directions = self._directions
        if blink > 0:
            directions = self._whiten(np.linalg.inv(self._noise + blink * blink_noise()))
        strengths = directions @ bend
        best = int(strengths.argmax())
        return float(strengths[best]), directions[best]

    def learn(self, bend: ArrayF64) -> None:
        """Take in a bend, `_EVERY_S` after the last one."""
        self._seen_s = min(self._seen_s + _EVERY_S, MEMORY_S)
        share = _EVERY_S / self._seen_s
        far = float(bend @ self._inverse @ bend) / len(bend)
        sample = np.outer(bend, bend) / max(far, 1.0)
        self._covariance += share * (sample - self._covariance)
        self._prepare()

    def _prepare(self) -> None:
        size = len(self._covariance)
        mean = float(np.trace(self._covariance)) / size
        self._noise = (1 - SHRINKAGE) * self._covariance + SHRINKAGE * mean * usual_noise()
        self._noise.ravel()[:: size + 1] += FLOW_NOISE_PX**2  # its diagonal
        self._inverse = np.linalg.inv(self._noise)
        self._directions = self._whiten(self._inverse)

    def _whiten(self, inverse: ArrayF64) -> ArrayF64:
        directions: ArrayF64 = self._patterns @ inverse
        scale = np.einsum("ij,ij->i", directions, self._patterns)
        directions /= np.sqrt(scale)[:, None]
        return directions
