"""A benchmark's report as one HTML file."""

from collections.abc import Mapping
from html import escape
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from model.evaluation.html import document, table
from realtime.benchmark.charts import curves, exceedance, histogram, timeline
from realtime.benchmark.percentiles import NAMES
from realtime.benchmark.samples import PAINTED, SHOWN, STAGES, column, latencies
from realtime.benchmark.verdict import caution, figure, shown, verdict

_STYLE = """
.curve { fill: none; stroke: var(--fill); stroke-width: 1.5; }
.c1.curve { stroke: var(--mark); } .c2.curve { stroke: var(--quiet); }
text.c0 { fill: var(--fill); } text.c1 { fill: var(--mark); } text.c2 { fill: var(--quiet); }
.verdict { color: var(--ink); font-size: 17px; } .caution { color: var(--mark); }
.facts td { text-align: left; overflow-wrap: anywhere; }
"""
_FEW_CORES = 0.005  # a thread that takes less is not worth a row
_HEAD = ("", "p50", "p95", "p99", "p99.9", "max", "n")


def page(report: Mapping[str, Any], samples: pa.Table) -> str:
    """The page of `report`, the pictures from `samples`."""
    body = [
        f'<h1>Latency</h1>\n<p class="verdict">{escape(report["verdict"])}</p>',
        "<p>Frames come on a clock whether or not the program is ready. Latency counts from the "
        "moment at which a frame was due; a frame that was not analysed is later than any other "
        "(∞). Intervals are 95 %, drawn in blocks of half a second.</p>",
        _overview(report["loads"]),
        *(
            _section(load, samples.filter(pc.field("load") == number))
            for number, load in enumerate(report["loads"])
        ),
        _alone(report),
        _facts(report["facts"]),
    ]
    return document("Latency", "\n".join(body), _STYLE)


def _overview(loads: list[dict[str, Any]]) -> str:
    head = ("load", "due", "analysed", "p50 ms", "p99 ms", "late", "longest run", "keeps up")
    rows = [
        [
            load["name"],
            f"{load['frames']['due']}",
            f"{load['frames']['analysed']}",
            _with_interval(load["latency_ms"], "p50"),
            _with_interval(load["latency_ms"], "p99"),
            f"{100 * load['deadline']['share']:.2f} % of {load['deadline']['ms']:.1f} ms",
            f"{load['deadline']['longest_streak']}",
            "yes" if load["keeps_up"] else "no",
        ]
        for load in loads
    ]
    return table(head, rows)


