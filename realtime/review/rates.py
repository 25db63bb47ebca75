"""Rates: expressions per minute, by question and class, with intervals.

Counts of independent events follow a Poisson distribution. The intervals are exact (F. Garwood,
"Fiducial Limits for the Poisson Distribution", Biometrika 28, 1936).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realtime.sessions.export_rows import event_rows, find_questions
from realtime.sessions.reader import Session

OUTSIDE = "outside questions"
WHOLE_SESSION = "whole session"
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """Number of expressions in a span of time."""

    count: int
    seconds: float
    """How much of the span was observed."""

    @property
    def per_min(self) -> float:
        """Rate per minute; NaN if the span is empty."""
        return 60 * self.count / self.seconds if self.seconds > 0 else math.nan

    @property
    def interval_per_min(self) -> tuple[float, float]:
        """95 % confidence interval of the rate per minute; NaN if the span is empty."""
        low, high = poisson_interval(self.count)
        if self.seconds <= 0:
            return math.nan, math.nan
        return 60 * low / self.seconds, 60 * high / self.seconds


def measure_rates(session: Session) -> dict[str, dict[str, Rate]]:
    """Return the rates of `micro`, `macro` and each label in each of the `observed_spans`."""
    return count_rates(list(event_rows(session)), observed_spans(session))


def observed_spans(session: Session) -> dict[str, float]:
    """Return the seconds of each question (its repetitions together), outside questions, and of the
    whole session. What was deleted or paused does not count as observed."""
    spans_s: dict[str, float] = {}
    for question in find_questions(session):
        answer_s = session.observed_s(question.start_s, question.end_s)
        spans_s[question.name] = spans_s.get(question.name, 0.0) + answer_s
    observed_s = session.observed_s()
    if spans_s:
        spans_s[OUTSIDE] = max(0.0, observed_s - sum(spans_s.values()))
    spans_s[WHOLE_SESSION] = observed_s
    return spans_s


def count_rates(
    rows: Sequence[Mapping[str, Any]], spans_s: Mapping[str, float]
) -> dict[str, dict[str, Rate]]:
    """Return the rates in each span, given its length, from the `rows` of expressions."""
    groups = ["micro", "macro", *sorted({row["label"] for row in rows})]
    found: dict[str, dict[str, Rate]] = {}
    for name, seconds in spans_s.items():
        inside = [
            row for row in rows if name == WHOLE_SESSION or (row["question"] or OUTSIDE) == name
        ]
        found[name] = {
            group: Rate(sum(group in (row["kind"], row["label"]) for row in inside), seconds)
            for group in groups
        }
    return found


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact interval for the mean of a Poisson distribution, given one `count`."""
    from scipy.special import gammaincinv  # takes a quarter of a second; only reports need it

    tail = (1 - confidence) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - tail))
