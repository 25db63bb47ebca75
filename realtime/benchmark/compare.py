"""Compares two benchmarks of one machine: is the second slower?

    python -m realtime.benchmark compare before/ after/

A ratio of percentiles counts as slower or faster only if its whole interval lies beyond the
tolerance. The interval covers the noise within each run. The tolerance covers the noise between two
runs of the same program, which a single run cannot show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from model.cli import format_columns
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
from realtime.benchmark.report import LIVE_FORMAT, SAMPLES, read_report
from realtime.benchmark.samples import STAGES, latencies, read_samples, stage

NOISE_SHARE = 0.1
PERCENTS = (50.0, 95.0, 99.0)
WHOLE = "frame due → result"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A percentile of the second run over that of the first."""

    load: str
    span: str
    """`WHOLE`, or the name of a stage."""
    percent: float
    before_ms: float
    """`inf`: the frame was never analysed."""
    after_ms: float
    ratio: float
    """`after_ms` / `before_ms`; 1 if both are `inf`."""
    low: float
    """Lower end of the ratio's 95 % interval."""
    high: float
    """Upper end."""
    change: str
    """`slower`, `faster` or `same`."""


def compare_reports(before: Path, after: Path, tolerance: float = NOISE_SHARE) -> list[Ratio]:
    """Return the ratios of the whole span and of each stage, for all loads that both folders have.

    Raises `InputError` if a folder holds no benchmark, or the benchmarks are of different machines
    or have no load in common.
    """
    if not 0 <= tolerance < 10:
        raise InputError(f"--tolerance {tolerance:g}: choose 0 or more, 0.1 for 10 %")
    reports = [read_report(folder, LIVE_FORMAT) for folder in (before, after)]
    here, there = (report["facts"]["machine"] for report in reports)
    if here != there:
        raise InputError(
            f"{before} ran on {here}, {after} on {there}: compare runs of the same machine"
        )
    tables = [read_samples(folder / SAMPLES) for folder in (before, after)]
    key_of = itemgetter("source", "width", "height", "fps_asked")
    first, second = ({key_of(load): n for n, load in enumerate(r["loads"])} for r in reports)
    both = [key for key in first if key in second]
    if not both:
        names = (", ".join(load["name"] for load in report["loads"]) for report in reports)
        raise InputError(f"{before} and {after} have no load in common: {' and '.join(names)}")
    found: list[Ratio] = []
    for key in both:
        load = reports[0]["loads"][first[key]]
        samples = [
            table.filter(pc.field("load") == numbers[key])
            for table, numbers in zip(tables, (first, second), strict=True)
        ]
        for span in (WHOLE, *STAGES):
            was, now = (latencies(t) if span == WHOLE else stage(t, span) for t in samples)
            found += compare_series(load["name"], span, was, now, load["seconds"], tolerance)
    return found


def compare_series(
    load: str, span: str, before: ArrayF64, after: ArrayF64, seconds: float, tolerance: float
) -> list[Ratio]:
    """Return the ratios of two series of values in ms, each measured over about `seconds`; empty if
    there are too few values."""
    series = (before, after)
    blocks = [block_length(len(values) / seconds) for values in series]
    enough = all(len(v) >= FEWEST_BLOCKS * b for v, b in zip(series, blocks, strict=True))
    percents = tuple(p for p in PERCENTS if min(map(len, series)) >= 2 * fewest(p))
    if not (enough and percents):
        return []
    drawn = [resample(v, b, percents) for v, b in zip(series, blocks, strict=True)]
    # Both were drawn with the same seed; shuffle one, so that the pairs are independent.
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
        times = first, second, _ratio(first, second)
        found.append(Ratio(load, span, p, *times, low[place], high[place], change))
    return found


def describe(found: Sequence[Ratio], tolerance: float) -> str:
    """Return a line for each ratio, and the verdict."""
    rows: list[Sequence[str]] = [("load", "span", "", "before", "after", "ratio (95 %)", "")]
    for r in found:
        ratio = f"{r.ratio:.2f} ({r.low:.2f}–{r.high:.2f})"
        change = "" if r.change == "same" else r.change
        ms = (f"{r.before_ms:.2f}", f"{r.after_ms:.2f}")
        rows.append((r.load, r.span, f"p{r.percent:g}", *ms, ratio, change))
    slower = [r for r in found if r.change == "slower"]
    verdict = f"not slower: no ratio lies beyond {100 * tolerance:g} %"
    if slower:
        worst = max(slower, key=lambda r: r.low)
        verdict = (
            f"slower: {len(slower)} of {len(found)} ratios lie beyond {100 * tolerance:g} %, most "
            f"{worst.span} p{worst.percent:g} of {worst.load} (× {worst.ratio:.2f})"
        )
    return f"{format_columns(rows)}\n{verdict}"


def _ratio(before: float, after: float) -> float:
    if np.isinf(before) or before == 0:
        return 1.0 if before == after else (0.0 if np.isfinite(after) and before else np.inf)
    return after / before
