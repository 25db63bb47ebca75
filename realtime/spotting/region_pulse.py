"""Follows one group of regions through rest, rise, apex and return.

A pulse opens when a region leaves its resting level by more than its threshold. From then on the
whole group is projected on the pulse's own direction, and every region is weighted by its noise.
The resulting time course has much less noise than any single region. Onset, apex and offset are
placed on it. All times are seconds of the stamps.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.records import ArrayF64
from realtime.spotting.smoothing import History


@dataclass(frozen=True, slots=True)
class Band:
    """The pulses that one follower looks for."""

    longest_s: float
    """A pulse that has not returned within this time does not belong to this band."""
    rest_s: float
    """The resting level is the median over this time of rest before the pulse."""
    settle_s: float
    """If a course has not fallen for this long, it has returned as far as it will."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is known about the open pulse, or about one that just ended."""

    state: Literal["open", "ended", "held"]
    """`held`: it did not return within the band's longest time."""
    onset_s: float
    apex_s: float
    offset_s: float
    """The newest stamp while the pulse is open."""
    fall: float
    """How far it has returned from the apex, 0–1."""
    depth: float
    """Height of the apex over the higher of both valleys, as a share of its height over rest."""
    variation_ratio: float
    """Length of the path from onset to offset over that of a plain rise and fall, 1 or more."""
    motion: ArrayF64
    """(G, 2) px: displacement of each region of the group at the apex, against rest."""
    strength: float = 0.0
    """How strongly it stands out of the whole face's noise, against what is needed; 0 if the
    group alone was followed."""
    direction: ArrayF64 | None = None
    """(2 R,) of a pulse of the whole face: a course times this is in standard deviations of the
    noise."""


RETURNED = 0.75
"""A pulse has returned when this share of its height is gone."""
SETTLED = 0.6
"""A pulse has also returned when this share is gone and the rest stays (a new resting place)."""
LOW, HIGH = 0.25, 0.75
"""The foot of a flank is extrapolated from where it crosses these shares of its height."""
FOOT = 1.0
"""How far to extrapolate, as a share of the time between both crossings: 0.5 suits a straight
flank, 1 a half cosine."""
NOISE_HISTORY_S = 10.0
ACTIVITY_HISTORY_S, ACTIVITY_SHARE, ACTIVITY_FACTOR = 2.0, 0.65, 2.0
"""A group that moved for more than 1 − `ACTIVITY_SHARE` of the last seconds (speech) must move
`ACTIVITY_FACTOR` times as far as it did then."""
_NOISE_EVERY_S = 0.1
_REST_SAMPLES = 24  # in the resting time; more only cost time
_WARM_UP_S = 0.3
_VARIATION_STEP_S = 0.05  # finer steps would count noise


