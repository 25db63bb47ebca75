"""Cohen's kappa of two coders, with intervals, and what it means in words.

Kappa (J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and Psychological
Measurement 20, 1960) is agreement beyond chance: 1 is complete agreement, 0 what two coders reach
by guessing. The words are those of J. R. Landis and G. G. Koch, "The Measurement of Observer
Agreement for Categorical Data", Biometrics 33, 1977. They call them arbitrary, but useful.
"""

import math
from bisect import bisect_left
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from model.metrics.recognition import Confusion, bootstrap, confusion

FEWEST_PAIRS = 5
"""Kappa of fewer pairs says nothing. Nor does an interval over fewer questions."""

_TOO_FEW = "too few questions that differ"
_UNKNOWN = (math.nan, math.nan)
_HIGHEST = (-0.01, 0.2, 0.4, 0.6, 0.8, 1.0)
_WORDS = ("poor", "slight", "fair", "moderate", "substantial", "almost perfect")


@dataclass(frozen=True, slots=True)
class Kappa:
    """Kappa of pairs of categories; unknown values are NaN."""

    value: float
    pairs: int
    over_events: tuple[float, float] = _UNKNOWN
    """95 % interval, if pairs are drawn with replacement. Unknown, as for questions, if many draws
    hold one category only."""
    over_questions: tuple[float, float] = _UNKNOWN
    """95 % interval, if whole questions are drawn: expressions of one answer may be alike."""
    one_sided: bool = False
    """Whether one coder uses one category only: kappa is 0 whatever the other coder does."""

    def __str__(self) -> str:
        """Return value, intervals and meaning in words."""
        if self.pairs < FEWEST_PAIRS:
            return f"too few: {self.pairs}, at least {FEWEST_PAIRS} are needed"
        if math.isnan(self.value):
            return "unknown: both coders use one category only"
        if self.one_sided:
            return f"{self.value:.2f}, whatever the other does: one coder uses one category only"
        text = f"{self.value:.2f}, {name_kappa(self.value)}"
        intervals = {"events": self.over_events, "questions": self.over_questions}
        known = {name: ends for name, ends in intervals.items() if not math.isnan(ends[0])}
        if not known:
            why = "all agree" if self.value == 1 else _TOO_FEW
            return f"{text}; no interval: {why}"
        ends = [end for interval in known.values() for end in interval]
        words = list(dict.fromkeys(map(name_kappa, (min(ends), max(ends)))))
        spans = [f"{low:.2f} to {high:.2f} over {name}" for name, (low, high) in known.items()]
        spans += [_TOO_FEW] if "questions" not in known else []
        return f"{text}; 95 % {', '.join(spans)}: {' to '.join(words)}"


def measure_kappa(
    pairs: Sequence[tuple[Hashable, Hashable]],
    questions: Sequence[int],
    *,
    over_events: bool = True,
) -> Kappa:
    """Return kappa of `pairs` with its intervals. `questions`: the number of the question in which
    each pair lies. `over_events`: False if pairs depend on each other, as frames do."""
    value = cohen_kappa(pairs)
    first, second, categories = _number(pairs)
    if len(pairs) < FEWEST_PAIRS or first == second:
        return Kappa(value, len(pairs))
    if 1 in (len(set(first)), len(set(second))):
        return Kappa(value, len(pairs), one_sided=True)

    def interval(groups: Sequence[int]) -> tuple[float, float]:
        if len(set(groups)) < FEWEST_PAIRS:
            return _UNKNOWN
        names = list(map(str, groups))
        found = bootstrap(first, second, names, categories, kappa_of)
        return found.low, found.high

    each = range(len(pairs))
    return Kappa(
        value, len(pairs), interval(each) if over_events else _UNKNOWN, interval(questions)
    )


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float:
    """Return Cohen's kappa of pairs of categories. NaN for fewer than `FEWEST_PAIRS` pairs, or if
    both coders use one and the same category only."""
    if len(pairs) < FEWEST_PAIRS:
        return math.nan
    return kappa_of(confusion(*_number(pairs)))


def kappa_of(counts: Confusion) -> float:
    """Return (p_o - p_e) / (1 - p_e), where p_o is the share of pairs that agree, and p_e the share
    that would agree by chance, from how often each coder uses each category. `counts`: (C, C) pairs
    by category of the first and of the second coder. NaN if p_e is 1."""
    n = counts.sum()
    observed = float(np.trace(counts) / n)
    chance = float(counts.sum(axis=1) @ counts.sum(axis=0) / n**2)
    return math.nan if chance == 1 else (observed - chance) / (1 - chance)


def name_kappa(value: float) -> str:
    """Return Landis and Koch's word for a kappa."""
    return _WORDS[bisect_left(_HIGHEST, round(value, 2))]


def _number(pairs: Sequence[tuple[Hashable, Hashable]]) -> tuple[list[int], list[int], int]:
    """Return the numbers of the first coder's categories, of the second's, and how many there
    are."""
    numbers = {name: n for n, name in enumerate(dict.fromkeys(chain.from_iterable(pairs)))}
    return [numbers[a] for a, _ in pairs], [numbers[b] for _, b in pairs], len(numbers)
