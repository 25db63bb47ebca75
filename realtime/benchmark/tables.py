"""Figures as tables: in the terminal, and as Markdown, in which nothing is written by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.errors import InputError
from realtime.benchmark.percentiles import NAMES, format_ms, format_percentile
from realtime.benchmark.samples import SHOWN, STAGES
from realtime.benchmark.targets import judge_targets
from realtime.benchmark.verdict import caution, percent

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
THREE = ("p50", "p95", "p99")

Rows = Sequence[Sequence[str]]
"""The first is the head."""


def markdown(rows: Rows) -> str:
    """A table in Markdown, and an empty line after it."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:], ""])


def columns(rows: Rows) -> str:
    """A table in the terminal: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def summary(report: dict[str, Any]) -> str:
    """The outcome in the terminal: the verdict, a line per load, and where the time went."""
    texts = [
        report["verdict"],
        columns(_latencies([report], interval=True)),
        f"mean of each stage\n{columns(_stages([report]))}",
        caution(report["loads"]),
    ]
    return "\n\n".join(text for text in texts if text)


def document(reports: Sequence[dict[str, Any]], parts: Sequence[dict[str, Any]] = ()) -> str:
    """Targets, loads and stages of live `reports`, then `parts`, as Markdown."""
    texts = []
    if reports:
        doubt = caution([load for report in reports for load in report["loads"]])
        texts += [_where(reports), *([f"**{doubt}**\n"] if doubt else [])]
        tables = [
            (("target", "measured", "met", "held by"), *judge_targets(reports)),
            _latencies(reports),
            _stages(reports),
            _decisions(reports),
            _alone(reports[0]["model_only_ms"]),
        ]
        texts += [markdown(rows) for rows in tables]
    for report in parts:
        texts += [_where([report]), markdown(_parts(report["parts"]))]
    return "\n".join(texts)


def details(report: dict[str, Any]) -> str:
    """Return what `document` omits from a live `report`: intervals, the machine, the course of
    time."""
    texts = []
    for load in report["loads"]:
        late, memory = load["deadline"], load["memory"]
        texts += [
            f"## {load['name']}\n\n{load['source']}; {load['device']}; flow {load['flow']}, "
            f"{load['engine']}.\n",
            f"Later than {late['ms']:.1f} ms: {late['misses']} results, at most "
            f"{late['longest_streak']} in a row. {_processor(load['processor'])}.",
            ""
            if memory["most_mb"] is None
            else f"Memory: {memory['most_mb']:.0f} MB at most, {memory['mb_per_min']:+.1f} MB a "
            "minute.\n",
            markdown(_spans(load)),
            markdown(_course(load["parts"])),
        ]
    return "\n".join(texts)


def write_into(path: Path, text: str) -> None:
    """Replace what stands between `BEGIN` and `END` in the file `path`; `InputError` if it has
    no such place."""
    try:
        document = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"--into {path} cannot be read: {error.strerror}") from None
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"--into {path} has no place between {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def _where(reports: Sequence[dict[str, Any]]) -> str:
    facts, commit = reports[0]["facts"], "commit unknown"
    if found := facts["commit"]:
        commit = f"commit `{found[:12]}`" + (" with changes" if found.endswith("+") else "")
    commands = "\n".join(f"    {report['facts']['command']}" for report in reports)
    return (
        f"On {facts['machine']} ({facts['system']}, Python {facts['versions']['python']}, torch "
        f"{facts['versions']['torch']}), {commit}, {facts['at'][:10]}:\n\n{commands}\n"
    )


def _named(reports: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{load['name']}{', page open' if report['page'] else ''}", load)
        for report in reports
        for load in report["loads"]
    ]


def _latencies(reports: Sequence[dict[str, Any]], *, interval: bool = False) -> Rows:
    head = ("load", "p50 ms", "p95", "p99", "p99.9", "max", "n", "late", "dropped", "keeps up")
    rows: list[Sequence[str]] = [head]
    for name, load in _named(reports):
        ms = load["latency_ms"]
        late = load["deadline"]["share"]
        rows.append(
            (
                name,
                *(
                    format_percentile(ms, p, interval=interval and p in ("p50", "p99"))
                    for p in (*NAMES, "max")
                ),
                str(ms["n"]),
                percent(late) if interval else f"{100 * late:.2f} %",
                str(sum(load["frames"]["dropped"].values())),
                "yes" if load["keeps_up"] else "no",
            )
        )
    return rows


def _stages(reports: Sequence[dict[str, Any]]) -> Rows:
    named = _named(reports)
    stages = [n for n in (*STAGES, *SHOWN) if any(n in load["stages_ms"] for _, load in named)]
    rows: list[Sequence[str]] = [("mean ms", *stages, "cores", "MB")]
    for name, load in named:
        found, most_mb = load["stages_ms"], load["memory"]["most_mb"]
        means = (f"{found[n]['mean']:.2f}" if n in found else "" for n in stages)
        cores = f"{load['processor']['cores']:.2f}"
        rows.append((name, *means, cores, "–" if most_mb is None else f"{most_mb:.0f}"))
    return rows


def _decisions(reports: Sequence[dict[str, Any]]) -> Rows:
    spans = ("apex → early name", "of it look-ahead", "offset → event", "look-ahead")
    rows: list[Sequence[str]] = [("decision, p50 ms", *spans)]
    for name, load in _named(reports):
        found = load["decision_ms"]
        parts = [
            found[state][p] for state in ("early", "confirmed") for p in ("whole", "look_ahead")
        ]
        rows.append((name, *(format_percentile(part, "p50") for part in parts)))
    return rows


def _alone(found: dict[str, Any]) -> Rows:
    names = [name for name in ("flow", "classify", "whole") if name in found]
    return [
        (f"{found['engine']}, ms", *THREE, "n"),
        *((n, *(format_percentile(found[n], p) for p in THREE), str(found[n]["n"])) for n in names),
    ]


def _spans(load: dict[str, Any]) -> Rows:
    spans = {"frame due → result": load["latency_ms"], **load["stages_ms"]}
    return [
        ("ms (95 %)", *THREE, "p99.9", "max", "n"),
        *(
            (
                name,
                *(format_percentile(ms, p, interval=True) for p in (*NAMES, "max")),
                str(ms["n"]),
            )
            for name, ms in spans.items()
        ),
    ]


def _course(parts: Sequence[dict[str, Any]]) -> Rows:
    return [
        ("from s", "due", "analysed a second", "p50 ms", "p99", "MB"),
        *(
            (
                f"{part['from_s']:.3g}",
                str(part["n"]),
                f"{part['analysed_per_s']:.1f}",
                *(format_percentile(part, p) for p in ("p50", "p99")),
                "–" if part["memory_mb"] is None else f"{part['memory_mb']:.0f}",
            )
            for part in parts
        ),
    ]


def _processor(found: dict[str, Any]) -> str:
    whose = {"cores": "this program", "children": "what it started", "others": "everything else"}
    words = "Cores: " + ", ".join(f"{who} {found[name]:.2f}" for name, who in whose.items())
    for name, unit in (("gpu_percent", "%"), ("gpu_w", "W")):
        if found[name] is not None:
            words += f"; GPU {found[name]:.0f} {unit}"
    return words


def _parts(parts: Sequence[dict[str, Any]]) -> Rows:
    times = ("p50 ms", "p95", "p99", "p50 each", "first", "build s", "load s")
    rows: list[Sequence[str]] = [("part", "px", "batch", *times, "accuracy")]
    for part in parts:
        place = (part["name"], str(part["size_px"]), str(part["batch"]))
        if part["absent"]:
            rows.append((*place, *["–"] * len(times), f"not here: {part['absent']}"))
            continue
        ms = part["ms"]
        rows.append(
            (
                *place,
                *(format_percentile(ms, p) for p in THREE),
                format_ms(ms["p50"] / part["batch"]),
                format_ms(part["first_ms"]),
                *("–" if s is None else f"{s:.1f}" for s in (part["build_s"], part["load_s"])),
                part["accuracy"],
            )
        )
    return rows