class PulseFollower:
    """Follows the pulses of one group of regions."""

    def __init__(
        self,
        regions: NDArray[np.int64],
        band: Band,
        floor_px: ArrayF64,
        noise_factor: float,
    ) -> None:
        """`regions`: (G,) positions among all regions; `floor_px`: (G,) lowest threshold;
        `noise_factor`: threshold over the regions' median deviation from rest."""
        self._columns = np.stack([2 * regions, 2 * regions + 1], axis=1).ravel()
        self._band = band
        self.floor_px = floor_px
        """(G,) px: the lowest threshold."""
        self._noise_factor = noise_factor
        self._deviations: deque[tuple[float, ArrayF64]] = deque()
        self.noise_px = np.zeros(len(regions))
        """(G,) px: a multiple of the median deviation from rest of the last seconds."""
        self._activity_px = np.zeros(len(regions))
        self.strength = np.zeros(len(regions))
        """(G,) px: distance from rest at the newest sample."""
        self.reset()

    def reset(self) -> None:
        """Forget the pulse and the resting level, but keep the noise measurement."""
        self._rest: deque[tuple[float, ArrayF64]] = deque()
        self._level = np.zeros(len(self._columns))
        self._open_s: float | None = None
        self._after_s = -np.inf
        self._armed = True
        self._factor = np.ones(len(self.floor_px))  # the largest since the pulse opened

    @property
    def threshold(self) -> ArrayF64:
        """(G,) px: `strength` must exceed this when nothing disturbs."""
        return np.maximum(self.floor_px, self._activity_px)

    @property
    def quiet_px(self) -> ArrayF64:
        """(G,) px: a face at rest stays below this, however much it moved recently."""
        return np.maximum(self.floor_px, self.noise_px)

    def distance_from_rest(self, history: History, from_s: float, to_s: float) -> float:
        """Return the greatest distance from rest in that time, in thresholds."""
        begin, end = history.since(from_s), history.since(to_s)
        if begin >= end:
            return 0.0
        return self._in_thresholds(history.values[begin:end, self._columns] - self._level)

    def distance(self, motion: ArrayF64) -> float:
        """Return the greatest length in `motion`, (n, 2 R) px of all regions, in thresholds."""
        return self._in_thresholds(motion[:, self._columns])

    def _in_thresholds(self, motion: ArrayF64) -> float:
        return float((np.hypot(motion[:, 0::2], motion[:, 1::2]) / self.threshold).max())

    def push(self, history: History, factor: ArrayF64) -> Pulse | None:
        """Take in the newest entry of `history`; return the pulse that is open or has just ended.

        `factor`, (G,), raises the thresholds (inf silences a region).
        """
        now_s = float(history.times_s[-1])
        value = history.values[-1, self._columns]
        if not self._rest:
            self._level = value
        self.strength = _lengths(value - self._level)
        self._learn_noise(now_s)
        share = float((self.strength / (self.threshold * factor)).max())
        if self._open_s is None:
            self._learn_rest(now_s, value)
            exceeds = share > 1
            warm = now_s - self._rest[0][0] >= _WARM_UP_S
            if not exceeds:
                self._armed = True
            if not (exceeds and warm and self._armed):
                return None
            self._open_s = now_s
            self._factor = factor
        self._factor = np.maximum(self._factor, factor)
        pulse = self._measure(history, self._open_s)
        if pulse.state != "open":
            self._close(history, pulse)
        return pulse

    def _measure(self, history: History, open_s: float) -> Pulse:
        begin = history.since(max(open_s - self._band.longest_s, self._after_s))
        times = history.times_s[begin:]
        first = min(int(np.searchsorted(times, open_s)), len(times) - 1)
        deviation = history.values[begin:, self._columns] - self._level
        scaled = deviation / np.repeat(self.threshold * self._factor, 2)
        energy = np.einsum("ij,ij->i", scaled[first:], scaled[first:])
        strongest = scaled[first + int(np.argmax(energy))]
        course = scaled @ strongest / max(strongest @ strongest, 1e-12)
        apex = first + int(np.argmax(course[first:]))

        before = max(0.0, float(course[: apex + 1].min()))
        after = max(0.0, float(course[apex:].min()))
        top = float(course[apex])
        fall = (top - float(course[-1])) / max(top, 1e-9)
        onset_s = foot(times[apex::-1], course[apex::-1], before, top)
        offset_s = foot(times[apex:], course[apex:], after, top)
        now_s = float(times[-1])
        lowest_s = float(times[apex + int(np.argmin(course[apex:]))])
        settled = 1 - after / max(top, 1e-9) >= SETTLED and now_s - lowest_s >= self._band.settle_s
        if (fall >= RETURNED and now_s >= offset_s) or settled:
            state: Literal["open", "ended", "held"] = "ended"
        elif now_s - onset_s > self._band.longest_s:
            state = "held"
        else:
            state = "open"
        return Pulse(
            state=state,
            onset_s=max(onset_s, float(times[0])),
            apex_s=float(times[apex]),
            offset_s=min(offset_s, now_s) if fall >= RETURNED or settled else now_s,
            fall=fall,
            depth=1 - max(before, after) / max(top, 1e-9),
            variation_ratio=variation_ratio(times, course, onset_s, offset_s),
            motion=deviation[apex].reshape(-1, 2),
        )

    def _close(self, history: History, pulse: Pulse) -> None:
        self._open_s = None
        if pulse.state == "ended":
            self._after_s = pulse.offset_s
            self._armed = False  # until the tail of this pulse is over
        else:
            # The held position is the new rest: start from where the face is now.
            self._after_s = float(history.times_s[-1])
            recent = history.since(self._after_s - _WARM_UP_S)
            value = np.median(history.values[recent:, self._columns], axis=0)
            self._rest = deque([(float(history.times_s[recent]), value)])
            self._level = value

    def _learn_rest(self, now_s: float, value: ArrayF64) -> None:
        if self._rest and now_s - self._rest[-1][0] < self._band.rest_s / _REST_SAMPLES:
            return
        self._rest.append((now_s, value))
        while now_s - self._rest[0][0] > self._band.rest_s:
            self._rest.popleft()
        self._level = _median(np.array([v for _, v in self._rest]))

    def _learn_noise(self, now_s: float) -> None:
        if self._deviations and now_s - self._deviations[-1][0] < _NOISE_EVERY_S:
            return
        self._deviations.append((now_s, self.strength))
        while now_s - self._deviations[0][0] > NOISE_HISTORY_S:
            self._deviations.popleft()
        if self._open_s is not None:
            return  # noise from before a pulse is the measure for that pulse
        deviations = np.array([d for _, d in self._deviations])
        recent = deviations[-round(ACTIVITY_HISTORY_S / _NOISE_EVERY_S) :]
        self.noise_px = self._noise_factor * _quantile(deviations, 0.5)
        self._activity_px = np.maximum(
            self.noise_px, ACTIVITY_FACTOR * _quantile(recent, ACTIVITY_SHARE)
        )


