"""The parts' costs as tables: in the terminal, as JSON, as a page, as Markdown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.evaluation.html import document, table
from model.text import parse_json
from realtime.benchmark.parts import Part
from realtime.benchmark.verdict import figure, shown

FORMAT = "fmanet-live parts 1"
PARTS, PAGE = "parts.json", "parts.html"
HEAD = (
    *("part", "px", "batch", "p50 ms", "p95", "p99", "p50 each", "first"),
    *("build s", "load s", "accuracy"),
)
_KINDS = {"flow": "Flows", "network": "Networks by engine", "both": "Crops in, label out"}
_STYLE = "td:last-child, th:last-child { text-align: left; }"


def write_parts(folder: Path, parts: Sequence[Part], facts: Mapping[str, Any]) -> None:
    """`parts.json` and `parts.html` in `folder`."""
    plain = [asdict(part) for part in parts]
    report = {"format": FORMAT, "facts": dict(facts), "parts": plain}
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / PARTS).write_text(text + "\n", encoding="utf-8")
    body = [
        "<h1>Parts</h1>",
        f"<p>On {escape(facts['machine'])}, device {escape(facts['device'])}, one thread. "
        "Inputs come from a pool larger than the processor's caches. The first call is not among "
        "the others.</p>",
    ]
    for kind, title in _KINDS.items():
        mine = {"parts": [part for part in plain if part["kind"] == kind]}
        body += [f"<h2>{title}</h2>", table(HEAD, rows(mine))]
    (folder / PAGE).write_text(document("Parts", "\n".join(body), _STYLE), encoding="utf-8")


def read_parts(folder: Path) -> dict[str, Any]:
    """What `write_parts` wrote; `InputError` if that is not there."""
    path = folder / PARTS
    try:
        report = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise InputError(f"{path} is not of the format {FORMAT!r}")
    return report


def rows(report: Mapping[str, Any]) -> list[list[str]]:
    """A row of `HEAD` for each part."""
    return [_cells(part) for part in report["parts"]]


def line(part: Part) -> str:
    """A part in the terminal."""
    named = f"{part.name:24} {part.size_px:4} px × {part.batch:<2}"
    if part.absent:
        return f"{named}  not here: {part.absent}"
    times = "  ".join(f"{name} {shown(part.ms, name)}" for name in ("p50", "p95", "p99"))
    started = "".join(
        f"  {what} {seconds:.1f} s"
        for what, seconds in (("build", part.build_s), ("load", part.load_s))
        if seconds is not None
    )
    return f"{named}  {times} ms{started}  {part.accuracy}"


def _cells(part: Mapping[str, Any]) -> list[str]:
    place = [part["name"], str(part["size_px"]), str(part["batch"])]
    if part["absent"]:
        return [*place, *["–"] * 7, f"not here: {part['absent']}"]
    ms = part["ms"]
    each = figure(ms["p50"] / part["batch"])
    starts = ["–" if s is None else f"{s:.1f}" for s in (part["build_s"], part["load_s"])]
    times = [shown(ms, name) for name in ("p50", "p95", "p99")]
    return [*place, *times, each, figure(part["first_ms"]), *starts, part["accuracy"]]
