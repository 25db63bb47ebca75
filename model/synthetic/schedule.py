"""What happens when: expressions, blinks and speech, laid out over time from a seed.

Time is laid out in blocks of 30 s, each from the seed and its own number alone: so footage has no
end, any frame can be drawn first, and the truth does not depend on frame rate or length.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.errors import InputError
from model.records import MICRO_S
from model.synthetic.action_units import Strengths, facs_notation
from model.synthetic.courses import Course, Speech, speech
from model.synthetic.expressions import LABELS, sample_expression

BLOCK_S = 30.0
MIN_GAP_S = 1.0
"""Rest between two expressions, or an expression and speech."""

_BLINK_CLEAR_S = 0.15  # a blink that does not ride along keeps this far from an expression
_MACRO_MIN_S = 0.6
_SPAN_LEAD_S, _SPAN_TAIL_S = 0.7, 0.3  # rest that a spotter needs before and after


@dataclass(frozen=True, slots=True)
class TrueExpression:
    """One thing that a synthetic face does, as it was made: a row of the truth table."""

    onset_s: float
    apex_s: float
    offset_s: float
    kind: Literal["micro", "macro", "blink"]
    label: str
    """negative, positive or surprise; empty for a blink."""
    action_units: str
    """FACS writing, "AU1+AU2L"."""
    amplitude_px: float
    """Greatest displacement at the apex, px of the 128 px crop; for a blink the lid's way."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How much of what. Rates are means per minute; pairs are ranges, drawn evenly from unless
    said otherwise."""

    micro_per_min: float = 12.0
    macro_per_min: float = 2.0
    blinks_per_min: float = 15.0
    speech_per_min: float = 3.0
    """Bouts of speech."""
    amplitude_px: tuple[float, float] = (0.5, 2.0)
    """Of micro-expressions, px of the 128 px crop."""
    micro_s: tuple[float, float] = (0.18, MICRO_S)
    """Durations; normal about the middle, as the published sets' are."""
    macro_px: tuple[float, float] = (2.5, 5.0)
    macro_s: tuple[float, float] = (0.8, 2.5)
    speech_s: tuple[float, float] = (1.8, 4.0)
    first_micro_s: tuple[float, float] = (2.0, 3.5)
    """When the footage's first expression, a micro-expression, begins."""
    labels: tuple[float, float, float] = (0.45, 0.3, 0.25)
    """Shares of negative, positive, surprise."""
    one_sided: float | None = None
    """Share of one-sided expressions; None as the catalogue has it."""
    blink_over_micro: float = 0.1
    """Chance that a blink falling on a micro-expression rides along instead of waiting."""
    speech_over_micro: bool = False
    """Whether speech and expressions may fall together."""

    def __post_init__(self) -> None:
        rates = (self.micro_per_min, self.macro_per_min, self.blinks_per_min, self.speech_per_min)
        if not all(math.isfinite(rate) and rate >= 0 for rate in rates):
            raise InputError(f"rates per minute {rates} must be 0 or more")
        for name in ("amplitude_px", "micro_s", "macro_px", "macro_s", "speech_s"):
            low, high = getattr(self, name)
            if not (0 < low <= high < math.inf):
                raise InputError(f"{name} {low:g} {high:g} must be a range above 0, low end first")
        if not 0 <= self.first_micro_s[0] <= self.first_micro_s[1] <= BLOCK_S / 2:
            raise InputError(
                f"first_micro_s {self.first_micro_s} must lie within 0 to {BLOCK_S / 2:g} s"
            )
        if self.micro_s[0] < 0.04 or self.micro_s[1] > MICRO_S:
            raise InputError(f"micro_s {self.micro_s} must lie within 0.04 to {MICRO_S:g} s")
        if self.macro_s[0] < _MACRO_MIN_S:
            raise InputError(f"macro_s {self.macro_s} must start at {_MACRO_MIN_S} s or more")
        if min(self.labels) < 0 or not math.isclose(sum(self.labels), 1):
            raise InputError(f"labels {self.labels} must be shares that sum to 1")
        for name in ("one_sided", "blink_over_micro"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise InputError(f"{name} {share:g} must be 0 to 1")
        if sum(rate * seconds for rate, seconds in _kinds(self)) > 55:
            raise InputError(
                f"{self.micro_per_min:g} micro-, {self.macro_per_min:g} macro-expressions and "
                f"{self.speech_per_min:g} bouts of speech a minute do not fit with rest between "
                "them: lower a rate"
            )


@dataclass(frozen=True, slots=True)
class Planned:
    """An expression or a blink, and how it is made."""

    truth: TrueExpression
    course: Course
    strengths: Strengths
    """Of the expression before it is scaled to its amplitude; empty for a blink."""


@dataclass(frozen=True, slots=True)
class Block:
    """All that begins and ends within one block, in the order of time."""

    expressions: tuple[Planned, ...] = ()
    blinks: tuple[Planned, ...] = ()
    speech: tuple[Speech, ...] = ()


def plan_block(schedule: Schedule, seed: int, number: int, *, lid_way_px: float) -> Block:
    """Block `number` (0, 1, …) of the footage of a seed: 30 s from `number` × 30 s on.

    `lid_way_px` is how far this face's lids go in a blink, px of the 128 px crop.
    """
    rng = np.random.default_rng([seed, number])
    kinds = ["micro"] * _count(rng, schedule.micro_per_min)
    kinds += ["macro"] * _count(rng, schedule.macro_per_min)
    bouts = _count(rng, schedule.speech_per_min)
    if not schedule.speech_over_micro:
        kinds += ["speech"] * bouts
    rng.shuffle(kinds)
    if number == 0 and "micro" in kinds:
        kinds.remove("micro")
        kinds.insert(0, "micro")
    first = rng.uniform(*schedule.first_micro_s) if number == 0 else MIN_GAP_S / 2
    expressions, talk = [], []
    lengths = [_length_s(rng, schedule, kind) for kind in kinds]
    for kind, onset_s, length_s in _spread(rng, kinds, lengths, first):
        at = number * BLOCK_S + onset_s
        if kind == "speech":
            talk.append(speech(rng, at, at + length_s))
        else:
            expressions.append(_expression(rng, schedule, kind, at, length_s))
    if schedule.speech_over_micro:
        lengths = [_length_s(rng, schedule, "speech") for _ in range(bouts)]
        for _, onset_s, length_s in _spread(rng, ["speech"] * bouts, lengths, MIN_GAP_S / 2):
            at = number * BLOCK_S + onset_s
            talk.append(speech(rng, at, at + length_s))
    blinks = _blinks(rng, schedule, number * BLOCK_S, expressions, lid_way_px)
    return Block(tuple(expressions), tuple(blinks), tuple(talk))


def plan_micros(
    schedule: Schedule, seed: int, spans: Sequence[tuple[float, float]]
) -> tuple[Planned, ...]:
    """Micro-expressions for footage that is there already: within `spans` of (start, end) seconds,
    away from their ends, at the schedule's rate, or as often as `MIN_GAP_S` between them lets."""
    rng = np.random.default_rng([seed, 0x0E])
    planned = []
    apart_s = 60 / schedule.micro_per_min - sum(schedule.micro_s) / 2 - MIN_GAP_S
    for start_s, end_s in spans:
        onset_s = start_s + _SPAN_LEAD_S + rng.uniform(0, MIN_GAP_S)
        while (length_s := _length_s(rng, schedule, "micro")) + onset_s + _SPAN_TAIL_S <= end_s:
            planned.append(_expression(rng, schedule, "micro", onset_s, length_s))
            onset_s += length_s + MIN_GAP_S + rng.exponential(max(apart_s, 0.0))
    return tuple(planned)


def _kinds(schedule: Schedule) -> list[tuple[float, float]]:
    """(rate per minute, mean seconds with the rest that follows) of what may not overlap."""
    kinds = [
        (schedule.micro_per_min, sum(schedule.micro_s) / 2 + MIN_GAP_S),
        (schedule.macro_per_min, sum(schedule.macro_s) / 2 + MIN_GAP_S),
    ]
    talk = (schedule.speech_per_min, sum(schedule.speech_s) / 2 + MIN_GAP_S)
    return kinds if schedule.speech_over_micro else [*kinds, talk]


def _count(rng: np.random.Generator, per_min: float) -> int:
    """A whole number whose mean is the rate's, at most one from it."""
    return int(per_min * BLOCK_S / 60 + rng.random())


def _length_s(rng: np.random.Generator, schedule: Schedule, kind: str) -> float:
    if kind == "micro":
        low, high = schedule.micro_s
        return float(np.clip(rng.normal((low + high) / 2, (high - low) / 4), low, high))
    low, high = schedule.macro_s if kind == "macro" else schedule.speech_s
    return float(rng.uniform(low, high))


def _spread(
    rng: np.random.Generator, kinds: list[str], lengths: list[float], first_s: float
) -> list[tuple[str, float, float]]:
    """(kind, onset, length) in order, the free time shared out at random between them; what does
    not fit into the block falls out."""
    kept = len(kinds)
    while first_s + sum(lengths[:kept]) + kept * MIN_GAP_S > BLOCK_S:
        kept -= 1
    if kept == 0:
        return []
    free = BLOCK_S - first_s - sum(lengths[:kept]) - kept * MIN_GAP_S
    gaps = MIN_GAP_S + free * rng.dirichlet(np.full(kept + 1, 2.0))
    onset_s = first_s
    placed = []
    for kind, length_s, gap in zip(kinds, lengths, gaps, strict=False):
        placed.append((kind, onset_s, length_s))
        onset_s += length_s + gap
    return placed


def _expression(
    rng: np.random.Generator,
    schedule: Schedule,
    kind: str,
    onset_s: float,
    length_s: float,
) -> Planned:
    if kind == "micro":
        amplitude_px = rng.uniform(*schedule.amplitude_px)
        hold, apex = rng.uniform(0.05, 0.2), rng.uniform(0.38, 0.55)
    else:
        amplitude_px = rng.uniform(*schedule.macro_px)
        hold, apex = rng.uniform(0.2, 0.4), rng.uniform(0.4, 0.55)
    label = LABELS[rng.choice(len(LABELS), p=schedule.labels)]
    strengths = sample_expression(rng, label, one_sided=schedule.one_sided)
    course = Course(onset_s, onset_s + apex * length_s, onset_s + length_s, hold * length_s)
    return _planned(course, "micro" if kind == "micro" else "macro", label, strengths, amplitude_px)


def _blinks(
    rng: np.random.Generator,
    schedule: Schedule,
    start_s: float,
    expressions: list[Planned],
    lid_way_px: float,
) -> list[Planned]:
    if schedule.blinks_per_min == 0:
        return []
    mean_s = 60 / schedule.blinks_per_min
    blinks: list[Planned] = []
    onset_s = start_s + rng.uniform(0.2, mean_s)
    while True:
        closes, stays, opens = rng.uniform((0.07, 0.03, 0.14), (0.11, 0.06, 0.24))
        length_s = closes + stays + opens
        for other in expressions:
            meets = (
                onset_s < other.truth.offset_s + _BLINK_CLEAR_S
                and onset_s + length_s > other.truth.onset_s - _BLINK_CLEAR_S
            )
            if meets and rng.random() >= schedule.blink_over_micro:
                onset_s = other.truth.offset_s + _BLINK_CLEAR_S + rng.uniform(0, 0.4)
        if onset_s + length_s > start_s + BLOCK_S:
            return blinks
        apex_s = onset_s + closes + stays / 2
        course = Course(onset_s, apex_s, onset_s + length_s, stays)
        blinks.append(_planned(course, "blink", "", {}, lid_way_px))
        # Blinks follow each other irregularly, but hardly ever at once.
        onset_s += length_s + 0.5 + rng.gamma(2.0, max(mean_s - 0.9, 0.1) / 2)


def _planned(
    course: Course,
    kind: Literal["micro", "macro", "blink"],
    label: str,
    strengths: Strengths,
    amplitude_px: float,
) -> Planned:
    truth = TrueExpression(
        onset_s=course.onset_s,
        apex_s=course.apex_s,
        offset_s=course.offset_s,
        kind=kind,
        label=label,
        action_units=facs_notation(strengths) if strengths else "AU45",
        amplitude_px=float(amplitude_px),
    )
    return Planned(truth, course, strengths)
