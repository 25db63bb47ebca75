"""A benchmark in the terminal: how far it is, and its outcome on one screen."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from realtime.benchmark.verdict import caution, percent, shown, verdict


class Progress:
    """A bar over all the seconds that a benchmark takes."""

    def __init__(self, bar: tqdm) -> None:
        self._bar = bar
        self._done_s = 0.0

    def begin(self, what: str) -> None:
        """The next load begins."""
        self._done_s = self._bar.n
        self._bar.set_description_str(what)

    def at(self, seconds: float) -> None:
        """So many seconds of the load have passed."""
        self._bar.n = self._done_s + seconds
        self._bar.refresh()


@contextmanager
def progress(seconds: float) -> Iterator[Progress]:
    """Show a bar on stderr while it lasts."""
    shape = "{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s"
    with tqdm(total=seconds, file=sys.stderr, bar_format=shape, leave=False) as bar:
        yield Progress(bar)


def summary(report: dict[str, Any]) -> str:
    """The outcome: the verdict, a line per load, and where the time went."""
    lines = [report["verdict"], ""]
    head = ("load", "p50", "p95", "p99", "p99.9", "max ms", "late", "run", "dropped")
    rows: list[tuple[str, ...]] = [head]
    for load in report["loads"]:
        ms, late = load["latency_ms"], load["deadline"]
        rows.append(
            (
                load["name"],
                *(shown(ms, name) for name in ("p50", "p95", "p99", "p999", "max")),
                percent(late["share"]),
                str(late["longest_streak"]),
                str(sum(load["frames"]["dropped"].values())),
            )
        )
    lines += _columns(rows)
    stages = dict.fromkeys(name for load in report["loads"] for name in load["stages_ms"])
    lines += ["", "mean ms of each stage, cores' worth of processor time"]
    rows = [("load", *stages, "cores", "others")]
    for load in report["loads"]:
        found = load["stages_ms"]
        means = (f"{found[n]['mean']:.1f}" if n in found else "–" for n in stages)
        used = (f"{load['processor'][n]:.1f}" for n in ("cores", "others"))
        rows.append((load["name"], *means, *used))
    lines += _columns(rows)
    lines += ["", *(verdict(load) for load in report["loads"] if not load["keeps_up"])]
    doubts = dict.fromkeys(doubt for load in report["loads"] if (doubt := caution(load)))
    lines += [f"caution: {doubt}" for doubt in doubts]
    return "\n".join(lines).rstrip()


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
