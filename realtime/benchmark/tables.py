"""Figures as tables, in the terminal and as Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from model.cli import format_columns
from model.errors import InputError
from realtime.benchmark.findings import warn_if_busy
from realtime.benchmark.floor import FLOOR
from realtime.benchmark.percentiles import NAMES, format_ms, format_percentile
from realtime.benchmark.samples import PAGE_STAGES, STAGES
from realtime.benchmark.targets import judge_targets

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
THREE = ("p50", "p95", "p99")
PARTS_HEAD = (
    *("part", "px", "batch", "p50 ms", "p95", "p99", "p50 each", "first"),
    *("build s", "load s", "accuracy"),
)

CellRows = Sequence[Sequence[str]]
"""The first row is the head."""


def format_markdown(rows: CellRows) -> str:
    """Return a table in Markdown, with an empty line after it."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:], ""])


def format_summary(report: dict[str, Any]) -> str:
    """Return the result for the terminal: the verdict, a line for each load, and the stages."""
    texts = [
        report["verdict"],
        format_columns(_latencies([report])),
        f"mean of each stage\n{format_columns(_stages([report]))}",
        warn_if_busy(report["loads"]),
    ]
    return "\n\n".join(text for text in texts if text)


def format_document(reports: Sequence[dict[str, Any]], parts: Sequence[dict[str, Any]] = ()) -> str:
    """Return the tables of live `reports` and of `parts`, as Markdown."""
    texts = []
    if reports:
        doubt = warn_if_busy([load for report in reports for load in report["loads"]])
        texts += [_machine_and_commands(reports), *([f"**{doubt}**\n"] if doubt else [])]
        tables = [
            (("target", "measured", "met", "held by"), *judge_targets(reports)),
            _latencies(reports),
            _stages(reports),
            _decisions(reports),
            _network_times(reports[0]["model_only_ms"]),
            *([_floor(reports)] if reports[0].get("floor_ms") else []),
        ]
        texts += [format_markdown(rows) for rows in tables]
    for report in parts:
        texts += [
            _machine_and_commands([report]),
            format_markdown([PARTS_HEAD, *map(part_row, report["parts"])]),
        ]
    return "\n".join(texts)


def format_details(report: dict[str, Any]) -> str:
    """Return what `format_document` leaves out of a live `report`: intervals, the load on the
    machine, and the course over time."""
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
            else f"Memory: {memory['most_mb']:.0f} MB at most{_growth(memory)}.\n",
            format_markdown(_spans(load)),
            format_markdown(_course(load["parts"])),
        ]
    return "\n".join(texts)


def _growth(memory: dict[str, Any]) -> str:
    per_min = memory["mb_per_min"]
    return "" if per_min is None else f", {per_min:+.1f} MB a minute once it had settled"


def write_into(path: Path, text: str) -> None:
    """Replace what is between `BEGIN` and `END` in the file `path`. Raises `InputError` if it has
    no such place."""
    try:
        document = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"--into {path} cannot be read: {error.strerror}") from None
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"--into {path}: write {BEGIN} and {END} where the tables belong")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def _machine_and_commands(reports: Sequence[dict[str, Any]]) -> str:
    facts, commit = reports[0]["facts"], "commit unknown"
    if found := facts["commit"]:
        commit = f"commit `{found[:12]}`" + (" with changes" if found.endswith("+") else "")
    commands = "\n".join(f"    {report['facts']['command']}" for report in reports)
    versions = facts["versions"]
    where = (
        f"On {facts['machine']} ({facts['system']}, Python {versions['python']}, torch "
        f"{versions['torch']}), {commit}, {facts['at'][:10]}:"
    )
    return f"{fill(where, 100)}\n\n{commands}\n"


def _load_names(reports: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (
            f"{load['name']}{', recorded' if load.get('recorded') else ''}"
            f"{', page open' if report['page'] else ''}",
            load,
        )
        for report in reports
        for load in report["loads"]
    ]


def _latencies(reports: Sequence[dict[str, Any]]) -> CellRows:
    head = ("load", "p50 ms", "p95", "p99", "p99.9", "max", "n", "late", "dropped", "keeps up")
    rows: list[Sequence[str]] = [head]
    for name, load in _load_names(reports):
        ms = load["latency_ms"]
        late = f"{100 * load['deadline']['share']:.2f} %"
        dropped = str(sum(load["frames"]["dropped"].values()))
        keeps_up = "yes" if load["keeps_up"] else "no"
        times = (format_percentile(ms, p) for p in (*NAMES, "max"))
        rows.append((name, *times, str(ms["n"]), late, dropped, keeps_up))
    return rows


