"""Two benchmarks of one machine: is the second slower?

    python -m realtime.benchmark compare before/ after/

A ratio of percentiles counts as slower or faster only if its whole interval lies beyond the
tolerance. The interval knows the noise within each run; the tolerance stands for what differs
between two runs of the same program, which no single run can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from model.errors import InputError
from model.records import ArrayF64
from realtime.benchmark.percentiles import (
    FEWEST_BLOCKS,
    block_length,
    fewest,
    interval,
    rank,
    resample,
)
from realtime.benchmark.report import LIVE, SAMPLES, read_json
from realtime.benchmark.samples import STAGES, latencies, read_samples, stage
from realtime.benchmark.tables import columns

TOLERANCE = 0.1
PERCENTS = (50.0, 95.0, 99.0)
WHOLE = "frame due → result"


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
    change: str
    """`slower`, `faster` or `same`."""

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
    reports = [read_json(folder, LIVE) for folder in (before, after)]
    here, there = (report["facts"]["machine"] for report in reports)
    if here != there:
        raise InputError(
            f"{before} ran on {here}, {after} on {there}: only runs of one machine compare"
        )
    tables = [read_samples(folder / SAMPLES) for folder in (before, after)]
    first, second = ({_key(load): n for n, load in enumerate(r["loads"])} for r in reports)
    both = [key for key in first if key in second]
    if not both:
        names = (", ".join(load["name"] for load in report["loads"]) for report in reports)
        raise InputError(f"{before} and {after} have no load in common: {' and '.join(names)}")
    found: list[Ratio] = []
    for key in both:
        load = reports[0]["loads"][first[key]]
        mine = [
            table.filter(pc.field("load") == numbers[key])
            for table, numbers in zip(tables, (first, second), strict=True)
        ]
        for span in (WHOLE, *STAGES):
            was, now = (latencies(t) if span == WHOLE else stage(t, span) for t in mine)
            found += ratios(load["name"], span, was, now, load["seconds"], tolerance)
    return found


def ratios(
    load: str, span: str, before: ArrayF64, after: ArrayF64, seconds: float, tolerance: float
) -> list[Ratio]:
    """Return ratios of two series in ms, each of about `seconds`; empty if there are too few
    values."""
    series = (before, after)
    blocks = [block_length(len(values) / seconds) for values in series]
    enough = all(len(v) >= FEWEST_BLOCKS * b for v, b in zip(series, blocks, strict=True))
    percents = tuple(p for p in PERCENTS if min(map(len, series)) >= 2 * fewest(p))
    if not (enough and percents):
        return []
    drawn = [resample(v, b, percents) for v, b in zip(series, blocks, strict=True)]
    # Both use the same seed; shuffle one, so that they do not draw the same places.
    drawn[1] = np.random.default_rng(1).permuted(drawn[1], axis=0)
    low, high = interval(np.vectorize(_ratio, otypes=[float])(*drawn)).tolist()
    found = []
    for place, p in enumerate(percents):
        first, second = (float(np.sort(each)[rank(len(each), p)]) for each in series)
        change = "same"
        if low[place] > 1 + tolerance:
            change = "slower"
        elif high[place] < 1 / (1 + tolerance):
            change = "faster"
        found.append(Ratio(load, span, p, first, second, low[place], high[place], change))
    return found


def words(found: Sequence[Ratio], tolerance: float) -> str:
    """Return a line per ratio, and the verdict."""
    rows: list[Sequence[str]] = [("load", "span", "", "before", "after", "ratio (95 %)", "")]
    for r in found:
        ratio = f"{r.ratio:.2f} ({r.low:.2f}–{r.high:.2f})"
        change = "" if r.change == "same" else r.change
        ms = (f"{r.before_ms:.2f}", f"{r.after_ms:.2f}")
        rows.append((r.load, r.span, f"p{r.percent:g}", *ms, ratio, change))
    slower = [r for r in found if r.change == "slower"]
    said = f"not slower: no ratio lies beyond {100 * tolerance:g} %"
    if slower:
        worst = max(slower, key=lambda r: r.low)
        said = (
            f"slower: {len(slower)} of {len(found)} ratios lie beyond {100 * tolerance:g} %, most "
            f"{worst.span} p{worst.percent:g} of {worst.load} (× {worst.ratio:.2f})"
        )
    return f"{columns(rows)}\n{said}"


def _key(load: dict[str, Any]) -> tuple[Any, ...]:
    return load["source"], load["width"], load["height"], load["fps_asked"]


def _ratio(before: float, after: float) -> float:
    if np.isinf(before) or before == 0:
        return 1.0 if before == after else (0.0 if np.isfinite(after) and before else np.inf)
    return after / before
