"""Thresholds for a chosen rate of false alarms, from motion at rest.

Time is cut into blocks of half a second, the length of a micro-expression. In each block, the
greatest deviation of each region is kept. Each region is divided by the mean of its own maxima, so
all have the same scale. The spotter follows the upper and the lower face separately, so each gives
one series of block maxima. An exponential tail is fitted to the upper half of each series (peaks
over a threshold): for all distributions with exponential or normal tails the excesses are
exponential (J. Pickands, Statistical inference using extreme order statistics, Annals of Statistics
3, 1975; S. Coles, An introduction to statistical modeling of extreme values, 2001, section 4.3).

A few blocks give only a rough mean of the tail. So the threshold comes from the predictive
distribution of a new excess x after n of mean b, (1 + x / (n b))^-n (the exponential's, under
Jeffreys' prior). It falls off more slowly, so the chosen rate holds on average over baselines.
"""

import math
from dataclasses import dataclass

import numpy as np

from model.records import ArrayF64, MotionSample, SpotSignal
from realtime.spotting.baseline_file import Baseline
from realtime.spotting.motion import LOWER, REGIONS, UPPER
from realtime.spotting.spotter import Spotter, SpotterConfig

REST_BLOCK_S = 0.5
TAIL_SHARE = 0.5
"""Share of the block maxima that the tail is fitted to."""
PASSED = 0.2
"""About a fifth of the motions that exceed a threshold at rest pass the spotter's other tests (they
return in time, do not go to and fro, …) and become false alarms: on synthetic faces, seeds
520–525."""
FAR_PX = 1.0
"""A face at rest moves less than this; the weakest macro-expression moves this far."""
SETTLING_S = 1.0
"""For this long after a face is found, its resting level is not known."""

_GROUPS = (UPPER, LOWER)


class RestingFace:
    """Takes the motion samples of a face at rest, and keeps the maxima of each block."""

    def __init__(self) -> None:
        # Rest never reaches this threshold, so no pulse opens and the resting level is followed
        # throughout. Only blinks and head motion change the thresholds then.
        floor = Baseline(dict.fromkeys(REGIONS, FAR_PX))
        self._spotter = Spotter(SpotterConfig(baseline=floor))
        self._since_s = math.inf
        self._block = -1
        self._open = np.zeros(len(REGIONS))
        self._maxima: list[ArrayF64] = []
        self.moved: dict[str, int] = {}
        """Number of blocks, by region, in which it moved further than at rest; they are left
        out."""
        self.moved_blocks = 0

    def push(self, sample: MotionSample) -> None:
        """Take in one sample; stamps increase."""
        signal = self._spotter.push(sample)
        if "start" in sample.flags or self._since_s == math.inf:
            self._begin(sample.stamp.time_s)
        block = int((sample.stamp.time_s - self._since_s) / REST_BLOCK_S)
        if block != self._block:
            if block == self._block + 1:
                self._close()
            self._block, self._open = block, np.zeros(len(REGIONS))
        self._open = np.maximum(self._open, _deviation_px(signal))

    def lose_face(self) -> None:
        """Drop the open block, because the face was lost."""
        self._since_s = math.inf

    @property
    def seconds(self) -> float:
        """Seconds of rest so far."""
        return REST_BLOCK_S * len(self._maxima)

    def maxima(self) -> ArrayF64:
        """(blocks, R) crop px: the greatest deviation from rest in each block, as compared with a
        threshold. During a blink, for example, a brow's deviation counts less."""
        return np.array(self._maxima).reshape(-1, len(REGIONS))

    def _begin(self, time_s: float) -> None:
        self._since_s = time_s + SETTLING_S
        self._block = -math.ceil(SETTLING_S / REST_BLOCK_S) - 1

    def _close(self) -> None:
        if self._block < 0:
            return
        far = np.flatnonzero(self._open > FAR_PX)
        if far.size:
            self.moved_blocks += 1
            for region in far:
                self.moved[REGIONS[region]] = self.moved.get(REGIONS[region], 0) + 1
        else:
            self._maxima.append(self._open)


@dataclass(frozen=True, slots=True)
class Floors:
    """Thresholds, and the noise they were derived from."""

    floor_px: ArrayF64
    """(R,) crop px."""
    noise_px: ArrayF64
    """(R,) crop px: mean of the block maxima."""


def floors_for(maxima: ArrayF64, false_alarms_per_min: float) -> Floors:
    """Thresholds that give a face with block maxima `maxima`, (blocks, R) crop px, the chosen rate
    of false alarms a minute, half of them in the upper face and half in the lower.

    ValueError with fewer than four blocks, or a rate that is not above 0.
    """
    blocks = len(maxima)
    if blocks < 4 or not false_alarms_per_min > 0:
        raise ValueError(f"{blocks} blocks and {false_alarms_per_min} a minute give no thresholds")
    noise_px = np.maximum(maxima.mean(axis=0), 1e-3)
    floor_px = np.empty(len(REGIONS))
    allowed = false_alarms_per_min / PASSED / len(_GROUPS) * blocks * REST_BLOCK_S / 60
    for group in _GROUPS:
        columns = list(group)
        strongest = (maxima[:, columns] / noise_px[columns]).max(axis=1)
        floor_px[columns] = noise_px[columns] * tail_level(strongest, allowed)
    return Floors(floor_px, noise_px)


def tail_level(values: ArrayF64, allowed: float) -> float:
    """The level that n new values exceed `allowed` times on average, where `values` is (n,). It
    comes from the exponential tail of their upper `TAIL_SHARE`, and is never below its start."""
    start = float(np.quantile(values, 1 - TAIL_SHARE))
    excess = values[values > start] - start
    n = len(excess)
    if n == 0 or n <= allowed:
        return start
    mean = float(excess.mean())
    return start + n * mean * (math.pow(n / allowed, 1 / n) - 1)


def _deviation_px(signal: SpotSignal) -> ArrayF64:
    """(R,) crop px: deviation from rest, scaled as if nothing raised the thresholds."""
    ratio: ArrayF64 = signal.strength.astype(np.float64) / signal.threshold * FAR_PX
    return ratio
