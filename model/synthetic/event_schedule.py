"""Plans when expressions, blinks, speech and other movements happen, from a seed.

Each block of 30 s depends on the seed and its own number only. So footage has no end, any frame can
be drawn first, and the truth does not depend on frame rate or length.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.errors import InputError
from model.labels import CLASSES
from model.records import MICRO_S
from model.synthetic.action_units import Strengths, facs_notation
from model.synthetic.courses import Speech, ease, sample_speech
from model.synthetic.expressions import sample_expression
from model.synthetic.foreground import HandPath, sample_hand_path
from model.synthetic.movements import MOVEMENTS, PlannedPart, sample_parts

PLAN_S = 30.0
MIN_GAP_S = 1.0
"""Rest between two expressions, or an expression and speech."""

_BLINK_CLEAR_S = 0.15  # unless it falls on one, a blink keeps this distance from expressions
_PARTIAL = (0.25, 0.75)
_TALK_LEAD_S = 0.15  # a smile begins before the speech in it, and ends after
_SPAN_LEAD_S, _SPAN_TAIL_S = 0.7, 0.3  # a spotter needs this much rest before and after


@dataclass(frozen=True, slots=True)
class TrueExpression:
    """An expression, a blink or another movement of a synthetic face: a row of the truth table."""

    onset_s: float
    apex_s: float
    offset_s: float
    kind: Literal["micro", "macro", "blink", "movement"]
    label: str
    """negative, positive or surprise; the name of a movement; empty for a blink."""
    action_units: str
    """FACS notation, "AU1+AU2L"."""
    amplitude_px: float
    """Greatest displacement at the apex, px of the 128 px crop; for a blink the lid's travel."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often things happen, and how strongly. Rates are means per minute. Pairs are ranges,
    sampled uniformly unless noted. Raises `InputError` for bad rates or `amplitude_px`, which users
    set, and for one of `movement` and `movements_per_min` without the other."""

    micro_per_min: float = 12.0
    macro_per_min: float = 2.0
    blinks_per_min: float = 15.0
    speech_per_min: float = 3.0
    """Bouts of speech."""
    amplitude_px: tuple[float, float] = (0.5, 2.0)
    """Of micro-expressions, px of the 128 px crop."""
    micro_s: tuple[float, float] = (0.18, MICRO_S)
    """Durations, normally distributed about the middle, as in published data sets."""
    macro_px: tuple[float, float] = (2.5, 5.0)
    macro_s: tuple[float, float] = (0.8, 2.5)
    speech_s: tuple[float, float] = (1.8, 4.0)
    first_micro_s: tuple[float, float] = (2.0, 3.5)
    """Onset of the footage's first expression, which is a micro-expression."""
    labels: tuple[float, float, float] = (0.45, 0.3, 0.25)
    """Shares of negative, positive, surprise."""
    blink_over_micro: float = 0.1
    """Probability that a blink which falls on an expression stays there instead of waiting."""
    speech_over_micro: bool = False
    """Whether speech and expressions may overlap."""
    partial_blinks: float = 0.0
    """Share of the blinks that close the eyes only in part, by 0.25 to 0.75."""
    movement: str = ""
    """Another kind of movement that the face makes, a key of `MOVEMENTS`; empty for none."""
    movements_per_min: float = 0.0

    def __post_init__(self) -> None:
        rates = (
            *(self.micro_per_min, self.macro_per_min, self.blinks_per_min),
            *(self.speech_per_min, self.movements_per_min),
        )
        if not all(math.isfinite(rate) and rate >= 0 for rate in rates):
            raise InputError(f"rates per minute {rates} must be 0 or more")
        low, high = self.amplitude_px
        if not (0 < low <= high < math.inf):
            raise InputError(
                f"amplitude_px {low:g} {high:g} must be a range above 0, low end first"
            )
        if self.movement and self.movement not in MOVEMENTS:
            raise InputError(
                f"unknown movement {self.movement!r}: choose one of {', '.join(MOVEMENTS)}"
            )
        if bool(self.movement) != bool(self.movements_per_min):
            raise InputError(
                f"movement {self.movement!r} and movements_per_min {self.movements_per_min:g} go "
                "together: give both or neither"
            )
        if sum(rate * seconds for rate, seconds in _kinds(self)) > 55:
            raise InputError(
                f"{self.micro_per_min:g} micro-, {self.macro_per_min:g} macro-expressions and "
                f"{self.speech_per_min:g} bouts of speech a minute do not fit with rest between "
                "them: lower a rate"
            )


