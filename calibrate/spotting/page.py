"""The report on a spotter as one page that works offline."""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from math import nan

from calibrate.spotting.footage import USUAL
from calibrate.spotting.outcomes import HEAD, FigureRow, describe_names, format_cells
from model.evaluation.html import bars, document, table
from model.machine import machine


def format_spotting(rows: Sequence[FigureRow], about: str) -> str:
    """An HTML document; `about` describes the footage and the spotter in words."""
    sections = [
        _section(group, list(members)) for group, members in groupby(rows, key=lambda r: r.group)
    ]
    lead = (
        "An expression is found if predicted and true interval have an intersection over union of "
        "0.5 (MEGC), one to one. Recall and false alarms: with the interval of 95 %, as if each "
        "were independent. Errors and delays: median (95th percentile) of the absolute "
        "error, and of the time from the true offset to the decision. "
    )
    return document(
        "Spotting",
        f"<h1>Spotting</h1>\n<p>{escape(about)}</p>\n<p>{escape(lead)}Computed on "
        f"{escape(machine())}.</p>\n" + "\n".join(sections),
        style="td:first-child { white-space: nowrap; }",
    )


def _section(group: str, rows: Sequence[FigureRow]) -> str:
    plots = [("False alarms a minute", _false_alarms(rows))]
    if any(row.score("micro").annotated for row in rows):
        plots.insert(0, ("F1 of micro-expressions", _f1(rows)))
    if group == USUAL:
        plots.append(("Found, by amplitude", _recall(rows[0])))
        if rows[0].miss_reasons():
            plots.append(("Missed because", _reasons(rows[0])))
    if group != USUAL and any(row.miss_reasons() for row in rows):
        reasons = [f"{row.value}: {_list_reasons(row)}" for row in rows if row.miss_reasons()]
        why = f"<p>Missed because: {escape('; '.join(reasons))}.</p>"
    else:
        why = ""
    figures = "\n".join(f"<figure><h3>{name}</h3>{plot}</figure>" for name, plot in plots)
    if names := [words for row in rows if (words := describe_names(row))]:
        why = f"<p>{escape('; '.join(names))}.</p>{why}"
    figures_table = table(HEAD, [format_cells(row) for row in rows])
    return (
        f"<section><h2>{escape(group.capitalize())}</h2>\n"
        f'{figures_table}\n<div class="plots">{figures}</div>{why}'
        "</section>"
    )


def _list_reasons(row: FigureRow) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in row.miss_reasons().most_common(4))


def _f1(rows: Sequence[FigureRow]) -> str:
    scores = [(row.value, row.score("micro")) for row in rows]
    return bars([(value, each.f1 if each.annotated else nan) for value, each in scores], form=".2f")


def _false_alarms(rows: Sequence[FigureRow]) -> str:
    values = [(row.value, row.false_per_min("micro")) for row in rows]
    return bars(values, max(1.0, *(value for _, value in values)), ".2f")


def _recall(row: FigureRow) -> str:
    values = [
        (f"{low:g}–{high:g} px, {every}", found / every)
        for low, high, found, every in row.recall_by_amplitude()
    ]
    return bars(values, form=".2f")


def _reasons(row: FigureRow) -> str:
    values = [(reason, float(count)) for reason, count in row.miss_reasons().most_common(6)]
    return bars(values, max(1.0, *(value for _, value in values)), ".0f")
