"""Runs a whole benchmark: load after load, then the report."""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from realtime.benchmark.browser import check_browser, watch_page
from realtime.benchmark.figures import compute_figures
from realtime.benchmark.findings import judge_load
from realtime.benchmark.floor import time_floor
from realtime.benchmark.live_load import LoadResult, measure_load
from realtime.benchmark.plan import WARM_UP_S
from realtime.benchmark.report import LIVE_FORMAT, PAGE, SAMPLES, gather_facts, write_json
from realtime.benchmark.samples import write_samples
from realtime.benchmark.start_time import time_starts
from realtime.benchmark.tables import format_details, format_document, format_summary
from realtime.benchmark.unloaded_speed import ANALYSIS_S, measure_analysis_rate, time_networks
from realtime.config import LiveConfig
from realtime.recording.plan import RecordPlan
from realtime.sessions.frame_table import count_fates
from realtime.sessions.reader import open_session

_OF_A_START = ("width", "height", "fps", "flow", "classifier", "engine", "device")


def run(
    loads: Sequence[LiveConfig],
    out: Path,
    command: Sequence[str] = (),
    *,
    deadline_ms: float | None = None,
    page: bool = False,
    record: bool = False,
    start: bool = True,
    analysis_s: float = ANALYSIS_S,
) -> None:
    """Run `loads` one after the other, each for its `seconds` after a warm-up, and write the report
    into the folder `out`.

    `command`: the arguments of the command line. `deadline_ms`: after this long, counted from its
    frame's arrival, a result is late; None: when the next frame arrives. `page`: whether a browser
    shows the page. `record`: whether each load is recorded as a session. `start`: whether to time
    the program's start too, in separate processes. `analysis_s`: how long to analyse the frames of
    each load without a clock.
    """
    if page:
        check_browser()
    first = loads[0]
    known = gather_facts(first, command)
    alone = time_networks(first)
    floor = time_floor(first)
    found: list[dict[str, Any]] = []
    tables = []
    whole_s = sum((load.seconds or 0.0) + WARM_UP_S for load in loads)
    shape = "{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s"
    with tqdm(total=whole_s, file=sys.stderr, bar_format=shape, leave=False) as bar:
        for number, load in enumerate(loads):
            rate = f" at {load.fps:g} fps" if load.fps else ""
            bar.set_description_str(f"{load.width}×{load.height}{rate}")
            done_s = bar.n

            def show(seconds: float, done_s: float = done_s) -> None:
                bar.n = done_s + seconds
                bar.refresh()

            open_page = watch_page if page else nullcontext
            with tempfile.TemporaryDirectory(dir=out) as folder:
                plan = RecordPlan(Path(folder) / "session", "P00") if record else None
                whole = replace(load, record=plan)
                measured = measure_load(whole, number, around=open_page, progress=show)
                recorded = None if plan is None else _count_recorded(plan.folder, measured)
            per_s = measure_analysis_rate(load, analysis_s)
            figures = compute_figures(measured, deadline_ms)
            found.append({**figures, "recorded": recorded, "analysed_per_s": per_s})
            tables.append(measured.table)
    # Start as a user would, with the source itself, not with a part of it in memory.
    options = {name: getattr(first, name) for name in _OF_A_START}
    options["source"] = first.source.removeprefix("loop:")
    report = {
        "facts": known,
        "page": page,
        "loads": found,
        "model_only_ms": alone,
        "floor_ms": floor,
        "start": time_starts(options) if start else None,
        "verdict": f"On {known['machine']}: {'; '.join(map(judge_load, found))}.",
    }
    write_samples(out / SAMPLES, tables)
    write_json(out, LIVE_FORMAT, report)
    text = (
        f"# Latency\n\n{report['verdict']}\n\n{format_document([report])}\n{format_details(report)}"
    )
    (out / PAGE).write_text(text, encoding="utf-8")
    print(f"{format_summary(report)}\nreport in {out / PAGE}")


def _count_recorded(folder: Path, measured: LoadResult) -> dict[str, int]:
    """Return how many frames of a load were due, warm-up included, and how many were recorded."""
    fates = count_fates(open_session(folder).frames)
    return {"frames": fates["recorded"], "due": len(measured.table)}
