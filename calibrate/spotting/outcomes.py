"""How well a spotter did on footage with known truth."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from calibrate.baseline.measure import FALSE_ALARMS_PER_MIN
from calibrate.baseline.rest_thresholds import RestingFace, floors_for
from calibrate.spotting.footage import interval_of
from calibrate.spotting.motion import Motions, spot
from model.cli import format_columns
from model.errors import InputError
from model.metrics.recognition import bin_confidence, expected_error
from model.records import ArrayF64, MotionSample
from model.synthetic import TrueExpression
from realtime.review.rates import poisson_interval
from realtime.spotting.baseline_file import Baseline
from realtime.spotting.motion import REGIONS
from realtime.spotting.spotter import SpotterConfig
from realtime.spotting.spotting_scores import (
    KINDS,
    Expression,
    Score,
    error_ms,
    iou,
    score,
    score_record,
)

AMPLITUDE_STEPS_PX = (0.0, 0.5, 1.0, 1.5, 2.5)
"""Recall is also counted between these amplitudes if footage has several."""
CONFIDENCE_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the bins for the calibration error of names: there are few expressions, so few bins."""
NEAR = 0.2
"""A rejected candidate explains a missed expression if their overlap is at least this."""
UNSEEN = "nothing seen"
HEAD = (
    *("", "minutes", "MEs", "hits", "F1", "precision", "recall", "false/min"),
    *("onset ms", "apex ms", "offset ms", "decision ms", "macro F1", "false macro/min"),
)
"""What `format_cells` gives. Recall and false alarms: with the interval of 95 %. Errors and delays:
median (95th percentile)."""


@dataclass(frozen=True)
class Outcome:
    """What a spotter found in one piece of footage."""

    found: Mapping[Expression, float]
    """Spotted expressions, and the time each became known, s."""
    rejected: tuple[tuple[Expression, str], ...]
    """Rejected candidates, with the reason."""
    truth: tuple[Expression, ...]
    seconds: float
    frame_s: float
    """Interval between frames, s."""
    confidence: Mapping[Expression, float] = field(default_factory=dict)
    """Of the names of what was found, 0 to 1; empty if nothing was named."""
    probability: Mapping[Expression, float] = field(default_factory=dict)
    """Of spotted micro-expressions: that each is one at all, as far as it is known."""

    @staticmethod
    def of(
        found: Mapping[Expression, float],
        rejected: Sequence[tuple[Expression, str]],
        truth: Sequence[TrueExpression | Expression],
        times_s: ArrayF64,
        *,
        confidence: Mapping[Expression, float] | None = None,
        probability: Mapping[Expression, float] | None = None,
    ) -> "Outcome":
        """The outcome; `times_s`, (N,), are the times of all frames."""
        n = len(times_s)
        frame_s = float(np.median(np.diff(times_s))) if n > 1 else 0.0
        return Outcome(
            found=found,
            rejected=tuple(rejected),
            truth=tuple(true_interval(row) for row in truth),
            seconds=float(times_s[-1] - times_s[0]) + frame_s if n else 0.0,
            frame_s=frame_s,
            confidence=confidence or {},
            probability=probability or {},
        )


def run_spotter(
    motions: Motions,
    truth: Sequence[TrueExpression | Expression],
    config: SpotterConfig,
) -> Outcome:
    """Run the spotter on `motions` and compare with the truth."""
    decisions = spot(motions, config)
    closed = [(d.update.window, d.known_s) for d in decisions if d.update.state == "closed"]
    found = {interval_of(window): known_s for window, known_s in closed}
    probability = {
        interval_of(window): window.me_probability
        for window, _ in closed
        if window.me_probability is not None
    }
    rejected = [
        (interval_of(d.update.window), d.update.reason)
        for d in decisions
        if d.update.state == "rejected"
    ]
    return Outcome.of(found, rejected, truth, motions.time_s, probability=probability)


