"""Summaries of a data set's folder."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from model.datasets.annotation_repairs import REPAIRS
from model.datasets.class_merges import list_merges, merge
from model.datasets.clips import Dataset
from model.datasets.flow_maps import FlowMaps
from model.datasets.layout import natural_key
from model.datasets.megc2019 import PUBLISHED, compare_counts, is_listed


def summarise(dataset: Dataset) -> str:
    """A summary as text: clips per subject and class, repairs by rule, clips left out and why,
    merges."""
    lines = [f"{dataset.title} in {dataset.root}"]
    lines.extend(f"  read: {path}" for path in dataset.sources)
    repaired = sum(1 for clip in dataset if clip.repairs)
    subjects = {clip.subject for clip in dataset}
    lines.append(
        f"{len(dataset)} expressions of {len(subjects)} subjects can be used, {repaired} of them "
        f"repaired; {len(dataset.problems)} left out"
    )
    if dataset.videos:
        windows = sum(len(video.windows) for video in dataset.videos)
        lines.append(f"{len(dataset.videos)} long videos, {windows} expressions annotated in them")
    for kind in ("micro", "macro"):
        clips = [clip for clip in dataset if clip.kind == kind]
        if clips:
            pairs = [(clip.subject, clip.label) for clip in clips]
            lines += ["", f"{kind}-expressions by subject and emotion", *_by_subject(pairs)]
    lines += ["", "classes after merging (micro-expressions)"]
    for name, counts in count_classes(dataset).items():
        shown = ", ".join(f"{label} {n}" for label, n in counts.items())
        lines.append(f"  {name}: {shown}; together {sum(counts.values())}")
    if dataset.name in PUBLISHED:
        listed = [clip for clip in dataset if is_listed(clip)]
        pairs = [(clip.subject, merge(3).find_class(clip.label) or "") for clip in listed]
        lines.append(f"  {compare_counts(dataset.name, pairs)}")
    if repaired:
        lines += ["", "repairs"]
        repairs = Counter(rule for clip in dataset for rule in clip.repairs)
        for rule, n in sorted(repairs.items()):
            lines.append(f"  {n:>5}  {rule}: {REPAIRS[rule]}")
    if dataset.problems:
        lines += ["", "left out"]
        lines.extend(f"  {p.where} ({p.clip}): {p.reason}" for p in dataset.problems)
    return "\n".join(lines)


def summarise_maps(maps: FlowMaps, source: Path) -> str:
    """A summary as text: what a table of flow maps holds, and what its maps have lost."""
    both = int(maps.both_phases.sum())
    lines = [
        f"{len(maps)} clips of {len(set(maps.subjects))} subjects in {source}, {both} of them with "
        f"both phases; maps of {maps.flows.shape[-1]} px"
    ]
    if maps.unit == "relative":
        lines.append(
            "8-bit maps without their range: the zero is estimated, the scale is lost, and u and v "
            "do not compare in size"
        )
    pairs = list(zip(maps.subjects, maps.labels, strict=True))
    return "\n".join([*lines, "", "clips by subject and label", *_by_subject(pairs)])


def count_classes(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Number of micro-expressions per class, by the name of the merge."""
    counts: dict[str, dict[str, int]] = {}
    for each in list_merges(dataset.name):
        found = Counter(each.find_class(clip.label) for clip in dataset if clip.kind == "micro")
        counts[each.name] = {name: found[name] for name in each.classes}
    return counts


def _by_subject(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A table of (subject, label) pairs."""
    labels = sorted({label for _, label in pairs})
    headings = [label or "(none)" for label in labels]
    counts = Counter(pairs)
    subjects = sorted({subject for subject, _ in pairs}, key=natural_key)
    first = max(len("together"), *(len(subject) for subject in subjects))
    widths = [max(len(heading), 5) for heading in headings]

    def line(name: str, cells: Sequence[object]) -> str:
        padded = (f"{cell!s:>{w}}" for cell, w in zip(cells, (*widths, 8), strict=True))
        return f"  {name:<{first}}  " + "  ".join(padded)

    lines = [line("subject", [*headings, "together"])]
    for subject in subjects:
        row = [counts[subject, label] for label in labels]
        lines.append(line(subject, [*(n or "." for n in row), sum(row)]))
    sums = [sum(counts[subject, label] for subject in subjects) for label in labels]
    lines.append(line("together", [*sums, sum(sums)]))
    return lines
