"""The targets for four processor cores without a GPU, and whether the program reaches them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from realtime.benchmark.percentiles import format_percentile
from realtime.benchmark.verdict import find_bottleneck


@dataclass(frozen=True, slots=True)
class Target:
    """A target for a load of `width` px at `fps`, with the page open or not."""

    what: str
    width: int
    fps: float
    page: bool = False
    most_p99_ms: float | None = None
    none_dropped: bool = False
    least_per_s: float | None = None
    """Frames analysed per second, without a clock."""


TARGETS = (
    Target("640×480 at 60 fps, page open: p99 ≤ 12 ms", 640, 60.0, True, 12.0),
    Target("640×480 at 200 fps: none dropped, p99 ≤ 10 ms", 640, 200.0, False, 10.0, True),
    Target("1280×720 at 60 fps: none dropped", 1280, 60.0, none_dropped=True),
    Target("640×480 at 200 fps, recorded: ≥ 250 frames a second", 640, 200.0, least_per_s=250.0),
)
START_S = 5.0
START = f"start to first result, warm: ≤ {START_S:g} s"


def judge_targets(reports: Sequence[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return a row for each target, by the first of `reports` that measured it: the target, the
    measured value, "yes", "no" or "–", and, if it is missed, the bottleneck."""
    rows = [_judge(target, reports) for target in TARGETS]
    warm = next((r["start"]["warm"] for r in reports if r["start"] and r["start"]["warm"]), None)
    if warm is None:
        return [*rows, (START, "not run", "–", "")]
    met = warm["first_result_s"] <= START_S
    slowest = "" if met else f"{warm['imported_s']:.1f} s of it import modules"
    return [*rows, (START, f"{warm['first_result_s']:.1f} s", "yes" if met else "no", slowest)]


def _judge(target: Target, reports: Sequence[dict[str, Any]]) -> tuple[str, str, str, str]:
    asked = (target.page, target.width, target.fps)
    for report in reports:
        for load in report["loads"]:
            known = (report["page"], load["width"], load["fps_asked"])
            if known != asked or not load["frames"]["due"]:
                continue
            words, met = _value(target, load)
            held_by = "" if met else find_bottleneck(load)
            return target.what, words, "yes" if met else "no", held_by
    return target.what, "not run", "–", ""


def _value(target: Target, load: dict[str, Any]) -> tuple[str, bool]:
    """Return what `load` measured for `target`, in words, and whether it is good enough."""
    if target.least_per_s is not None:
        per_s = load["analysed_per_s"]
        return f"{per_s:.0f} frames a second", per_s >= target.least_per_s
    p99, lost = load["latency_ms"]["p99"], sum(load["frames"]["dropped"].values())
    slow = target.most_p99_ms is not None and (p99 is None or p99 > target.most_p99_ms)
    words = f"p99 {format_percentile(load['latency_ms'], 'p99')} ms, {lost} dropped"
    return words, not slow and not (target.none_dropped and lost)
