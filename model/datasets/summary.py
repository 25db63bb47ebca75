"""Summaries of a data set's folder, for people and for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.datasets.annotation_repairs import RULES
from model.datasets.class_merges import merges_of
from model.datasets.clips import Clip, Dataset
from model.datasets.layout import natural
from model.datasets.pairs import FlowPairSet


def report(dataset: Dataset) -> str:
    """A summary as text: clips per subject and class, repairs by rule, clips left out and why,
    merges."""
    lines = [f"{dataset.title} in {dataset.root}"]
    lines.extend(f"  read: {path}" for path in dataset.sources)
    repaired = sum(1 for clip in dataset if clip.repairs)
    subjects = {clip.subject for clip in dataset}
    lines.append(
        f"{len(dataset)} expressions of {len(subjects)} subjects can be used, {repaired} of them "
        f"repaired; {len(dataset.left_out)} left out"
    )
    if dataset.hidden:
        lines.append(f"{dataset.hidden} hidden files among the pictures (.…) are ignored")
    if dataset.videos:
        windows = sum(len(video.windows) for video in dataset.videos)
        lines.append(f"{len(dataset.videos)} long videos, {windows} expressions annotated in them")
    for kind in ("micro", "macro"):
        clips = [clip for clip in dataset if clip.kind == kind]
        if clips:
            pairs = [(clip.subject, clip.label) for clip in clips]
            lines += ["", f"{kind}-expressions by subject and emotion", *_by_subject(pairs)]
    lines += ["", "classes after merging (micro-expressions)"]
    for name, counts in merged_counts(dataset).items():
        shown = ", ".join(f"{label} {n}" for label, n in counts.items())
        lines.append(f"  {name}: {shown}; together {sum(counts.values())}")
    if repaired:
        lines += ["", "repairs"]
        for rule, n in sorted(_repairs(dataset).items()):
            lines.append(f"  {n:>5}  {rule}: {RULES[rule]}")
    if dataset.left_out:
        lines += ["", "left out"]
        lines.extend(f"  {p.where} ({p.clip}): {p.reason}" for p in dataset.left_out)
    return "\n".join(lines)


def report_maps(maps: FlowPairSet, source: Path) -> str:
    """A summary as text: what a table of flow maps holds, and what its maps have lost."""
    both = int(maps.both_phases.sum())
    lines = [
        f"{len(maps)} clips of {len(set(maps.subjects))} subjects in {source}, {both} of them with "
        f"both phases; maps of {maps.flows.shape[-1]} px",
    ]
    if maps.unit == "relative":
        lines.append(
            "8-bit maps without their range: the zero is estimated, the scale is lost, and u and v "
            "do not compare in size"
        )
    pairs = list(zip(maps.subjects, maps.labels, strict=True))
    return "\n".join([*lines, "", "clips by subject and label", *_by_subject(pairs)])


def as_json(dataset: Dataset) -> dict[str, Any]:
    """The same summary, and every clip, in types that `json` can write."""
    return {
        "dataset": dataset.name,
        "title": dataset.title,
        "root": str(dataset.root),
        "sources": [str(path) for path in dataset.sources],
        "hidden": dataset.hidden,
        "usable": len(dataset),
        "subjects": len({clip.subject for clip in dataset}),
        "emotions": dict(sorted(Counter(clip.label for clip in dataset).items())),
        "merges": merged_counts(dataset),
        "repairs": dict(sorted(_repairs(dataset).items())),
        "left_out": [
            {"where": p.where, "clip": p.clip, "reason": p.reason} for p in dataset.left_out
        ],
        "videos": [
            {"subject": v.subject, "name": v.name, "expressions": len(v.windows)}
            for v in dataset.videos
        ],
        "clips": [_clip_json(clip) for clip in dataset],
    }


def merged_counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Number of micro-expressions per class, by the name of the merge."""
    counts: dict[str, dict[str, int]] = {}
    for merge in merges_of(dataset.name):
        found = Counter(merge.of(clip.label) for clip in dataset if clip.kind == "micro")
        counts[merge.name] = {name: found[name] for name in merge.classes}
    return counts


def _clip_json(clip: Clip) -> dict[str, Any]:
    return {
        "subject": clip.subject,
        "name": clip.name,
        "kind": clip.kind,
        "onset": clip.onset,
        "apex": clip.apex,
        "offset": clip.offset,
        "emotion": clip.label,
        "action_units": list(clip.action_units),
        "pictures": len(clip.footage.numbers),
        "folder": str(clip.footage.folder),
        "repairs": list(clip.repairs),
    }


def _repairs(dataset: Dataset) -> Mapping[str, int]:
    return Counter(rule for clip in dataset for rule in clip.repairs)


def _by_subject(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A table of (subject, label) pairs."""
    labels = sorted({label for _, label in pairs})
    headings = [label or "(none)" for label in labels]
    counts = Counter(pairs)
    subjects = sorted({subject for subject, _ in pairs}, key=natural)
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