def _section(load: dict[str, Any], samples: pa.Table) -> str:
    late_ms = latencies(samples)
    due_s = column(samples, "due_s")[column(samples, "measured").astype(bool)]
    deadline_ms = load["deadline"]["ms"]
    at_s = [reading["at_s"] for reading in load["timeline"]]
    usage = {
        words: [reading[name] for reading in load["timeline"]]
        for name, words in (("cores", "this"), ("children", "browser"), ("others", "others"))
        if name != "children" or load["processor"]["children"] > 0
    }
    memory = {"memory": [reading["memory_mb"] for reading in load["timeline"]]}
    plots = [
        ("Results by latency", histogram(late_ms, deadline_ms)),
        ("Share later than", exceedance(late_ms, deadline_ms)),
        ("Latency over time", timeline(due_s, late_ms, deadline_ms)),
        ("Processor, cores", curves(at_s, usage, "cores")),
        ("Memory, MB", curves(at_s, memory, "MB")),
    ]
    figures = "\n".join(f"<figure><h3>{t}</h3>{svg}</figure>" for t, svg in plots if svg)
    tables = "\n".join(
        f"<div>{part}</div>"
        for part in (_stages(load), _decisions(load), _machine_load(load), _parts(load))
    )
    doubt = caution(load)
    return (
        f"<section><h2>{escape(load['name'])}</h2>\n"
        f'<p class="verdict">{escape(_sentence(verdict(load)))}</p>\n'
        + (f'<p class="caution">{escape(_sentence(doubt))}</p>\n' if doubt else "")
        + f"<p>{escape(load['source'])}; {escape(load['device'])}; flow {load['flow']}, "
        f"{escape(load['engine'])}{_offline(load)}.</p>\n"
        f'<div class="plots">{tables}</div>\n<div class="plots">{figures}</div></section>'
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _offline(load: dict[str, Any]) -> str:
    per_s = load["analysed_per_s"]
    return "" if per_s is None else f"; analysed without a clock, {per_s:.0f} frames a second"


def _stages(load: dict[str, Any]) -> str:
    rows = [["frame due → result", *_cells(load["latency_ms"])]]
    rows += [
        [_STAGE_WORDS.get(name, name), *_cells(load["stages_ms"][name])]
        for name in (*STAGES, *SHOWN, PAINTED)
        if name in load["stages_ms"]
    ]
    return "<h3>Spans, ms</h3>" + table(_HEAD, rows)


_STAGE_WORDS = {
    "wait": "wait in the ring",
    "flow": "flow of both phases",
    "encode": "encode for the page",
    "send": "send",
    "paint": "to the screen",
    "painted": "frame due → painted",
}


def _decisions(load: dict[str, Any]) -> str:
    head = ("", "p50", "p95", "max", "n")
    words = {"early": "apex → named early", "confirmed": "offset → confirmed"}
    rows = []
    for state, found in load["decision_ms"].items():
        for part, what in (
            ("whole", words[state]),
            ("look_ahead", "… look-ahead"),
            ("after", "… after it"),
        ):
            cells = found[part]
            rows.append([what, *(_ms(cells[name]) for name in ("p50", "p95", "max"))])
            rows[-1].append(str(cells["n"]))
    return "<h3>Decision, ms</h3>" + table(head, rows)


def _machine_load(load: dict[str, Any]) -> str:
    processor, memory = load["processor"], load["memory"]
    rows = [["this program, cores", f"{processor['cores']:.2f}"]]
    rows += [
        [f"… {name}", f"{cores:.2f}"]
        for name, cores in processor["threads"].items()
        if cores >= _FEW_CORES
    ]
    rows.append(["what it started (a browser), cores", f"{processor['children']:.2f}"])
    rows.append(["everything else on the machine, cores", f"{processor['others']:.2f}"])
    for name, words in (
        ("cpu_w", "processors, W"),
        ("gpu_w", "GPU, W"),
        ("gpu_percent", "GPU busy, %"),
    ):
        value = processor[name]
        rows.append([words, "not told here" if value is None else f"{value:.1f}"])
    if memory["most_mb"] is not None:
        rows.append(["memory at most, MB", f"{memory['most_mb']:.0f}"])
        rows.append(["memory grows by, MB a minute", f"{memory['mb_per_min']:+.1f}"])
    return "<h3>Machine, mean</h3>" + table(("", ""), rows)


def _parts(load: dict[str, Any]) -> str:
    head = ("from s", "due", "analysed a second", "p50 ms", "p99 ms", "memory MB")
    rows = [
        [
            f"{part['from_s']:.3g}",
            f"{part['n']}",
            f"{part['analysed_per_s']:.1f}",
            shown(part, "p50"),
            shown(part, "p99"),
            "–" if part["memory_mb"] is None else f"{part['memory_mb']:.0f}",
        ]
        for part in load["parts"]
    ]
    return "<h3>Over time</h3>" + table(head, rows)


def _alone(report: Mapping[str, Any]) -> str:
    words = {"flow": "flow of both phases", "classify": "network", "whole": "both"}
    alone = report["model_only_ms"]
    rows = [[what, *_cells(alone[name])] for name, what in words.items() if name in alone]
    text = (
        f"<h2>Networks alone</h2>\n<p>One expression at a time, on {escape(alone['engine'])}.</p>"
    )
    text += table(_HEAD, rows)
    start = report["start"]
    if start:
        names = {
            "imported_s": "modules imported",
            "delivering_s": "models loaded, source delivering",
            "first_result_s": "first result",
        }
        cells = [
            [what, *(f"{run[name]:.2f}" if run else "–" for run in (start["first"], start["warm"]))]
            for name, what in names.items()
        ]
        text += "<h2>Start, s</h2>\n" + table(("from the process's start", "first", "warm"), cells)
    return text


def _facts(facts: Mapping[str, Any]) -> str:
    flat: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}: {inner}": each for inner, each in value.items()}
        else:
            flat[name] = value
    rows = [[name, "–" if value is None else str(value)] for name, value in flat.items()]
    return f'<h2>Machine and versions</h2>\n<div class="facts">{table(("", ""), rows)}</div>'


def _cells(found: Mapping[str, Any]) -> list[str]:
    return [*(shown(found, name) for name in (*NAMES, "max")), str(found["n"])]


def _with_interval(found: Mapping[str, Any], name: str) -> str:
    interval = found["intervals"].get(name)
    if interval is None:
        return shown(found, name)
    low, high = (figure(end) if end is not None else "∞" for end in interval)
    return f"{shown(found, name)} ({low}–{high})"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
