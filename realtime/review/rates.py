"""Rates: expressions per minute, by question and class, with intervals.

Counts of rare events follow a Poisson distribution as long as one does not make the next more
likely. The intervals are exact (F. Garwood, "Fiducial Limits for the Poisson Distribution",
Biometrika 28, 1936).
"""

import math
from dataclasses import dataclass

from realtime.sessions.export_rows import event_rows, questions
from realtime.sessions.reader import Session

OUTSIDE = "outside questions"
WHOLE = "whole session"
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """Number of expressions in a length of time."""

    count: int
    seconds: float

    @property
    def per_min(self) -> float:
        """Rate per minute; NaN for no time."""
        return 60 * self.count / self.seconds if self.seconds > 0 else math.nan

    @property
    def interval_per_min(self) -> tuple[float, float]:
        """95 % confidence interval of the rate."""
        low, high = poisson_interval(self.count)
        if self.seconds <= 0:
            return math.nan, math.nan
        return 60 * low / self.seconds, 60 * high / self.seconds


def rates(session: Session) -> dict[str, dict[str, Rate]]:
    """Return the rate of each label found, and of `micro` and `macro`: by question (all its
    repetitions together), outside of questions, and for the whole session."""
    rows = list(event_rows(session))
    spans: dict[str, float] = {}
    for question in questions(session):
        spans[question.name] = spans.get(question.name, 0.0) + question.end_s - question.start_s
    outside_s = max(0.0, session.seconds - sum(spans.values()))
    if spans:
        spans[OUTSIDE] = outside_s
    spans[WHOLE] = session.seconds
    groups = ["micro", "macro", *sorted({row["label"] for row in rows})]
    found: dict[str, dict[str, Rate]] = {}
    for name, seconds in spans.items():
        inside = [row for row in rows if name == WHOLE or (row["question"] or OUTSIDE) == name]
        found[name] = {
            group: Rate(sum(group in (row["kind"], row["label"]) for row in inside), seconds)
            for group in groups
        }
    return found


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact interval for the mean of a Poisson distribution that gave `count`."""
    from scipy.special import gammaincinv  # takes a quarter of a second, and only a report needs it

    tail = (1 - confidence) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - tail))
