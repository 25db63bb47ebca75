"""A whole benchmark: load after load, then the report."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from tqdm import tqdm

from realtime.benchmark.alone import ANALYSIS_S, analysed_per_s, model_only
from realtime.benchmark.browser import check_browser, watch_page
from realtime.benchmark.figures import figures
from realtime.benchmark.load import measure
from realtime.benchmark.plan import WARM_UP_S, Plan
from realtime.benchmark.report import LIVE, PAGE, SAMPLES, facts, write_json
from realtime.benchmark.samples import write_samples
from realtime.benchmark.slow import slow_down
from realtime.benchmark.start import starts
from realtime.benchmark.tables import details, document, summary
from realtime.benchmark.verdict import verdict

_OF_A_START = ("width", "height", "fps", "flow", "classifier", "engine", "device")


def run(
    plan: Plan,
    out: Path,
    command: Sequence[str] = (),
    *,
    slow: tuple[str, float] | None = None,
    start: bool = True,
    analysis_s: float = ANALYSIS_S,
) -> None:
    """Run the loads of `plan` one after the other and write the report into the folder `out`.

    `command`: the arguments it was called with. `slow`: a stage, and the ms by which it is slowed
    on purpose. `start`: whether to time the program's start too, in processes of their own.
    `analysis_s`: how long to analyse the frames of each load without a clock.
    """
    if plan.page:
        check_browser()
    first = plan.loads[0]
    known = facts(first, command)
    alone = model_only(first)
    loads: list[dict[str, Any]] = []
    tables = []
    whole_s = sum((load.seconds or 0.0) + WARM_UP_S for load in plan.loads)
    shape = "{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s"
    with ExitStack() as around:
        bar = around.enter_context(
            tqdm(total=whole_s, file=sys.stderr, bar_format=shape, leave=False)
        )
        if slow is not None:
            around.enter_context(slow_down(*slow))
        for number, load in enumerate(plan.loads):
            rate = f" at {load.fps:g} fps" if load.fps else ""
            bar.set_description_str(f"{load.width}×{load.height}{rate}")
            done_s = bar.n

            def show(seconds: float, done_s: float = done_s) -> None:
                bar.n = done_s + seconds
                bar.refresh()

            open_page = watch_page if plan.page else lambda session: nullcontext()
            measured = measure(load, number, around=open_page, progress=show)
            found = figures(measured, plan.deadline_ms)
            loads.append({**found, "analysed_per_s": analysed_per_s(load, analysis_s)})
            tables.append(measured.table)
    # The start as a user would have it: from the source itself, not from a piece in memory.
    options = {name: getattr(first, name) for name in _OF_A_START}
    options["source"] = first.source.removeprefix("loop:")
    report = {
        "facts": known,
        "page": plan.page,
        "slowed": None if slow is None else {"stage": slow[0], "ms": slow[1]},
        "loads": loads,
        "model_only_ms": alone,
        "start": starts(options) if start else None,
        "verdict": f"On {known['machine']}: {'; '.join(map(verdict, loads))}.",
    }
    write_samples(out / SAMPLES, tables)
    write_json(out, LIVE, report)
    text = f"# Latency\n\n{report['verdict']}\n\n{document([report])}\n{details(report)}"
    (out / PAGE).write_text(text, encoding="utf-8")
    print(f"{summary(report)}\nreport in {out / PAGE}")
