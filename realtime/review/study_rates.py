"""Rates over people: expressions per minute in a study, with intervals over its participants.

People differ more than the counts of one person do, so the interval resamples people, not
expressions (percentile bootstrap: B. Efron, Ann. Statist. 7(1), 1979). All sessions of a
participant count together, and each participant counts once, however long the sessions.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from realtime.review.rates import WHOLE_SESSION, Rate
from realtime.review.study_sessions import StudySession

FEWEST_PEOPLE = 5
"""With fewer, an interval over people says nothing."""

RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True, slots=True)
class StudyRate:
    """How often one group of expressions came in one span, over all participants."""

    count: int
    people: int
    """Participants for whom the span has a length."""
    per_min: float
    """Mean of the participants' rates."""
    interval_per_min: tuple[float, float] | None
    """95 % interval of the mean; None with fewer than `FEWEST_PEOPLE`."""


def measure_study_rates(sessions: Iterable[StudySession]) -> dict[str, dict[str, StudyRate]]:
    """Return the rates by span (questions in the order in which they first come, the whole session
    last) and group (`micro`, `macro`, each label). A label that a session does not have was seen
    there 0 times."""
    spans: defaultdict[str, defaultdict[str, _Total]] = defaultdict(lambda: defaultdict(_Total))
    groups: set[str] = set()
    for session in sessions:
        for name, rates in session.rates.items():
            spans[name][session.participant].add(rates)
            groups |= rates.keys()
    ordered = [name for name in spans if name != WHOLE_SESSION]
    ordered += [WHOLE_SESSION] if WHOLE_SESSION in spans else []
    columns = ["micro", "macro", *sorted(groups - {"micro", "macro"})]
    return {
        name: {
            group: _over_people([Rate(t.counts[group], t.seconds) for t in spans[name].values()])
            for group in columns
        }
        for name in ordered
    }


class _Total:
    """All sessions of one participant in one span."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.counts: defaultdict[str, int] = defaultdict(int)

    def add(self, rates: Mapping[str, Rate]) -> None:
        """Add those of a session."""
        self.seconds += max((rate.seconds for rate in rates.values()), default=0.0)
        for group, rate in rates.items():
            self.counts[group] += rate.count


def _over_people(rates: list[Rate]) -> StudyRate:
    known = np.array([rate.per_min for rate in rates if rate.seconds > 0])
    count, people = sum(rate.count for rate in rates), len(known)
    if not people:
        return StudyRate(count, 0, float("nan"), None)
    interval = None
    if people >= FEWEST_PEOPLE:
        draws = np.random.default_rng(_SEED).multinomial(people, [1 / people] * people, RESAMPLES)
        low, high = np.percentile(draws @ known / people, [2.5, 97.5])
        interval = float(low), float(high)
    return StudyRate(count, people, float(known.mean()), interval)
