"""How well spotted expressions fit annotated ones: the MEGC protocol.

A prediction counts as true when its interval and that of an annotation of the same kind have an
intersection over union (IoU) of at least 0.5, one to one. Micro- and macro-expressions are scored
apart, and several videos count as one long one (See et al., MEGC 2019, "Spotting"; Li et al.,
MEGC 2022, section 3): hits, predictions and annotations are summed before any ratio is taken.

    fmanet calibrate spotting score clip.events.csv clip.truth.csv
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.datasets.delimited import read_table
from model.errors import InputError

MIN_IOU = 0.5
"""The least overlap of a hit, from the protocol."""
KINDS = ("micro", "macro")
"""The kinds that are scored. Other annotated kinds (a blink) are nuisances, never hits."""

_MOMENTS = ("onset", "apex", "offset")


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression in time, predicted or annotated."""

    onset_s: float
    apex_s: float
    offset_s: float
    kind: str
    """"micro", "macro", or another annotated thing such as "blink"."""
    label: str = ""
    """Emotion class; empty if none was given."""
    amplitude_px: float = math.nan
    """Greatest displacement at the apex, px of the 128 px crop; NaN if unknown."""


@dataclass(frozen=True, slots=True)
class Score:
    """Hits, false predictions and missed annotations of one kind, over any number of videos, and
    the scores computed from them."""

    kind: str
    pairs: tuple[tuple[Expression, Expression], ...]
    """The hits: (predicted, annotated)."""
    false: tuple[Expression, ...]
    """Predictions that hit nothing."""
    missed: tuple[Expression, ...]
    """Annotations that nothing hit."""

    @property
    def hits(self) -> int:
        """True positives."""
        return len(self.pairs)

    @property
    def predicted(self) -> int:
        """Number of predictions."""
        return len(self.pairs) + len(self.false)

    @property
    def annotated(self) -> int:
        """Number of annotations."""
        return len(self.pairs) + len(self.missed)

    @property
    def precision(self) -> float:
        """Share of predictions that hit, 0 without predictions."""
        return self.hits / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of annotations that were hit, 0 without annotations."""
        return self.hits / self.annotated if self.annotated else 0.0

    @property
    def f1(self) -> float:
        """2 × hits / (predictions + annotations), 0 when there are neither."""
        total = self.predicted + self.annotated
        return 2 * self.hits / total if total else 0.0

    @property
    def onset_errors_s(self) -> tuple[float, ...]:
        """Predicted − annotated onset, in seconds, one per hit."""
        return tuple(p.onset_s - a.onset_s for p, a in self.pairs)

    @property
    def apex_errors_s(self) -> tuple[float, ...]:
        """Predicted − annotated apex, in seconds, one per hit."""
        return tuple(p.apex_s - a.apex_s for p, a in self.pairs)

    @property
    def offset_errors_s(self) -> tuple[float, ...]:
        """Predicted − annotated offset, in seconds, one per hit."""
        return tuple(p.offset_s - a.offset_s for p, a in self.pairs)

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """(predicted, annotated) labels of each hit that has both."""
        return tuple((p.label, a.label) for p, a in self.pairs if p.label and a.label)

    @property
    def named(self) -> int:
        """Number of hits with a label on both sides."""
        return len(self.names)

    @property
    def named_right(self) -> int:
        """Number of those hits whose labels agree; an "unclear" prediction never agrees."""
        return sum(p == a for p, a in self.names)

    @property
    def label_accuracy(self) -> float:
        """Share of the labelled hits that have the right label; NaN without any."""
        return self.named_right / self.named if self.named else math.nan

    @property
    def analysis_f1(self) -> float:
        """Mean of 2 TP / (2 TP + FP + FN) over the classes annotated among the labelled hits; NaN
        without any. An "unclear" prediction counts as a miss of the true class only."""
        scores = []
        for label in sorted({a for _, a in self.names}):
            said = sum(p == label for p, _ in self.names)
            true = sum(a == label for _, a in self.names)
            scores.append(2 * sum(p == a == label for p, a in self.names) / (said + true))
        return float(np.mean(scores)) if scores else math.nan

    @property
    def strs(self) -> float:
        """Spot-then-recognise score: `f1` × `analysis_f1` (MEGC 2022); NaN without labels."""
        return self.f1 * self.analysis_f1


def iou(a: Expression, b: Expression) -> float:
    """Intersection over union of two intervals in time, 0–1."""
    shared = min(a.offset_s, b.offset_s) - max(a.onset_s, b.onset_s)
    union = max(a.offset_s, b.offset_s) - min(a.onset_s, b.onset_s)
    return max(0.0, shared / union) if union > 0 else 0.0


def match(
    predicted: Sequence[Expression], annotated: Sequence[Expression], min_iou: float = MIN_IOU
) -> tuple[tuple[int, int], ...]:
    """Return pairs (predicted index, annotated index), one to one, best overlaps first.

    Kinds are ignored. Equal overlaps go to the earlier annotation, then the earlier prediction.
    """
    overlaps = sorted(
        (-iou(p, a), j, i)
        for i, p in enumerate(predicted)
        for j, a in enumerate(annotated)
        if iou(p, a) >= min_iou
    )
    pairs: list[tuple[int, int]] = []
    used_i: set[int] = set()
    used_j: set[int] = set()
    for _, j, i in overlaps:
        if i not in used_i and j not in used_j:
            pairs.append((i, j))
            used_i.add(i)
            used_j.add(j)
    return tuple(pairs)


def score(
    videos: Iterable[tuple[Sequence[Expression], Sequence[Expression]]],
    kind: str,
    min_iou: float = MIN_IOU,
) -> Score:
    """Score the (predicted, annotated) intervals of all `videos` together, for one kind."""
    pairs: list[tuple[Expression, Expression]] = []
    false: list[Expression] = []
    missed: list[Expression] = []
    for predicted, annotated in videos:
        said = [p for p in predicted if p.kind == kind]
        truth = [a for a in annotated if a.kind == kind]
        found = match(said, truth, min_iou)
        pairs += [(said[i], truth[j]) for i, j in found]
        hit_i, hit_j = {i for i, _ in found}, {j for _, j in found}
        false += [p for i, p in enumerate(said) if i not in hit_i]
        missed += [a for j, a in enumerate(truth) if j not in hit_j]
    return Score(kind, tuple(pairs), tuple(false), tuple(missed))


def score_record(scored: Score) -> dict[str, float | int | str | None]:
    """Return a score as plain values: counts, ratios, and median and 95th percentile (ms) of the
    absolute errors of onset, apex and offset. Unknown values are None."""
    figures: dict[str, float | int | str | None] = {
        "kind": scored.kind,
        **{name: getattr(scored, name) for name in ("annotated", "predicted", "hits", "named")},
    }
    for name in ("precision", "recall", "f1", "label_accuracy", "analysis_f1", "strs"):
        figures[name] = _none_if_nan(getattr(scored, name))
    for moment in _MOMENTS:
        median_ms, p95_ms = error_ms(getattr(scored, f"{moment}_errors_s"))
        figures[f"{moment}_error_median_ms"] = _none_if_nan(median_ms)
        figures[f"{moment}_error_p95_ms"] = _none_if_nan(p95_ms)
    return figures


def error_ms(errors_s: Sequence[float]) -> tuple[float, float]:
    """Return median and 95th percentile of the absolute values, ms; NaN without any."""
    if not errors_s:
        return math.nan, math.nan
    errors_ms = 1000 * np.abs(np.asarray(errors_s))
    return float(np.median(errors_ms)), float(np.percentile(errors_ms, 95))


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def read_intervals(path: Path) -> tuple[Expression, ...]:
    """Read a table of events or of truth: CSV with a header. It needs the columns `onset_s`,
    `apex_s`, `offset_s` and `kind`; `label` and `amplitude_px` are optional. Raises `InputError`
    if the file is not such a table."""
    table = read_table(path, ("onset_s", "apex_s", "offset_s", "kind"))
    return tuple(_interval(row.cells, row.where) for row in table.rows)


def _interval(row: Mapping[str, str], where: str) -> Expression:
    onset_s, apex_s, offset_s = (_seconds(row, f"{moment}_s", where) for moment in _MOMENTS)
    if not onset_s <= apex_s <= offset_s:
        raise InputError(
            f"{where}: onset, apex, offset are {[onset_s, apex_s, offset_s]}; they must not run "
            "back"
        )
    kind, label, amplitude = (
        row.get(name, "").strip() for name in ("kind", "label", "amplitude_px")
    )
    if not kind:
        raise InputError(
            f"{where}: kind is empty; it must be {' or '.join(KINDS)}, or another word"
        )
    return Expression(onset_s, apex_s, offset_s, kind.lower(), label, _number(amplitude))


def _seconds(row: Mapping[str, str], column: str, where: str) -> float:
    time_s = _number(row[column])
    if not math.isfinite(time_s):
        raise InputError(f"{where}: {column} is {row[column]!r}; it must be a time in seconds")
    return time_s


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def format_scores(scores: Iterable[Score]) -> str:
    """Return scores as a text table, errors in ms as median of the absolute value (p95)."""
    lines = [
        f"{'kind':<6}{'true':>6}{'found':>7}{'hits':>6}{'precision':>11}{'recall':>8}{'F1':>7}"
        f"{'label':>7}{'STRS':>7}{'onset ms':>13}{'apex ms':>13}{'offset ms':>13}"
    ]
    for s in scores:
        errors = (s.onset_errors_s, s.apex_errors_s, s.offset_errors_s)
        label = f"{s.label_accuracy:.2f}" if s.named else "–"
        strs = f"{s.strs:.2f}" if s.named else "–"
        lines.append(
            f"{s.kind:<6}{s.annotated:>6}{s.predicted:>7}{s.hits:>6}{s.precision:>11.2f}"
            f"{s.recall:>8.2f}{s.f1:>7.2f}{label:>7}{strs:>7}"
            + "".join(f"{_spread(e):>13}" for e in errors)
        )
    return "\n".join(lines)


def _spread(errors_s: Sequence[float]) -> str:
    if not errors_s:
        return "–"
    return "{:.0f} ({:.0f})".format(*error_ms(errors_s))