def measure_resting(rest: Motions, per_min: float = FALSE_ALARMS_PER_MIN) -> Baseline:
    """The baseline of a face at rest, for `per_min` false alarms a minute."""
    face = RestingFace()
    for sample in rest.samples():
        if isinstance(sample, MotionSample):
            face.push(sample)
        else:
            face.lose_face()
    if len(face.maxima()) < 4:
        raise InputError("the face rests for too short a time to measure a baseline on")
    floor_px = floors_for(face.maxima(), per_min).floor_px
    return Baseline(dict(zip(REGIONS, floor_px.tolist(), strict=True)))


@dataclass(frozen=True)
class FigureRow:
    """The figures of one condition of the test bed, all its footage as one video."""

    group: str
    value: str
    outcomes: tuple[Outcome, ...]

    def score(self, kind: str) -> Score:
        """The score of expressions of `kind`, "micro" or "macro"."""
        return score(((tuple(each.found), each.truth) for each in self.outcomes), kind)

    @property
    def minutes(self) -> float:
        """Minutes of footage."""
        return sum(each.seconds for each in self.outcomes) / 60

    def false_per_min(self, kind: str) -> float:
        """False alarms a minute."""
        return len(self.score(kind).false) / self.minutes

    def false_interval(self) -> tuple[float, float]:
        """The interval of 95 % of false micro-expressions a minute."""
        low, high = poisson_interval(len(self.score("micro").false))
        return low / self.minutes, high / self.minutes

    def delays_ms(self) -> list[float]:
        """Delay from the annotated offset of each micro-expression found to the decision."""
        delays = []
        for each in self.outcomes:
            pairs = score([(tuple(each.found), each.truth)], "micro").pairs
            delays += [1000 * (each.found[spotted] - true.offset_s) for spotted, true in pairs]
        return delays

    def apex_error_frames(self) -> float:
        """Median absolute error of the apex, frames; NaN without hits."""
        errors = [
            abs(error) / each.frame_s
            for each in self.outcomes
            for error in score([(tuple(each.found), each.truth)], "micro").apex_errors_s
        ]
        return float(np.median(errors)) if errors else math.nan

    def recall_by_amplitude(self) -> list[tuple[float, float, int, int]]:
        """(from px, to px, found, annotated) micro-expressions."""
        scored = self.score("micro")
        found = [true.amplitude_px for _, true in scored.pairs]
        every = [*found, *(true.amplitude_px for true in scored.missed)]
        steps = pairwise(AMPLITUDE_STEPS_PX)
        rows = [
            (low, high, sum(low <= a < high for a in found), sum(low <= a < high for a in every))
            for low, high in steps
        ]
        return [row for row in rows if row[3]]

    def name_confidences(self) -> list[tuple[float, bool]]:
        """The confidence in the name of each hit that has one, and whether it is right."""
        return [
            (each.confidence[spotted], spotted.label == true.label)
            for each in self.outcomes
            for spotted, true in score([(tuple(each.found), each.truth)], "micro").pairs
            if spotted in each.confidence
        ]

    def name_calibration_error(self) -> float | None:
        """The expected calibration error of the names of hits; None if none was named."""
        named = self.name_confidences()
        if not named:
            return None
        confidence, right = zip(*named, strict=True)
        return expected_error(bin_confidence(confidence, right, CONFIDENCE_EDGES))

    def miss_reasons(self) -> Counter[str]:
        """The spotter's reasons for missing micro-expressions, counted."""
        return Counter(
            reason
            for each in self.outcomes
            for missed in score([(tuple(each.found), each.truth)], "micro").missed
            for reason in [_reason(missed, each)]
        )

    def plain(self) -> dict[str, Any]:
        """The row as plain values for JSON; None if unknown."""
        micro, macro = (self.score(kind) for kind in KINDS)
        delays = self.delays_ms()
        frames = self.apex_error_frames()
        return {
            "group": self.group,
            "value": self.value,
            "minutes": self.minutes,
            "micro": score_record(micro),
            "macro": score_record(macro),
            "recall_95": recall_interval(micro.hits, micro.annotated),
            "false_micro_per_min": self.false_per_min("micro"),
            "false_micro_per_min_95": self.false_interval(),
            "false_macro_per_min": self.false_per_min("macro"),
            "apex_error_median_frames": None if math.isnan(frames) else frames,
            "decision_median_ms": float(np.median(delays)) if delays else None,
            "decision_p95_ms": float(np.percentile(delays, 95)) if delays else None,
            "recall_by_amplitude": [
                {
                    "from_px": low,
                    "to_px": high,
                    "found": found,
                    "annotated": every,
                    "recall_95": recall_interval(found, every),
                }
                for low, high, found, every in self.recall_by_amplitude()
            ],
            "name_calibration_error": self.name_calibration_error(),
            "missed_because": dict(self.miss_reasons().most_common()),
        }