@dataclass(frozen=True, slots=True)
class PlannedExpression:
    """An expression or a blink, and how to draw it."""

    truth: TrueExpression
    hold_s: float
    """How long it stays at full strength around the apex."""
    strengths: Strengths
    """Of the expression, before scaling to its amplitude; empty for a blink."""
    size: float = 1.0
    """How far a blink closes the eyes."""

    def strength(self, time_s: float) -> float:
        """0 at rest, `size` at the apex. Rise and fall are minimum-jerk (Flash & Hogan, J.
        Neurosci. 1985), each at its own speed."""
        onset_s, apex_s, offset_s = self.truth.onset_s, self.truth.apex_s, self.truth.offset_s
        if not onset_s < time_s < offset_s:
            return 0.0
        if time_s < apex_s:
            part = (time_s - onset_s) / (apex_s - self.hold_s / 2 - onset_s)
        else:
            part = (offset_s - time_s) / (offset_s - apex_s - self.hold_s / 2)
        return self.size * float(ease(min(part, 1.0)))


@dataclass(frozen=True, slots=True)
class PlannedMovement:
    """A movement that is no expression, and how to draw it."""

    truth: TrueExpression
    parts: tuple[PlannedPart, ...]
    hand: HandPath | None


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """Everything that begins and ends within one block, in order of time."""

    expressions: tuple[PlannedExpression, ...] = ()
    blinks: tuple[PlannedExpression, ...] = ()
    speech: tuple[Speech, ...] = ()
    movements: tuple[PlannedMovement, ...] = ()


def plan_block(schedule: Schedule, seed: int, number: int, *, lid_travel_px: float) -> BlockPlan:
    """Plan block `number` (0, 1, …) of a seed's footage: 30 s from `number` × 30 s on.

    `lid_travel_px`: how far this face's lids move in a blink, px of the 128 px crop.
    """
    rng = np.random.default_rng([seed, number])
    kinds = ["micro"] * _count(rng, schedule.micro_per_min)
    kinds += ["macro"] * _count(rng, schedule.macro_per_min)
    speeches = ["speech"] * _count(rng, schedule.speech_per_min)
    if not schedule.speech_over_micro:
        kinds += speeches
    if schedule.movement:
        kinds += ["movement"] * _count(rng, schedule.movements_per_min)
    rng.shuffle(kinds)
    if number == 0 and "micro" in kinds:
        kinds.remove("micro")
        kinds.insert(0, "micro")
    first = rng.uniform(*schedule.first_micro_s) if number == 0 else MIN_GAP_S / 2
    expressions, bouts, movements = [], [], []
    lengths = [_length_s(rng, schedule, kind) for kind in kinds]
    for kind, onset_s, length_s in _spread(rng, kinds, lengths, first):
        at = number * PLAN_S + onset_s
        if kind == "speech":
            bouts.append(sample_speech(rng, at, at + length_s))
        elif kind == "movement":
            movements.append(_movement(rng, schedule.movement, at, length_s))
            if MOVEMENTS[schedule.movement].talks:
                bouts.append(sample_speech(rng, at + _TALK_LEAD_S, at + length_s - _TALK_LEAD_S))
        else:
            expressions.append(_expression(rng, schedule, kind, at, length_s))
    if schedule.speech_over_micro:
        lengths = [_length_s(rng, schedule, "speech") for _ in speeches]
        for _, onset_s, length_s in _spread(rng, speeches, lengths, MIN_GAP_S / 2):
            at = number * PLAN_S + onset_s
            bouts.append(sample_speech(rng, at, at + length_s))
    blinks = _blinks(rng, schedule, number * PLAN_S, expressions, lid_travel_px)
    return BlockPlan(tuple(expressions), tuple(blinks), tuple(bouts), tuple(movements))


def plan_micros(
    schedule: Schedule, seed: int, spans: Sequence[tuple[float, float]]
) -> tuple[PlannedExpression, ...]:
    """Plan micro-expressions for existing footage, within `spans` of (start, end) seconds and away
    from their ends. They come at the schedule's rate, or as often as `MIN_GAP_S` allows."""
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
    """Rate per minute, and mean seconds with the rest that follows, of each kind that may not
    overlap."""
    kinds = [
        (schedule.micro_per_min, sum(schedule.micro_s) / 2 + MIN_GAP_S),
        (schedule.macro_per_min, sum(schedule.macro_s) / 2 + MIN_GAP_S),
    ]
    if schedule.movement:
        length_s = sum(MOVEMENTS[schedule.movement].length_s) / 2
        kinds.append((schedule.movements_per_min, length_s + MIN_GAP_S))
    talk = (schedule.speech_per_min, sum(schedule.speech_s) / 2 + MIN_GAP_S)
    return kinds if schedule.speech_over_micro else [*kinds, talk]


