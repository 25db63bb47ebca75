"""Evaluations as one page that needs no network: tables and plots as inline SVG."""

from collections.abc import Sequence
from html import escape

from model.evaluation.html import document, svg, table, text, width
from model.evaluation.result import Evaluation
from model.machine import machine
from model.metrics.recognition import Bin, SubjectScore

_SIDE = 260  # px of a square plot
_BAR, _ROW = 240, 18  # px: width of a full bar, height of its row


def page(evaluations: Sequence[Evaluation]) -> str:
    """An HTML document."""
    sections = [_overview(evaluations), *(_section(each) for each in evaluations)]
    return document(
        "Evaluation",
        "<h1>Evaluation</h1>\n"
        "<p>Scores are pooled over all clips; intervals are 95 %, drawn over subjects. The "
        "likeliest class is the answer. No figure on synthetic pairs says how a network does on "
        f"recorded faces. Computed on {escape(machine())}.</p>\n" + "\n".join(sections),
    )


def _overview(evaluations: Sequence[Evaluation]) -> str:
    head = ("network", "data", "clips", "subjects", "UF1", "UAR", "accuracy", "calibration error")
    rows = []
    for each in evaluations:
        found = each.figures
        scores = [
            f"{found[name]:.3f} ({found[f'{name}_low']:.3f} to {found[f'{name}_high']:.3f})"
            for name in ("uf1", "uar", "accuracy")
        ]
        counts = [f"{found['samples']:.0f}", f"{found['subjects']:.0f}"]
        error = f"{found['calibration_error']:.3f}"
        rows.append([each.network, each.data, *counts, *scores, error])
    return table(head, rows)


def _section(each: Evaluation) -> str:
    alone = ", onset → apex alone" if each.first_phase_only else ""
    remark = f"; against the checkpoint's own figures: {each.remark}" if each.remark else ""
    found = each.figures
    lines = [f"least confidence refuses {100 * found['refused']:.0f} % of the expressions"]
    if "refused_without_expression" in found:
        share = 100 * found["refused_without_expression"]
        lines.append(f"and {share:.0f} % of the clips without one")
    plots = [
        ("Named, of each true class", _confusion(each)),
        ("Right, by how sure it was", _reliability(each.bins)),
        ("F1 of each class", _bars([(name, found[f"f1_{name}"]) for name in each.classes])),
    ]
    if each.amplitudes():
        plots.append(("UF1 by displacement at the apex", _bars(each.amplitudes())))
    if each.action_units:
        units = sorted(each.action_units.items(), key=lambda item: -item[1])
        plots.append(("Average precision of action units", _bars(units)))
    plots.append(("Named right, by subject", _subjects(each.subjects)))
    figures = "\n".join(f"<figure><h3>{title}</h3>{svg}</figure>" for title, svg in plots)
    return (
        f"<section><h2>{escape(each.network)} on {escape(each.data)}</h2>\n"
        f"<p>{escape(each.protocol + alone + remark)}. The {' '.join(lines)}.</p>\n"
        f'<div class="plots">{figures}</div></section>'
    )


def _confusion(each: Evaluation) -> str:
    names, count = each.classes, len(each.classes)
    left, top, cell = width(names), 22, _SIDE / count
    parts = []
    for i, row in enumerate(each.confusion.tolist()):
        parts.append(text(left - 8, top + (i + 0.5) * cell + 4, names[i], "end"))
        # Narrow columns have no room for whole names.
        room = max(3, int(cell / 7))
        parts.append(text(left + (i + 0.5) * cell, top - 8, names[i][:room], "middle"))
        total = max(1, sum(row))
        for j, number in enumerate(row):
            x, y, share = left + j * cell, top + i * cell, number / total
            kind = "fill" if i == j else "mark"
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell:.1f}" height="{cell:.1f}" '
                f'class="{kind}" fill-opacity="{0.75 * share:.3f}" stroke="var(--line)"/>'
            )
            parts.append(text(x + cell / 2, y + cell / 2 + 4, str(number), "middle"))
            if cell > 50:
                shown = f"{100 * share:.0f} %"
                parts.append(text(x + cell / 2, y + cell / 2 + 20, shown, "middle", "quiet"))
    return svg(left + _SIDE, top + _SIDE, parts, "confusion matrix")