def format_cells(row: FigureRow) -> list[str]:
    """The figures of a condition in words, in the order of `HEAD`."""
    micro, macro = (row.score(kind) for kind in KINDS)
    delays_s = [ms / 1000 for ms in row.delays_ms()]
    errors = (micro.onset_errors_s, micro.apex_errors_s, micro.offset_errors_s, delays_s)
    return [
        row.value,
        f"{row.minutes:.1f}",
        f"{micro.annotated}",
        f"{micro.hits}",
        *(_share(share, micro) for share in (micro.f1, micro.precision)),
        _within(micro.recall, recall_interval(micro.hits, micro.annotated)),
        _within(row.false_per_min("micro"), row.false_interval()),
        *map(_spread, errors),
        _share(macro.f1, macro),
        f"{row.false_per_min('macro'):.2f}",
    ]


def format_figure_rows(rows: Iterable[FigureRow]) -> str:
    """The figures of conditions as a text table."""
    found = (
        [f"{row.group}  {value}", *rest] for row in rows for value, *rest in [format_cells(row)]
    )
    return format_columns([HEAD, *found])


def describe_names(row: FigureRow) -> str:
    """How many names were right, in words; empty if nothing found was named."""
    scored = row.score("micro")
    if not scored.named:
        return ""
    error = row.name_calibration_error()
    calibration = "" if error is None else f", calibration error {error:.3f}"
    return (
        f"{row.value}: {scored.named_right} of {scored.named} hits named right, "
        f"STRS {scored.strs:.2f}{calibration}"
    )


def _reason(missed: Expression, each: Outcome) -> str:
    reasons = [
        (iou(interval, missed), reason)
        for interval, reason in (
            *each.rejected,
            *((interval, f"taken for {_article(interval.kind)}") for interval in each.found),
        )
    ]
    overlap, reason = max(reasons, default=(0.0, ""))
    return reason if overlap >= NEAR else UNSEEN


def _article(kind: str) -> str:
    return "a macro-expression" if kind == "macro" else "one at another time"


def _share(share: float, score: Score) -> str:
    return f"{share:.2f}" if score.annotated else "–"


def recall_interval(found: int, annotated: int) -> tuple[float, float] | None:
    """Wilson's interval of 95 % of the share `found` of `annotated`, as if each were independent;
    None if there is none."""
    from scipy.stats import binomtest  # slow to import, and only reports need it

    if not annotated:
        return None
    interval = binomtest(found, annotated).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _within(value: float, interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"{value:.2f} ({interval[0]:.2f}–{interval[1]:.2f})"


def _spread(errors_s: Sequence[float]) -> str:
    median_ms, p95_ms = error_ms(errors_s)
    return "–" if math.isnan(median_ms) else f"{median_ms:.0f} ({p95_ms:.0f})"


def true_interval(row: TrueExpression | Expression) -> Expression:
    """A row of the truth in the form that `realtime.spotting.spotting_scores` takes."""
    if isinstance(row, Expression):
        return row
    return Expression(row.onset_s, row.apex_s, row.offset_s, row.kind, row.label, row.amplitude_px)