def _count(rng: np.random.Generator, per_min: float) -> int:
    """A random whole number whose mean is the rate's, and which is at most one from it."""
    return int(per_min * PLAN_S / 60 + rng.random())


def _length_s(rng: np.random.Generator, schedule: Schedule, kind: str) -> float:
    if kind == "micro":
        low, high = schedule.micro_s
        return float(np.clip(rng.normal((low + high) / 2, (high - low) / 4), low, high))
    if kind == "movement":
        return float(rng.uniform(*MOVEMENTS[schedule.movement].length_s))
    low, high = schedule.macro_s if kind == "macro" else schedule.speech_s
    return float(rng.uniform(low, high))


def _spread(
    rng: np.random.Generator, kinds: list[str], lengths: list[float], first_s: float
) -> list[tuple[str, float, float]]:
    """Kind, onset and length of each, in order, with the free time split at random between them.
    What does not fit into the block is left out."""
    kept = len(kinds)
    while first_s + sum(lengths[:kept]) + kept * MIN_GAP_S > PLAN_S:
        kept -= 1
    if kept == 0:
        return []
    free = PLAN_S - first_s - sum(lengths[:kept]) - kept * MIN_GAP_S
    gaps = MIN_GAP_S + free * rng.dirichlet(np.full(kept + 1, 2.0))
    onset_s = first_s
    placed = []
    for kind, length_s, gap in zip(kinds, lengths, gaps, strict=False):
        placed.append((kind, onset_s, length_s))
        onset_s += length_s + gap
    return placed


def _expression(
    rng: np.random.Generator, schedule: Schedule, kind: str, onset_s: float, length_s: float
) -> PlannedExpression:
    if kind == "micro":
        amplitude_px = rng.uniform(*schedule.amplitude_px)
        hold, apex = rng.uniform(0.05, 0.2), rng.uniform(0.38, 0.55)
    else:
        amplitude_px = rng.uniform(*schedule.macro_px)
        hold, apex = rng.uniform(0.2, 0.4), rng.uniform(0.4, 0.55)
    label = CLASSES[rng.choice(len(CLASSES), p=schedule.labels)]
    strengths = sample_expression(rng, label)
    truth = TrueExpression(
        onset_s=onset_s,
        apex_s=onset_s + apex * length_s,
        offset_s=onset_s + length_s,
        kind="micro" if kind == "micro" else "macro",
        label=label,
        action_units=facs_notation(strengths),
        amplitude_px=float(amplitude_px),
    )
    return PlannedExpression(truth, hold * length_s, strengths)


def _movement(
    rng: np.random.Generator, name: str, onset_s: float, length_s: float
) -> PlannedMovement:
    movement = MOVEMENTS[name]
    parts = sample_parts(rng, movement, onset_s, length_s)
    hand = sample_hand_path(rng, onset_s, length_s) if movement.hand else None
    truth = TrueExpression(
        onset_s=onset_s,
        apex_s=onset_s + length_s / 2,
        offset_s=onset_s + length_s,
        kind="movement",
        label=name,
        action_units="",
        amplitude_px=max((part.peak_px for part in parts), default=0.0),
    )
    return PlannedMovement(truth, parts, hand)


def _blinks(
    rng: np.random.Generator,
    schedule: Schedule,
    start_s: float,
    expressions: list[PlannedExpression],
    lid_travel_px: float,
) -> list[PlannedExpression]:
    if schedule.blinks_per_min == 0:
        return []
    mean_s = 60 / schedule.blinks_per_min
    blinks: list[PlannedExpression] = []
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
        if onset_s + length_s > start_s + PLAN_S:
            return blinks
        apex_s = onset_s + closes + stays / 2
        offset_s = onset_s + length_s
        size = 1.0
        if schedule.partial_blinks and rng.random() < schedule.partial_blinks:
            size = float(rng.uniform(*_PARTIAL))
        truth = TrueExpression(onset_s, apex_s, offset_s, "blink", "", "AU45", size * lid_travel_px)
        blinks.append(PlannedExpression(truth, stays, {}, size))
        # Blinks follow each other irregularly, but hardly ever immediately.
        onset_s += length_s + 0.5 + rng.gamma(2.0, max(mean_s - 0.9, 0.1) / 2)