def _reliability(bins: Sequence[Bin]) -> str:
    left, bar = 34, _SIDE / len(bins)
    parts = [f'<rect x="{left}" y="0" width="{_SIDE}" height="{_SIDE}" class="line"/>']
    for k, each in enumerate(bins):
        if each.clips:
            tall, middle = _SIDE * each.accuracy, left + (k + 0.5) * bar
            parts.append(
                f'<rect x="{left + k * bar + 1:.1f}" y="{_SIDE - tall:.1f}" '
                f'width="{bar - 2:.1f}" height="{tall:.1f}" class="fill"><title>'
                f"{each.accuracy:.2f} right at a mean confidence of {each.confidence:.2f}, "
                f"{each.clips} clips</title></rect>"
                f'<circle cx="{middle:.1f}" cy="{_SIDE * (1 - each.confidence):.1f}" '
                'r="3" class="mark"/>'
            )
    parts.append(f'<path d="M{left} {_SIDE}L{left + _SIDE} 0" class="even"/>')
    for tenth in (0, 5, 10):
        at = _SIDE * tenth / 10
        parts.append(text(left - 6, _SIDE - at + 4, f"{tenth / 10:g}", "end", "quiet"))
        parts.append(text(left + at, _SIDE + 16, f"{tenth / 10:g}", "middle", "quiet"))
    words = "confidence (dots: its mean, where the bars should end)"
    parts.append(text(left, _SIDE + 34, words, "start", "quiet"))
    return svg(left + _SIDE, _SIDE + 38, parts, "reliability")


def _bars(values: Sequence[tuple[str, float]]) -> str:
    """Values from 0 to 1, a row each."""
    left = width([name for name, _ in values])
    parts = []
    for n, (name, value) in enumerate(values):
        y = n * (_ROW + 6)
        share = value if value == value else 0.0  # NaN: a class that never occurs
        shown = f"{value:.3f}" if value == value else "–"
        parts.append(text(left - 8, y + 13, name, "end"))
        parts.append(f'<rect x="{left}" y="{y}" width="{_BAR}" height="{_ROW}" class="line"/>')
        parts.append(
            f'<rect x="{left}" y="{y}" width="{_BAR * share:.1f}" height="{_ROW}" class="fill"/>'
        )
        parts.append(text(left + _BAR + 8, y + 13, shown, "start", "quiet"))
    return svg(left + _BAR + 50, len(values) * (_ROW + 6), parts, "bars")


def _subjects(subjects: Sequence[SubjectScore]) -> str:
    """A bar for each, sorted by share named right, as wide as its clips are many."""
    ordered = sorted(subjects, key=lambda each: (-each.right / each.clips, each.subject))
    clips = sum(each.clips for each in ordered)
    width, tall, x = 560.0, 160, 34.0
    parts = [f'<rect x="{x}" y="0" width="{width}" height="{tall}" class="line"/>']
    for each in ordered:
        share, wide = each.right / each.clips, width * each.clips / clips
        parts.append(
            f'<rect x="{x:.2f}" y="{tall * (1 - share):.1f}" width="{max(0.5, wide - 1):.2f}" '
            f'height="{tall * share:.1f}" class="fill"><title>{escape(each.subject)}: {each.right} '
            f"of {each.clips}</title></rect>"
        )
        x += wide
    for tenth in (0, 5, 10):
        parts.append(text(28, tall * (1 - tenth / 10) + 4, f"{tenth / 10:g}", "end", "quiet"))
    words = f"{len(ordered)} subjects, sorted; widths are their clips ({clips} in all)"
    parts.append(text(34, tall + 18, words, "start", "quiet"))
    return svg(34 + width, tall + 22, parts, "subjects")
