"""What the program is meant to reach on four processor cores without a GPU, and whether it does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from realtime.benchmark.verdict import bottleneck, shown


@dataclass(frozen=True, slots=True)
class Found:
    """A target beside what was measured."""

    what: str
    measured: str
    met: bool | None
    """None: not measured."""
    held_by: str
    """What holds it, where it is missed."""


@dataclass(frozen=True, slots=True)
class Target:
    """One figure to be reached under a load of `width` px at `fps`, with the page open or not."""

    what: str
    width: int
    fps: float
    page: bool
    judge: Callable[[dict[str, Any]], tuple[str, bool]]
    """From a load's figures what was measured, in words, and whether that is enough."""


def _p99(most_ms: float, *, none_dropped: bool = False) -> Callable[..., tuple[str, bool]]:
    def judge(load: dict[str, Any]) -> tuple[str, bool]:
        p99, lost = load["latency_ms"]["p99"], sum(load["frames"]["dropped"].values())
        words = f"p99 {shown(load['latency_ms'], 'p99')} ms, {lost} dropped"
        return words, p99 is not None and p99 <= most_ms and not (none_dropped and lost)

    return judge


def _none_dropped(load: dict[str, Any]) -> tuple[str, bool]:
    lost = sum(load["frames"]["dropped"].values())
    return f"p99 {shown(load['latency_ms'], 'p99')} ms, {lost} dropped", not lost


def _analysed(least: float) -> Callable[..., tuple[str, bool]]:
    def judge(load: dict[str, Any]) -> tuple[str, bool]:
        per_s = load["analysed_per_s"]
        return f"{per_s:.0f} frames a second", per_s >= least

    return judge


TARGETS = (
    Target("640×480 at 60 fps, page open: p99 ≤ 12 ms", 640, 60.0, True, _p99(12)),
    Target(
        "640×480 at 200 fps: none dropped, p99 ≤ 10 ms",
        640,
        200.0,
        False,
        _p99(10, none_dropped=True),
    ),
    Target("1280×720 at 60 fps: none dropped", 1280, 60.0, False, _none_dropped),
    Target(
        "640×480 at 200 fps, recorded: ≥ 250 frames a second", 640, 200.0, False, _analysed(250)
    ),
)
START_S = 5.0
START = f"start to first result, warm: ≤ {START_S:g} s"


def judged(reports: Sequence[dict[str, Any]]) -> list[Found]:
    """Every target against the first of `reports` that measured it."""
    found = []
    for target in TARGETS:
        load = next(
            (
                load
                for report in reports
                for load in report["loads"]
                if report["page"] == target.page
                and not report["slowed"]
                and load["width"] == target.width
                and load["fps_asked"] == target.fps
            ),
            None,
        )
        if load is None or not load["frames"]["due"]:
            found.append(Found(target.what, "not run", None, ""))
            continue
        words, met = target.judge(load)
        found.append(Found(target.what, words, met, "" if met else bottleneck(load)))
    start = next((r["start"]["warm"] for r in reports if r["start"] and r["start"]["warm"]), None)
    if start is None:
        found.append(Found(START, "not run", None, ""))
    else:
        seconds = start["first_result_s"]
        slowest = f"{start['imported_s']:.1f} s of it import modules"
        met = seconds <= START_S
        found.append(Found(START, f"{seconds:.1f} s", met, "" if met else slowest))
    return found
