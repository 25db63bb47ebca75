"""The report on a spotter as one page that works offline."""

import math
from collections.abc import Sequence
from html import escape
from itertools import groupby

from calibrate.spotting.footage import USUAL
from calibrate.spotting.outcomes import FigureRow, named_right
from model.evaluation.html import BAR, ROW, bars, document, svg, table, text, width
from model.machine import machine
from realtime.spotting.metrics import KINDS, error_ms

_SHARES = (("f1", "F1"), ("precision", "precision"), ("recall", "recall"))
_HEAD = (
    *("", "minutes", "MEs", "hits", "F1", "precision", "recall", "false/min"),
    *("onset ms", "apex ms", "offset ms", "decision ms", "macro F1", "false macro/min"),
)


def page(rows: Sequence[FigureRow], about: str) -> str:
    """An HTML document; `about` describes the footage and the spotter in words."""
    sections = [
        _section(group, list(members)) for group, members in groupby(rows, key=lambda r: r.group)
    ]
    lead = (
        "An expression is found if predicted and true interval have an intersection over union of "
        "0.5 (MEGC), one to one. Errors and delays: median (95th percentile) of the absolute "
        "error, and of the time from the true offset to the decision. "
    )
    return document(
        "Spotting",
        f"<h1>Spotting</h1>\n<p>{escape(about)}</p>\n<p>{escape(lead)}Computed on "
        f"{escape(machine())}.</p>\n" + "\n".join(sections),
        style="td:first-child { white-space: nowrap; }",
    )


def cells(row: FigureRow) -> list[str]:
    """The figures of a condition, in the order of the page's columns."""
    micro, macro = (row.score(kind) for kind in KINDS)
    delays_s = [ms / 1000 for ms in row.delays_ms()]
    errors = (micro.onset_errors_s, micro.apex_errors_s, micro.offset_errors_s, delays_s)
    shares = [f"{getattr(micro, name):.2f}" if micro.annotated else "–" for name, _ in _SHARES]
    return [
        row.value,
        f"{row.minutes:.1f}",
        str(micro.annotated),
        str(micro.hits),
        *shares,
        f"{row.false_per_min('micro'):.2f}",
        *(_spread(each) for each in errors),
        f"{macro.f1:.2f}" if macro.annotated else "–",
        f"{row.false_per_min('macro'):.2f}",
    ]


def _section(group: str, rows: Sequence[FigureRow]) -> str:
    plots = [("False alarms a minute", _false_alarms(rows))]
    if any(row.score("micro").annotated for row in rows):
        plots.insert(0, ("F1, precision and recall of micro-expressions", _shares(rows)))
    if group == USUAL:
        plots.append(("Found, by amplitude", _recall(rows[0])))
        if rows[0].missed_because():
            plots.append(("Missed because", _reasons(rows[0])))
    if group != USUAL and any(row.missed_because() for row in rows):
        said = [f"{row.value}: {_listed(row)}" for row in rows if row.missed_because()]
        why = f"<p>Missed because: {escape('; '.join(said))}.</p>"
    else:
        why = ""
    figures = "\n".join(f"<figure><h3>{name}</h3>{plot}</figure>" for name, plot in plots)
    if names := [words for row in rows if (words := named_right(row))]:
        why = f"<p>{escape('; '.join(names))}.</p>{why}"
    return (
        f"<section><h2>{escape(group.capitalize())}</h2>\n"
        f'{table(_HEAD, [cells(row) for row in rows])}\n<div class="plots">{figures}</div>{why}'
        "</section>"
    )


def _listed(row: FigureRow) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in row.missed_because().most_common(4))


def _shares(rows: Sequence[FigureRow]) -> str:
    """A plot with a row per condition, dots on a line from 0 to 1."""
    left = width([row.value for row in rows])
    marks = {"f1": ("fill", 6), "precision": ("mark", 3.5), "recall": ("quiet", 3.5)}
    parts = []
    for n, row in enumerate(rows):
        y = n * ROW + ROW / 2
        scored = row.score("micro")
        parts.append(text(left - 8, y + 4, row.value, "end"))
        parts.append(f'<path d="M{left} {y}h{BAR}" class="line"/>')
        if not scored.annotated:
            continue
        for name, (kind, radius) in marks.items():
            x = left + BAR * getattr(scored, name)
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y}" r="{radius}" class="{kind}">'
                f"<title>{name} {getattr(scored, name):.2f}</title></circle>"
            )
        parts.append(text(left + BAR + 14, y + 4, f"{scored.f1:.2f}", "start", "quiet"))
    end = len(rows) * ROW
    for tenth in (0, 5, 10):
        parts.append(text(left + BAR * tenth / 10, end + 12, f"{tenth / 10:g}", "middle", "quiet"))
    legend = (("fill", "F1", 0), ("mark", "precision", 40), ("quiet", "recall", 120))
    for kind, name, x in legend:
        parts.append(f'<circle cx="{left + x}" cy="{end + 26}" r="4" class="{kind}"/>')
        parts.append(text(left + x + 8, end + 30, name, "start", "quiet"))
    return svg(left + BAR + 50, end + 36, parts, "F1, precision and recall")


def _false_alarms(rows: Sequence[FigureRow]) -> str:
    values = [(row.value, row.false_per_min("micro")) for row in rows]
    return bars(values, max(1.0, *(value for _, value in values)), ".2f")


def _recall(row: FigureRow) -> str:
    values = [
        (f"{low:g}–{high:g} px, {every}", found / every)
        for low, high, found, every in row.recall_by_amplitude()
    ]
    return bars(values, 1.0, ".2f")


def _reasons(row: FigureRow) -> str:
    values = [(reason, float(count)) for reason, count in row.missed_because().most_common(6)]
    return bars(values, max([1.0, *(value for _, value in values)]), ".0f")


def _spread(errors_s: Sequence[float]) -> str:
    median_ms, p95_ms = error_ms(errors_s)
    return "–" if math.isnan(median_ms) else f"{median_ms:.0f} ({p95_ms:.0f})"
