"""Evaluations as one page that works offline: tables, and plots as inline SVG."""

from collections.abc import Sequence
from html import escape

from model.evaluation.html import bars, document, reliability, svg, table, text, width
from model.evaluation.result import Evaluation
from model.machine import machine
from model.metrics.recognition import SubjectScore

_SIDE = 260  # px of a square plot


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
        ("Right, by how sure it was", reliability(each.bins)),
        ("F1 of each class", bars([(name, found[f"f1_{name}"]) for name in each.classes])),
    ]
    if each.amplitudes():
        plots.append(("UF1 by displacement at the apex", bars(each.amplitudes())))
    if each.action_units:
        units = sorted(each.action_units.items(), key=lambda item: -item[1])
        plots.append(("Average precision of action units", bars(units)))
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
        # Whole names do not fit into narrow columns.
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


def _subjects(subjects: Sequence[SubjectScore]) -> str:
    """A bar per subject, sorted by share named right; its width is the number of clips."""
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
