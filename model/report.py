"""Evaluations as one page that needs no network: tables and plots as inline SVG."""

from collections.abc import Sequence
from html import escape

from model.evaluation import Evaluation
from model.machine import machine
from model.metrics import Bin, SubjectScore

_STYLE = """
:root { color-scheme: light dark; --ink: #1e293b; --quiet: #64748b; --line: #cbd5e1; --back: #fff;
  --fill: #0d9488; --mark: #b45309; }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e8f0; --quiet: #94a3b8; --line: #334155;
  --back: #0f172a; --fill: #2dd4bf; --mark: #f59e0b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
  max-width: 1080px; margin: 32px auto; padding: 0 20px; }
h1 { font-size: 24px; } h2 { font-size: 19px; margin: 40px 0 4px; }
h3 { font-size: 14px; margin: 0 0 6px; } figure { margin: 0; }
p, caption { color: var(--quiet); margin: 0 0 12px; text-align: left; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
.plots { display: flex; flex-wrap: wrap; gap: 28px 40px; margin-top: 20px; }
svg { font: 12px system-ui, sans-serif; fill: var(--ink); display: block; overflow: visible; }
.quiet { fill: var(--quiet); } .line { stroke: var(--line); fill: none; }
.fill { fill: var(--fill); } .mark { fill: var(--mark); }
.even { stroke: var(--quiet); stroke-dasharray: 4 4; fill: none; }
"""
_SIDE = 260  # px of a square plot
_BAR, _ROW = 240, 18  # px: width of a full bar, height of its row


def page(evaluations: Sequence[Evaluation]) -> str:
    """An HTML document."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation</title><style>{_STYLE}</style></head><body>\n<h1>Evaluation</h1>\n"
        "<p>Scores are pooled over all clips; intervals are 95 %, drawn over subjects. The "
        "likeliest class is the answer. No figure on synthetic pairs says how a network does on "
        f"recorded faces. Computed on {escape(machine())}.</p>\n{_overview(evaluations)}\n"
        + "\n".join(_section(each) for each in evaluations)
        + "\n</body></html>\n"
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
    return _table(head, rows)


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


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    return f"<table><thead>{row(head, 'th')}</thead><tbody>\n{body}\n</tbody></table>"


def _svg(width: float, height: float, parts: Sequence[str], what: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(what)}" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{kind}">{escape(words)}</text>'


def _width(names: Sequence[str]) -> float:
    return 12 + 7 * max((len(name) for name in names), default=0)


def _confusion(each: Evaluation) -> str:
    names, count = each.classes, len(each.classes)
    left, top, cell = _width(names), 22, _SIDE / count
    parts = []
    for i, row in enumerate(each.confusion.tolist()):
        parts.append(_text(left - 8, top + (i + 0.5) * cell + 4, names[i], "end"))
        # Narrow columns have no room for whole names.
        room = max(3, int(cell / 7))
        parts.append(_text(left + (i + 0.5) * cell, top - 8, names[i][:room], "middle"))
        total = max(1, sum(row))
        for j, number in enumerate(row):
            x, y, share = left + j * cell, top + i * cell, number / total
            kind = "fill" if i == j else "mark"
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell:.1f}" height="{cell:.1f}" '
                f'class="{kind}" fill-opacity="{0.75 * share:.3f}" stroke="var(--line)"/>'
            )
            parts.append(_text(x + cell / 2, y + cell / 2 + 4, str(number), "middle"))
            if cell > 50:
                shown = f"{100 * share:.0f} %"
                parts.append(_text(x + cell / 2, y + cell / 2 + 20, shown, "middle", "quiet"))
    return _svg(left + _SIDE, top + _SIDE, parts, "confusion matrix")


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
        parts.append(_text(left - 6, _SIDE - at + 4, f"{tenth / 10:g}", "end", "quiet"))
        parts.append(_text(left + at, _SIDE + 16, f"{tenth / 10:g}", "middle", "quiet"))
    words = "confidence (dots: its mean, where the bars should end)"
    parts.append(_text(left, _SIDE + 34, words, "start", "quiet"))
    return _svg(left + _SIDE, _SIDE + 38, parts, "reliability")


def _bars(values: Sequence[tuple[str, float]]) -> str:
    """Values from 0 to 1, a row each."""
    left = _width([name for name, _ in values])
    parts = []
    for n, (name, value) in enumerate(values):
        y = n * (_ROW + 6)
        share = value if value == value else 0.0  # NaN: a class that never occurs
        shown = f"{value:.3f}" if value == value else "–"
        parts.append(_text(left - 8, y + 13, name, "end"))
        parts.append(f'<rect x="{left}" y="{y}" width="{_BAR}" height="{_ROW}" class="line"/>')
        parts.append(
            f'<rect x="{left}" y="{y}" width="{_BAR * share:.1f}" height="{_ROW}" class="fill"/>'
        )
        parts.append(_text(left + _BAR + 8, y + 13, shown, "start", "quiet"))
    return _svg(left + _BAR + 50, len(values) * (_ROW + 6), parts, "bars")


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
        parts.append(_text(28, tall * (1 - tenth / 10) + 4, f"{tenth / 10:g}", "end", "quiet"))
    words = f"{len(ordered)} subjects, sorted; widths are their clips ({clips} in all)"
    parts.append(_text(34, tall + 18, words, "start", "quiet"))
    return _svg(34 + width, tall + 22, parts, "subjects")
