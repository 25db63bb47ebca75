"""Agreement of two coders of the same session.

Two expressions match if they overlap by at least half (intersection over union, as in spotting;
`realtime.spotting.spotting_scores`). Kappa and its intervals: `realtime.review.kappa`. The index of
action units is that of P. Ekman, W. V. Friesen and J. C. Hager, "FACS Investigator's Guide", 2002.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from model.labels import CLASS_OF_EMOTION
from model.records import Kind
from realtime.review.blind_coding import Blindness, measure_blindness
from realtime.review.coding import bare_unit, check_reviewed, find_kinds, list_expressions
from realtime.review.kappa import Kappa, measure_kappa
from realtime.sessions.coder_edits import Edit
from realtime.sessions.export_rows import find_questions
from realtime.sessions.reader import Session
from realtime.spotting.spotting_scores import MIN_IOU, Expression, iou, match

NOTHING = "nothing"

MEANING = (
    "0 is what guessing reaches, 1 is complete. The words are Landis and Koch's (Biometrics 33, "
    "1977), a convention: with few pairs, or with one frequent category, look at the interval. "
    "Intervals are bootstrap percentiles, of events or of whole questions drawn with replacement; "
    "the time between two questions counts as one."
)
"""What kappa and its intervals are, for who reads them."""


@dataclass(frozen=True, slots=True)
class UnitAgreement:
    """How far two coders agree on action units, in matched expressions of which both coded them."""

    expressions: int
    index: float
    """2 × units that both name / (units of the first + units of the second), sides aside; NaN if
    they name none."""
    shared: int
    """Number of units that both name."""
    same_side: int
    """How many of these on the same side or sides."""
    by_unit: Mapping[str, Kappa]
    """Kappa of each unit that one of them names, there or not."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two coders agree; unknown values are NaN."""

    coders: tuple[str, str]
    blindness: tuple[Blindness, Blindness]
    matched: int
    """Number of expressions that both coders have."""
    alone: tuple[int, int]
    """Number of expressions that only the first has, and that only the second has."""
    f1: float
    """2 × matched / (all of the first + all of the second)."""
    iou: float
    """Mean overlap of the matched expressions."""
    moment_ms: tuple[float, float, float]
    """Mean absolute difference of onset, apex, offset of the matched expressions."""
    labels: Kappa
    """Of the matched expressions."""
    classes: Kappa
    """Of the matched expressions, each emotion taken as its class."""
    frames: Kappa
    """Of the frames, each nothing, micro or macro."""
    verdicts: Kappa
    """Accepted or rejected, of the events that both coders decided."""
    units: UnitAgreement


def agree(session: Session, first: str, second: str) -> Agreement:
    """Return how far coders `first` and `second` agree on `session`, by what each accepted or
    added. Raises `InputError` if one of them has made no edit."""
    blind_a, blind_b = (
        measure_blindness(check_reviewed(session.folder, coder)) for coder in (first, second)
    )
    mine, theirs = list_expressions(session, first), list_expressions(session, second)
    a = [edit for edit in mine if edit.verdict == "accepted"]
    b = [edit for edit in theirs if edit.verdict == "accepted"]
    spans_a, spans_b = _expressions(session, a), _expressions(session, b)
    pairs = match(spans_a, spans_b, MIN_IOU)
    both = [(a[i], b[j]) for i, j in pairs]
    times = session.frames.time_s[session.frames.recorded].tolist()
    other = {edit.number: edit for edit in theirs}
    decided = [
        (edit, other[edit.number])
        for edit in mine
        if edit.number >= 0 and "open" not in (edit.verdict, other[edit.number].verdict)
    ]
    questions = _QuestionNumbers(session)
    asked = questions.of_edits(one for one, _ in both)
    return Agreement(
        coders=(first, second),
        blindness=(blind_a, blind_b),
        matched=len(pairs),
        alone=(len(a) - len(pairs), len(b) - len(pairs)),
        f1=2 * len(pairs) / (len(a) + len(b)) if a or b else math.nan,
        iou=_mean([iou(spans_a[i], spans_b[j]) for i, j in pairs]),
        moment_ms=(
            _mean([1e3 * abs(one.onset.time_s - two.onset.time_s) for one, two in both]),
            _mean([1e3 * abs(one.apex.time_s - two.apex.time_s) for one, two in both]),
            _mean([1e3 * abs(one.offset.time_s - two.offset.time_s) for one, two in both]),
        ),
        labels=measure_kappa([(one.label, two.label) for one, two in both], asked),
        classes=measure_kappa([(_class(one), _class(two)) for one, two in both], asked),
        frames=measure_kappa(
            list(zip(_frame_kinds(times, spans_a), _frame_kinds(times, spans_b), strict=True)),
            list(map(questions.number, times)),
            over_events=False,
        ),
        verdicts=measure_kappa(
            [(one.verdict, two.verdict) for one, two in decided],
            questions.of_edits(one for one, _ in decided),
        ),
        units=_agree_on_units(both, asked),
    )


