"""A whole benchmark: load after load, then the report."""

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from realtime.benchmark.alone import model_only
from realtime.benchmark.browser import check_browser, watched
from realtime.benchmark.facts import facts
from realtime.benchmark.figures import figures
from realtime.benchmark.load import measure
from realtime.benchmark.offline import LASTS_S, analysed_per_s
from realtime.benchmark.plan import WARM_UP_S, Plan
from realtime.benchmark.report import write_report
from realtime.benchmark.slow import slowed
from realtime.benchmark.start import starts
from realtime.benchmark.terminal import progress, summary
from realtime.benchmark.verdict import overall
from realtime.config import LiveConfig


def run(
    plan: Plan,
    out: Path,
    command: Sequence[str] = (),
    *,
    slow: tuple[str, float] | None = None,
    start: bool = True,
    analysis_s: float = LASTS_S,
) -> dict[str, Any]:
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
    documents, tables = [], []
    whole_s = sum((load.seconds or 0.0) + WARM_UP_S for load in plan.loads)
    with ExitStack() as around, progress(whole_s) as bar:
        if slow is not None:
            around.enter_context(slowed(*slow))
        for number, load in enumerate(plan.loads):
            rate = f" at {load.fps:g} fps" if load.fps else ""
            bar.begin(f"{load.width}×{load.height}{rate}")
            open_page = watched if plan.page else lambda session: nullcontext()
            measured = measure(load, number, around=open_page, progress=bar.at)
            found = figures(measured, plan.deadline_ms)
            documents.append({**found, "analysed_per_s": analysed_per_s(load, analysis_s)})
            tables.append(measured.table)
    report = {
        "facts": known,
        "page": plan.page,
        "slowed": None if slow is None else {"stage": slow[0], "ms": slow[1]},
        "loads": documents,
        "model_only_ms": alone,
        "start": starts(_start_options(first)) if start else None,
        "verdict": overall(documents, known["machine"]),
    }
    write_report(out, report, tables)
    print(summary(report))
    print(f"report in {out / 'report.html'}")
    return report


def _start_options(load: LiveConfig) -> dict[str, Any]:
    """Of a start as a user would have it: the source itself, not a piece of it from memory."""
    return {
        "source": load.source.removeprefix("loop:"),
        "width": load.width,
        "height": load.height,
        "fps": load.fps,
        "flow": load.flow,
        "classifier": load.classifier,
        "engine": load.engine,
        "device": load.device,
    }