def _median(rows: ArrayF64) -> ArrayF64:
    """Return the median of each column, (n, C) to (C,). NumPy's own function takes five times as
    long."""
    low, high = (len(rows) - 1) // 2, len(rows) // 2
    ranked = np.partition(rows, (low, high), axis=0)
    middle: ArrayF64 = (ranked[low] + ranked[high]) / 2
    return middle


def _quantile(rows: ArrayF64, share: float) -> ArrayF64:
    """Return the value at that share of each column, (n, G) to (G,), not interpolated. NumPy's own
    function takes ten times as long, and every frame needs an answer."""
    rank = round(share * (len(rows) - 1))
    ranked: ArrayF64 = np.partition(rows, rank, axis=0)[rank]
    return ranked


def _lengths(vectors: ArrayF64) -> ArrayF64:
    """Return the lengths (G,) of interleaved (u, v) in (2 G,)."""
    return np.hypot(vectors[0::2], vectors[1::2])


def foot(times: ArrayF64, course: ArrayF64, valley: float, top: float) -> float:
    """Return when a flank reaches `valley`; it starts at the apex and leads away from it."""
    low = _find_crossing(times, course, valley + LOW * (top - valley))
    high = _find_crossing(times, course, valley + HIGH * (top - valley))
    return low + FOOT * (low - high)


def variation_ratio(times: ArrayF64, course: ArrayF64, onset_s: float, offset_s: float) -> float:
    """Return the total variation of `course` between the two times, in steps of 50 ms, over the
    smallest variation that reaches the same height."""
    steps = np.arange(onset_s, offset_s + _VARIATION_STEP_S, _VARIATION_STEP_S)
    sampled = np.interp(steps, times, course)
    height = 2 * sampled.max() - sampled[0] - sampled[-1]
    return float(np.abs(np.diff(sampled)).sum() / max(height, 1e-9)) if len(steps) > 1 else 1.0


def _find_crossing(times: ArrayF64, course: ArrayF64, level: float) -> float:
    """Return when `course` first falls to `level`; the last time if it never does."""
    below = course <= level
    i = int(np.argmax(below))
    if not below[i]:
        return float(times[-1])
    if i == 0:
        return float(times[0])
    share = (course[i - 1] - level) / (course[i - 1] - course[i])
    return float(times[i - 1] + share * (times[i] - times[i - 1]))