def describe_agreement(found: Agreement) -> list[tuple[str, str]]:
    """Return an agreement in words: name and value of each row of a table."""
    one, two = found.coders
    blind = "; ".join(f"{c} {b}" for c, b in zip(found.coders, found.blindness, strict=True))
    in_common = f"{found.matched} (IoU ≥ {MIN_IOU:g}); only {one} {found.alone[0]}, only {two}"
    onset, apex, offset = found.moment_ms
    rows = [
        ("Coded", blind),
        ("Expressions in common", f"{in_common} {found.alone[1]}"),
        ("Overlap", f"F1 {_number(found.f1)}, mean IoU {_number(found.iou)}"),
    ]
    if found.matched:
        moments = f"onset {onset:.0f} ms, apex {apex:.0f} ms, offset {offset:.0f} ms"
        rows.append(("Mean difference", moments))
    units = found.units
    rows += [
        ("κ of labels", str(found.labels)),
        ("κ of classes", f"{found.classes} (an emotion counts as its class)"),
        ("κ of verdicts", f"{found.verdicts} (events that both decided)"),
        ("κ of frames", f"{found.frames} (nothing, micro, macro)"),
        (
            "Action units",
            f"index {_number(units.index)} in {units.expressions} expressions in which both coded "
            f"them; of {units.shared} in common, {units.same_side} on the same side"
            if units.expressions
            else "too few: none that both coders coded",
        ),
        *((f"κ of {unit}", str(kappa)) for unit, kappa in units.by_unit.items()),
        ("What κ means", MEANING),
    ]
    return rows


def _agree_on_units(both: Sequence[tuple[Edit, Edit]], asked: Sequence[int]) -> UnitAgreement:
    coded = [
        (set(one.action_units), set(two.action_units), number)
        for (one, two), number in zip(both, asked, strict=True)
        if one.action_units is not None and two.action_units is not None
    ]
    bare = [({*map(bare_unit, a)}, {*map(bare_unit, b)}) for a, b, _ in coded]
    named = sum(len(a) + len(b) for a, b in bare)
    shared = sum(len(a & b) for a, b in bare)
    units = sorted(set().union(*(a | b for a, b in bare)), key=lambda unit: int(unit[2:]))
    return UnitAgreement(
        expressions=len(coded),
        index=2 * shared / named if named else math.nan,
        shared=shared,
        same_side=sum(len(a & b) for a, b, _ in coded),
        by_unit={
            unit: measure_kappa(
                [(unit in a, unit in b) for a, b in bare], [number for *_, number in coded]
            )
            for unit in units
        },
    )


class _QuestionNumbers:
    """Numbers the questions of a session, and the stretches between them, in order."""

    def __init__(self, session: Session) -> None:
        asked = find_questions(session)
        self._ends_s = sorted(
            session.zero_s + s for question in asked for s in (question.start_s, question.end_s)
        )

    def number(self, time_s: float) -> int:
        return bisect_right(self._ends_s, time_s)

    def of_edits(self, edits: Iterable[Edit]) -> list[int]:
        return [self.number(edit.onset.time_s) for edit in edits]


def _class(edit: Edit) -> str:
    return CLASS_OF_EMOTION.get(edit.label) or edit.label


def _expressions(session: Session, edits: Sequence[Edit]) -> list[Expression]:
    kinds: Mapping[int, Kind] = find_kinds(session, edits)
    return [
        Expression(e.onset.time_s, e.apex.time_s, e.offset.time_s, kinds[e.number], e.label)
        for e in edits
    ]


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


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