def _stages(reports: Sequence[dict[str, Any]]) -> CellRows:
    loads = _load_names(reports)
    stages = [
        n for n in (*STAGES, *PAGE_STAGES) if any(n in load["stages_ms"] for _, load in loads)
    ]
    rows: list[Sequence[str]] = [("mean ms", *stages, "cores", "MB")]
    for name, load in loads:
        found, cores = load["stages_ms"], f"{load['processor']['cores']:.2f}"
        means = (f"{found[n]['mean']:.2f}" if n in found else "" for n in stages)
        rows.append((name, *means, cores, _megabytes(load["memory"]["most_mb"])))
    return rows


def _decisions(reports: Sequence[dict[str, Any]]) -> CellRows:
    spans = ("apex → early name", "of it look-ahead", "offset → event", "look-ahead")
    rows: list[Sequence[str]] = [("decision, p50 ms", *spans)]
    for name, load in _load_names(reports):
        found = load["decision_ms"]
        parts = [
            found[state][p] for state in ("early", "confirmed") for p in ("whole", "look_ahead")
        ]
        rows.append((name, *(format_percentile(part, "p50") for part in parts)))
    return rows


def _network_times(found: dict[str, Any]) -> CellRows:
    names = [name for name in ("flow", "classify", "whole") if name in found]
    return [
        (f"{found['engine']}, ms", *THREE, "n"),
        *((n, *(format_percentile(found[n], p) for p in THREE), str(found[n]["n"])) for n in names),
    ]


def _floor(reports: Sequence[dict[str, Any]]) -> CellRows:
    """The parts that no frame can do without, what others would use, and our frame beside them."""
    known = reports[0]["floor_ms"]
    floor_ms = sum(known[name]["p50"] for name in FLOOR)
    rows: list[Sequence[str]] = [("on the same frames, ms", "p50", "p95", "of the floor")]
    for name, ms in known.items():
        share = "part of it" if name in FLOOR else f"{ms['p50'] / floor_ms:.2f}"
        rows.append((name, format_percentile(ms, "p50"), format_percentile(ms, "p95"), share))
    rows.append(("**floor**, the sum of its parts", format_ms(floor_ms), "", "1"))
    for name, load in _load_names(reports):
        ms = load.get("step_ms")
        if ms is not None and ms["p50"] is not None:
            times = (format_percentile(ms, "p50"), format_percentile(ms, "p95"))
            rows.append((f"our frame, {name}", *times, f"{ms['p50'] / floor_ms:.2f}"))
    return rows


def _spans(load: dict[str, Any]) -> CellRows:
    rows: list[Sequence[str]] = [("ms (95 %)", *THREE, "p99.9", "max", "n")]
    for name, ms in {"frame due → result": load["latency_ms"], **load["stages_ms"]}.items():
        times = (format_percentile(ms, p, interval=True) for p in (*NAMES, "max"))
        rows.append((name, *times, str(ms["n"])))
    return rows


def _course(parts: Sequence[dict[str, Any]]) -> CellRows:
    rows: list[Sequence[str]] = [("from s", "due", "analysed a second", "p50 ms", "p99", "MB")]
    for part in parts:
        counts = (f"{part['from_s']:.3g}", str(part["n"]), f"{part['analysed_per_s']:.1f}")
        times = (format_percentile(part, p) for p in ("p50", "p99"))
        rows.append((*counts, *times, _megabytes(part["memory_mb"])))
    return rows


def _megabytes(mb: float | None) -> str:
    return "–" if mb is None else f"{mb:.0f}"


def _processor(found: dict[str, Any]) -> str:
    whose = {"cores": "this program", "children": "what it started", "others": "everything else"}
    words = "Cores: " + ", ".join(f"{who} {found[name]:.2f}" for name, who in whose.items())
    for name, unit in (("gpu_percent", "%"), ("gpu_w", "W")):
        if found[name] is not None:
            words += f"; GPU {found[name]:.0f} {unit}"
    return words


def part_row(part: Mapping[str, Any]) -> Sequence[str]:
    """Return an entry of `parts.json` as a row under `PARTS_HEAD`."""
    place = (part["name"], str(part["size_px"]), str(part["batch"]))
    if part["absent"]:
        return (*place, *["–"] * 7, f"not run: {part['absent']}")
    ms = part["ms"]
    return (
        *place,
        *(format_percentile(ms, p) for p in THREE),
        format_ms(ms["p50"] / part["batch"]),
        format_ms(part["first_ms"]),
        *("–" if s is None else f"{s:.1f}" for s in (part["build_s"], part["load_s"])),
        part["accuracy"],
    )
