"""Agreement of two coders of the same session.

Two expressions match if they overlap by at least half (intersection over union, as in spotting;
`realtime.spotting.spotting_scores`). Cohen's kappa (J. Cohen, "A Coefficient of Agreement for
Nominal Scales", Educational and Psychological Measurement 20, 1960) is agreement beyond chance: 1
is complete agreement, 0 what two coders reach by guessing."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from model.records import Kind
from realtime.review.coding import check_reviewed, find_kinds, list_expressions
from realtime.sessions.coder_edits import Edit
from realtime.sessions.reader import Session
from realtime.spotting.spotting_scores import MIN_IOU, Expression, iou, match

NOTHING = "nothing"

FEWEST_PAIRS = 5
"""Kappa of fewer pairs says nothing."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two coders agree; unknown values are NaN."""

    coders: tuple[str, str]
    matched: int
    """Number of expressions that both coders have."""
    alone: tuple[int, int]
    """Number of expressions that only the first has, and that only the second has."""
    f1: float
    """2 × matched / (all of the first + all of the second)."""
    iou: float
    """Mean overlap of the matched expressions."""
    label_kappa: float
    """Kappa of the labels of the matched expressions."""
    frame_kappa: float
    """Kappa of the frames, each nothing, micro or macro."""
    verdict_kappa: float
    """Kappa of the verdicts, accepted or rejected, on events that both coders decided."""
    decided: int
    """Number of events that both coders decided."""
    moment_ms: tuple[float, float, float]
    """Mean absolute difference of onset, apex, offset of the matched expressions."""


def agree(session: Session, first: str, second: str) -> Agreement:
    """Return how far coders `first` and `second` agree on `session`, by what each accepted or
    added. Raises `InputError` if one of them has made no edit."""
    for coder in (first, second):
        check_reviewed(session.folder, coder)
    mine, theirs = list_expressions(session, first), list_expressions(session, second)
    a = [edit for edit in mine if edit.verdict == "accepted"]
    b = [edit for edit in theirs if edit.verdict == "accepted"]
    kinds_a, kinds_b = find_kinds(session, a), find_kinds(session, b)
    spans_a = [_expression(edit, kinds_a[edit.number]) for edit in a]
    spans_b = [_expression(edit, kinds_b[edit.number]) for edit in b]
    pairs = match(spans_a, spans_b, MIN_IOU)
    times = [f.time_s for f in session.frames if f.fate == "recorded" and f.time_s is not None]
    other = {edit.number: edit for edit in theirs}
    decisions = [
        (edit.verdict, other[edit.number].verdict)
        for edit in mine
        if edit.number >= 0 and "open" not in (edit.verdict, other[edit.number].verdict)
    ]
    return Agreement(
        coders=(first, second),
        matched=len(pairs),
        alone=(len(a) - len(pairs), len(b) - len(pairs)),
        f1=2 * len(pairs) / (len(a) + len(b)) if a or b else math.nan,
        iou=_mean([iou(spans_a[i], spans_b[j]) for i, j in pairs]),
        label_kappa=cohen_kappa([(a[i].label, b[j].label) for i, j in pairs]),
        frame_kappa=cohen_kappa(
            list(zip(_frame_kinds(times, spans_a), _frame_kinds(times, spans_b), strict=True))
        ),
        verdict_kappa=cohen_kappa(decisions),
        decided=len(decisions),
        moment_ms=(
            _mean([1e3 * abs(spans_a[i].onset_s - spans_b[j].onset_s) for i, j in pairs]),
            _mean([1e3 * abs(spans_a[i].apex_s - spans_b[j].apex_s) for i, j in pairs]),
            _mean([1e3 * abs(spans_a[i].offset_s - spans_b[j].offset_s) for i, j in pairs]),
        ),
    )


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float:
    """Return Cohen's kappa of pairs of categories: (p_o − p_e) / (1 − p_e), where p_o is the share
    of pairs that agree, and p_e the share that would agree by chance, from how often each coder
    uses each category. NaN for fewer than `FEWEST_PAIRS` pairs, or if both coders use one and the
    same category only."""
    if len(pairs) < FEWEST_PAIRS:
        return math.nan
    n = len(pairs)
    observed = sum(a == b for a, b in pairs) / n
    of_a, of_b = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(of_a[category] * of_b[category] for category in of_a) / n**2
    return math.nan if chance == 1 else (observed - chance) / (1 - chance)


def describe_agreement(found: Agreement) -> list[str]:
    """Return the lines that describe an agreement."""
    one, two = found.coders
    words = [
        f"{found.matched} expressions in common (IoU ≥ {MIN_IOU:g}), {found.alone[0]} only {one}, "
        f"{found.alone[1]} only {two}: F1 {_number(found.f1)}, mean IoU {_number(found.iou)}",
        f"Cohen's kappa: labels of those in common {_kappa(found.label_kappa)}, frames (nothing, "
        f"micro, macro) {_kappa(found.frame_kappa)}, verdicts {_kappa(found.verdict_kappa)} (of "
        f"the {found.decided} events that both decided)",
    ]
    if found.matched:
        onset, apex, offset = found.moment_ms
        words.append(
            f"mean difference: onset {onset:.0f} ms, apex {apex:.0f} ms, offset {offset:.0f} ms"
        )
    return words


def _expression(edit: Edit, kind: Kind) -> Expression:
    return Expression(edit.onset.time_s, edit.apex.time_s, edit.offset.time_s, kind, edit.label)


def _frame_kinds(times_s: Sequence[float], found: Sequence[Expression]) -> list[str]:
    """Return the kind of expression that each frame shows. An expression lasts from onset to
    offset, both included; where two overlap, the later one counts."""
    shown = [NOTHING] * len(times_s)
    for span in found:
        first = bisect_left(times_s, span.onset_s)
        last = bisect_right(times_s, span.offset_s)
        shown[first:last] = [span.kind] * (last - first)
    return shown


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _kappa(value: float) -> str:
    return "too few, or all alike" if math.isnan(value) else f"{value:.2f}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
