"""Benchmarks as Markdown, for `docs/benchmarks.md`: no figure there is written by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.errors import InputError
from realtime.benchmark.figures import STEP
from realtime.benchmark.partsreport import HEAD, rows
from realtime.benchmark.samples import PAINTED, SHOWN
from realtime.benchmark.targets import judged
from realtime.benchmark.verdict import caution, shown

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def markdown(reports: Sequence[dict[str, Any]], parts: Sequence[dict[str, Any]] = ()) -> str:
    """Targets, loads and stages of live `reports`, and `parts`, and where they ran."""
    lines = _live(reports) if reports else []
    for report in parts:
        lines += [*_where(report["facts"]), ""]
        lines += _table(HEAD, rows(report))
    return "\n".join(lines)


def _live(reports: Sequence[dict[str, Any]]) -> list[str]:
    facts = reports[0]["facts"]
    loads = [(load, report["page"]) for report in reports for load in report["loads"]]
    busiest = max((load for load, _ in loads), key=lambda load: load["processor"]["others"])
    doubt = caution(busiest)
    lines = _where(facts)
    lines += [*(f"    {report['facts']['command']}" for report in reports[1:]), ""]
    if doubt:
        lines += [f"**During {busiest['name']} {doubt}.**", ""]
    lines += _table(
        ("target", "measured", "met", "held by"),
        [
            (f.what, f.measured, {None: "–", True: "yes", False: "no"}[f.met], f.held_by)
            for f in judged(reports)
        ],
    )
    lines += _table(
        ("load", "p50 ms", "p95", "p99", "p99.9", "max", "n", "late", "dropped", "keeps up"),
        [
            (
                _name(load, page),
                *(shown(load["latency_ms"], n) for n in ("p50", "p95", "p99", "p999", "max")),
                str(load["latency_ms"]["n"]),
                f"{100 * load['deadline']['share']:.2f} %",
                str(sum(load["frames"]["dropped"].values())),
                "yes" if load["keeps_up"] else "no",
            )
            for load, page in loads
        ],
    )
    stages = ("wait", *STEP, "flow", "classify", *SHOWN, PAINTED)
    lines += _table(
        ("mean ms", *stages, "cores", "MB"),
        [
            (
                _name(load, page),
                *(
                    f"{load['stages_ms'][n]['mean']:.2f}" if n in load["stages_ms"] else ""
                    for n in stages
                ),
                f"{load['processor']['cores']:.2f}",
                "–" if load["memory"]["most_mb"] is None else f"{load['memory']['most_mb']:.0f}",
            )
            for load, page in loads
        ],
    )
    lines += _table(
        (
            "decision, p50 ms",
            "apex → early name",
            "of it look-ahead",
            "offset → event",
            "look-ahead",
        ),
        [
            (
                _name(load, page),
                *(
                    shown(load["decision_ms"][state][part], "p50")
                    for state in ("early", "confirmed")
                    for part in ("whole", "look_ahead")
                ),
            )
            for load, page in loads
        ],
    )
    alone = reports[0]["model_only_ms"]
    lines += _table(
        (f"{alone['engine']}, ms", "p50", "p95", "p99", "n"),
        [
            (name, *(shown(alone[name], p) for p in ("p50", "p95", "p99")), str(alone[name]["n"]))
            for name in ("flow", "classify", "whole")
            if name in alone
        ],
    )
    return lines


def _where(facts: dict[str, Any]) -> list[str]:
    return [
        f"On {facts['machine']} ({facts['system']}, Python {facts['versions']['python']}, torch "
        f"{facts['versions']['torch']}), {_commit(facts['commit'])}, {facts['at'][:10]}:",
        "",
        f"    {facts['command']}",
    ]


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


def _commit(commit: str | None) -> str:
    if commit is None:
        return "commit unknown"
    return f"commit `{commit[:12]}`" + (" with changes" if commit.endswith("+") else "")


def _name(load: dict[str, Any], page: bool) -> str:
    return f"{load['name']}{', page open' if page else ''}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return [lines[0], f"|{'---|' * len(head)}", *lines[1:], ""]
