"""How well spotted expressions fit annotated ones: the MEGC protocol.

A prediction counts as true when its interval and that of an annotation of the same kind have an
intersection over union (IoU) of at least 0.5, one to one. Micro- and macro-expressions are scored
apart, and several videos count as one long one (See et al., MEGC 2019, "Spotting"; Li et al.,
MEGC 2022, section 3): hits, predictions and annotations are summed before any ratio is taken.

    python -m realtime.scoring clip.events.csv clip.truth.csv
"""

import argparse
import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.errors import InputError, exit_code

MIN_IOU = 0.5
"""The protocol's least overlap of a hit."""
KINDS = ("micro", "macro")
"""What is scored; other annotated kinds (a blink) are nuisances, never hits."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One expression in time, predicted or annotated."""

    onset_s: float
    apex_s: float
    offset_s: float
    kind: str
    """"micro", "macro", or another annotated thing such as "blink"."""
    label: str = ""
    """Emotion class; empty where none was given."""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over any number of videos for one kind, and what follows from them."""

    kind: str
    annotated: int
    predicted: int
    hits: int
    named: int
    """Hits whose annotation and prediction both carry a label."""
    named_right: int
    """Those of them whose labels agree; an "unclear" prediction agrees with none."""
    onset_errors_s: tuple[float, ...]
    """Predicted − annotated, one for each hit; so are the next two."""
    apex_errors_s: tuple[float, ...]
    offset_errors_s: tuple[float, ...]

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
    def label_accuracy(self) -> float:
        """Share of the labelled hits that carry the right label; NaN without any."""
        return self.named_right / self.named if self.named else math.nan


def iou(a: Interval, b: Interval) -> float:
    """Intersection over union of two intervals in time, 0–1."""
    shared = min(a.offset_s, b.offset_s) - max(a.onset_s, b.onset_s)
    union = max(a.offset_s, b.offset_s) - min(a.onset_s, b.onset_s)
    return max(0.0, shared / union) if union > 0 else 0.0


def match(
    predicted: Sequence[Interval], annotated: Sequence[Interval], min_iou: float = MIN_IOU
) -> tuple[tuple[int, int], ...]:
    """Pairs (predicted index, annotated index), one to one, the best overlaps first.

    Kinds are not looked at. Equal overlaps go to the earlier annotation, then prediction.
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
    videos: Iterable[tuple[Sequence[Interval], Sequence[Interval]]],
    kind: str,
    min_iou: float = MIN_IOU,
) -> Score:
    """Score the (predicted, annotated) intervals of any number of videos as one, for one kind."""
    annotated_n = predicted_n = named = named_right = 0
    hits: list[tuple[Interval, Interval]] = []
    for predicted, annotated in videos:
        of_kind = [p for p in predicted if p.kind == kind]
        truth = [a for a in annotated if a.kind == kind]
        predicted_n += len(of_kind)
        annotated_n += len(truth)
        hits.extend((of_kind[i], truth[j]) for i, j in match(of_kind, truth, min_iou))
    for p, a in hits:
        if p.label and a.label:
            named += 1
            named_right += p.label == a.label
    return Score(
        kind=kind,
        annotated=annotated_n,
        predicted=predicted_n,
        hits=len(hits),
        named=named,
        named_right=named_right,
        onset_errors_s=tuple(p.onset_s - a.onset_s for p, a in hits),
        apex_errors_s=tuple(p.apex_s - a.apex_s for p, a in hits),
        offset_errors_s=tuple(p.offset_s - a.offset_s for p, a in hits),
    )


def read_intervals(path: Path) -> tuple[Interval, ...]:
    """Read a table of events or of truth: CSV with a header, of which the columns `onset_s`,
    `apex_s`, `offset_s`, `kind` are needed and `label` is used where it stands."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            columns = table.fieldnames or ()
            for needed in ("onset_s", "apex_s", "offset_s", "kind"):
                if needed not in columns:
                    raise InputError(f"{path} has no column {needed!r}; it has {list(columns)}")
            return tuple(_interval(row, f"{path}, line {table.line_num}") for row in table)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a CSV of events") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV table: {error}") from error


def _interval(row: dict[str, str | None], where: str) -> Interval:
    times: list[float] = []
    for column in ("onset_s", "apex_s", "offset_s"):
        text = row[column] or ""
        try:
            time_s = float(text)
        except ValueError:
            time_s = math.nan
        if not math.isfinite(time_s):
            raise InputError(f"{where}: {column} is {text!r}; it must be a time in seconds")
        times.append(time_s)
    if not times[0] <= times[1] <= times[2]:
        raise InputError(f"{where}: onset, apex, offset are {times}; they must not run back")
    onset_s, apex_s, offset_s = times
    return Interval(onset_s, apex_s, offset_s, row["kind"] or "", row.get("label") or "")


def table(scores: Iterable[Score]) -> str:
    """Scores as one table of text, errors in ms as median of the absolute value (p95)."""
    lines = [
        f"{'kind':<6}{'true':>6}{'found':>7}{'hits':>6}{'precision':>11}{'recall':>8}{'F1':>7}"
        f"{'label':>7}{'onset ms':>13}{'apex ms':>13}{'offset ms':>13}"
    ]
    for s in scores:
        errors = (s.onset_errors_s, s.apex_errors_s, s.offset_errors_s)
        label = f"{s.label_accuracy:.2f}" if s.named else "–"
        lines.append(
            f"{s.kind:<6}{s.annotated:>6}{s.predicted:>7}{s.hits:>6}{s.precision:>11.2f}"
            f"{s.recall:>8.2f}{s.f1:>7.2f}{label:>7}" + "".join(f"{_spread(e):>13}" for e in errors)
        )
    return "\n".join(lines)


def _spread(errors_s: Sequence[float]) -> str:
    if not errors_s:
        return "–"
    errors_ms = 1000 * np.abs(np.asarray(errors_s))
    return f"{np.median(errors_ms):.0f} ({np.percentile(errors_ms, 95):.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Score spotted events against the truth (MEGC).")
    parser.add_argument("events", type=Path, help="CSV of events, as realtime.analyze writes it")
    parser.add_argument("truth", type=Path, help="CSV of truth, as model.synthesize writes it")
    options = parser.parse_args()
    video = (read_intervals(options.events), read_intervals(options.truth))
    print(table(score([video], kind) for kind in KINDS))


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
