"""Two benchmarks of one machine: is the second slower?

    python -m realtime.benchmark compare before/ after/

A ratio of percentiles counts as slower or faster only if its whole interval lies beyond the
tolerance. The interval knows the noise within each run; the tolerance stands for what differs
between two runs of the same program, which no single run can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc

from model.errors import InputError
from model.records import ArrayF64
from realtime.benchmark.percentiles import (
    CONFIDENCE,
    FEWEST_BLOCKS,
    RESAMPLES,
    block_length,
    fewest,
    rank,
    resampled,
)
from realtime.benchmark.report import SAMPLES, read_report
from realtime.benchmark.samples import STAGES, latencies, read_samples, stage

TOLERANCE = 0.1
PERCENTS = (50.0, 95.0, 99.0)
WHOLE = "frame due → result"

Change = Literal["slower", "faster", "same"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A percentile of the second run over that of the first."""

    load: str
    span: str
    """`WHOLE`, or a stage."""
    percent: float
    before_ms: float
    """`inf`: a frame that was never analysed."""
    after_ms: float
    low: float
    """95 % interval of after / before."""
    high: float
    change: Change

    @property
    def ratio(self) -> float:
        """After over before; 1 where both were never analysed."""
        return _ratio(self.before_ms, self.after_ms)


def compare(before: Path, after: Path, tolerance: float = TOLERANCE) -> list[Ratio]:
    """Ratios of all loads that both folders have: of the whole span, and of each stage.

    Raises `InputError` if a folder holds no benchmark, if they were run on different machines, or
    if they have no load in common.
    """
    if not 0 <= tolerance < 10:
        raise InputError(f"--tolerance {tolerance:g}: choose 0 or more, 0.1 for 10 %")
    reports = [read_report(folder) for folder in (before, after)]
    machines = [report["facts"]["machine"] for report in reports]
    if machines[0] != machines[1]:
        raise InputError(
            f"{before} ran on {machines[0]}, {after} on {machines[1]}: only runs of one machine "
            "compare"
        )
    tables = [read_samples(folder / SAMPLES) for folder in (before, after)]
    keyed = [{_key(load): n for n, load in enumerate(r["loads"])} for r in reports]
    both = [key for key in keyed[0] if key in keyed[1]]
    if not both:
        names = " and ".join(
            ", ".join(load["name"] for load in report["loads"]) for report in reports
        )
        raise InputError(f"{before} and {after} have no load in common: {names}")
    found: list[Ratio] = []
    for key in both:
        loads = [
            report["loads"][numbers[key]] for report, numbers in zip(reports, keyed, strict=True)
        ]
        mine = [
            table.filter(pc.field("load") == numbers[key])
            for table, numbers in zip(tables, keyed, strict=True)
        ]
        spans = {WHOLE: [latencies(table) for table in mine]}
        spans |= {name: [stage(table, name) for table in mine] for name in STAGES}
        for span, (first, second) in spans.items():
            found += ratios(loads[0]["name"], span, first, second, loads[0]["seconds"], tolerance)
    return found


def ratios(
    load: str, span: str, before: ArrayF64, after: ArrayF64, seconds: float, tolerance: float
) -> list[Ratio]:
    """Of two series in ms, each of about `seconds`; none where there are too few values."""
    found = []
    series = (before, after)
    blocks = [block_length(len(values) / seconds) for values in series]
    enough = [len(v) >= FEWEST_BLOCKS * b for v, b in zip(series, blocks, strict=True)]
    percents = [p for p in PERCENTS if min(map(len, series)) >= 2 * fewest(p)]
    if not (all(enough) and percents):
        return []
    drawn = [resampled(v, b, tuple(percents)) for v, b in zip(series, blocks, strict=True)]
    # Sorted columns would pair the small with the small.
    rng = np.random.default_rng(1)
    shuffled = [rng.permuted(each, axis=0) for each in drawn]
    for column, p in enumerate(percents):
        both = zip(*(each[:, column].tolist() for each in shuffled), strict=True)
        ordered = np.sort([_ratio(a, b) for a, b in both])
        rest = (1 - CONFIDENCE) / 2 * 100
        low, high = (float(ordered[rank(RESAMPLES, share)]) for share in (rest, 100 - rest))
        first, second = (float(np.sort(each)[rank(len(each), p)]) for each in series)
        change: Change = "same"
        if low > 1 + tolerance:
            change = "slower"
        elif high < 1 / (1 + tolerance):
            change = "faster"
        found.append(Ratio(load, span, p, first, second, low, high, change))
    return found


def words(found: Sequence[Ratio], tolerance: float) -> str:
    """A line per ratio, and the verdict."""
    lines = [f"{'load':26} {'span':20} {'':>4} {'before':>8} {'after':>8}  ratio (95 %)"]
    for r in found:
        change = "" if r.change == "same" else f"  {r.change}"
        lines.append(
            f"{r.load:26} {r.span:20} p{r.percent:<3g} {r.before_ms:8.2f} {r.after_ms:8.2f}  "
            f"{r.ratio:.2f} ({r.low:.2f}–{r.high:.2f}){change}"
        )
    slower = [r for r in found if r.change == "slower"]
    if slower:
        worst = max(slower, key=lambda r: r.low)
        lines.append(
            f"slower: {len(slower)} of {len(found)} ratios lie beyond {100 * tolerance:g} %, most "
            f"{worst.span} p{worst.percent:g} of {worst.load} (× {worst.ratio:.2f})"
        )
    else:
        lines.append(f"not slower: no ratio lies beyond {100 * tolerance:g} %")
    return "\n".join(lines)


def _key(load: dict[str, Any]) -> tuple[Any, ...]:
    return load["source"], load["width"], load["height"], load["fps_asked"]


def _ratio(before: float, after: float) -> float:
    if np.isinf(before) or before == 0:
        return 1.0 if before == after else (0.0 if np.isfinite(after) and before else np.inf)
    return after / before
