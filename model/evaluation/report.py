"""Writes evaluations as one page that works offline: tables, and plots as inline SVG."""

from collections.abc import Sequence
from html import escape

from model.evaluation.html import bars, document, reliability, table
from model.evaluation.result import Evaluation
from model.machine import machine


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
    rows = [
        [
            each.network,
            each.data,
            f"{each.figures['samples']:.0f}",
            f"{each.figures['subjects']:.0f}",
            *each.scores(),
            f"{each.figures['calibration_error']:.3f}",
        ]
        for each in evaluations
    ]
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
    figures = "\n".join(f"<figure><h3>{title}</h3>{plot}</figure>" for title, plot in plots)
    shares = [(one.subject, one.right / one.clips) for one in each.subjects]
    return (
        f"<section><h2>{escape(each.network)} on {escape(each.data)}</h2>\n"
        f"<p>{escape(each.protocol + alone + remark)}. The {' '.join(lines)}.</p>\n"
        f'<div class="plots">{figures}</div>\n'
        f"<details><summary>Named right, by subject</summary>{bars(shares)}</details></section>"
    )


def _confusion(each: Evaluation) -> str:
    rows = [
        [name, *(f"{number} ({number / max(1, sum(row)):.0%})" for number in row)]
        for name, row in zip(each.classes, each.confusion.tolist(), strict=True)
    ]
    return table(("true class", *each.classes), rows)
