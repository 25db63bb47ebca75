"""The targets for two processor cores without a GPU, and whether the program reaches them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime.benchmark.findings import describe_costs, find_bottleneck
from realtime.benchmark.percentiles import format_percentile


@dataclass(frozen=True, slots=True)
class Target:
    """A target for a load of `width` px at `fps`, with the page open or not, recorded or not."""

    width: int
    fps: float
    page: bool = False
    recorded: bool = False
    """Every frame must also be recorded."""
    most_ms: dict[str, float] = field(default_factory=dict)
    """By figure: a key of `_FIGURES`, and a percentile."""
    none_dropped: bool = False
    least_per_s: float | None = None
    """Frames analysed per second, without a clock, on one core."""

    @property
    def what(self) -> str:
        """The target in words."""
        sizes = {640: "640×480", 1280: "1280×720", 1920: "1920×1080"}
        load = f"{sizes[self.width]} at {self.fps:g} fps"
        load += ", recorded as H.264" * self.recorded + ", page open" * self.page
        asked = [f"{name} ≤ {ms:g} ms" for name, ms in self.most_ms.items()]
        asked += ["none dropped"] * self.none_dropped
        if self.least_per_s is not None:
            asked.append(f"recorded footage: ≥ {self.least_per_s:g} frames a second on one core")
        return f"{load}: {', '.join(asked)}"


TARGETS = (
    Target(640, 60.0, most_ms={"step p50": 3.0, "step p95": 4.5}),
    Target(640, 60.0, most_ms={"p99": 8.0}, none_dropped=True),
    Target(640, 60.0, True, most_ms={"p99": 16.7, "painted p95": 60.0}, none_dropped=True),
    Target(640, 60.0, True, True, {"p99": 33.0}, none_dropped=True),
    Target(640, 200.0, most_ms={"p99": 10.0}, none_dropped=True),
    Target(1280, 60.0, most_ms={"p99": 12.0}, none_dropped=True),
    Target(1920, 60.0, most_ms={"p99": 16.0}, none_dropped=True),
    Target(640, 60.0, least_per_s=400.0),
    Target(640, 30.0, most_ms={"decision p50": 90.0}),
    Target(640, 60.0, most_ms={"decision p50": 90.0}),
)
START_S = 5.0
START = f"start to first result, warm: ≤ {START_S:g} s"

_FIGURES = {
    "": lambda load: load["latency_ms"],
    "step": lambda load: load.get("step_ms"),
    "painted": lambda load: load["stages_ms"].get("painted"),
    "decision": lambda load: load["decision_ms"]["confirmed"]["whole"],
}


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
    asked = (target.page, target.recorded, target.width, target.fps)
    for report in reports:
        for load in report["loads"]:
            recorded = load.get("recorded") is not None
            known = (report["page"], recorded, load["width"], load["fps_asked"])
            if known != asked or not load["frames"]["due"]:
                continue
            if target.least_per_s is not None and load["analysed_per_s"] is None:
                continue  # of a camera, whose frames have a clock
            words, met = _value(target, load)
            waits = any(name in ("p99", "painted p95") for name in target.most_ms)
            held_by = "" if met else find_bottleneck(load) if waits else describe_costs(load)
            return target.what, words, "yes" if met else "no", held_by
    return target.what, "not run", "–", ""


def _value(target: Target, load: dict[str, Any]) -> tuple[str, bool]:
    """Return what `load` measured for `target`, in words, and whether it is good enough."""
    words, met = [], True
    for name, most_ms in target.most_ms.items():
        figure, _, percentile = name.rpartition(" ")
        found = _FIGURES[figure](load)
        ms = None if found is None else found[percentile]
        words.append(f"{name} {'–' if found is None else format_percentile(found, percentile)} ms")
        met = met and ms is not None and ms <= most_ms
    if target.none_dropped:
        dropped = sum(load["frames"]["dropped"].values())
        words.append(f"{dropped} dropped")
        met = met and not dropped
    if target.recorded:
        recorded = load["recorded"]
        words.append(f"{recorded['frames']} of {recorded['due']} recorded")
        met = met and recorded["frames"] == recorded["due"]
    if target.least_per_s is not None:
        words.append(f"{load['analysed_per_s']:.0f} frames a second")
        met = met and load["analysed_per_s"] >= target.least_per_s
    return ", ".join(words), met
