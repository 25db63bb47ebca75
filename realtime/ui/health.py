"""The page's Health tab: how late results are now, and the load on the machine."""

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import psutil
from fastapi import APIRouter

from realtime.live import LiveSession
from realtime.results.snapshot import Snapshot
from realtime.sessions.ledger import PIPELINE_BEHIND, RECORDER_FIRST, describe_cause
from realtime.stream.clock import monotonic_s
from realtime.stream.latency import LatencySummary
from realtime.stream.processor_time import processor_seconds

STAGE_NAMES = {
    "wait": "wait in the ring",
    "face": "face",
    "motion": "motion",
    "spot": "spotting",
    "flow": "flow of both phases",
    "classify": "network",
    "encode": "encode for the page",
    "send": "send",
    "paint": "to the screen",
}
"""The stages of a frame, in order, and what the tab calls them."""
LEFT_OUT = (PIPELINE_BEHIND, RECORDER_FIRST)
MEASURED_S = 1.0
"""The shortest span over which the load is measured."""
_FEW = 30
"""Frames needed before a verdict."""
_SHOWN = ("source", "engine", "device", "seconds", "captured", "analysed")


def build_health_routes(session: LiveSession) -> APIRouter:
    """Return the route `/live/health`: the state of `session` and the machine as JSON values."""
    router = APIRouter()
    load = MachineLoad()

    @router.get("/live/health")
    def health() -> dict[str, Any]:
        return {**describe_health(session.snapshot()), **load.read()}

    return router


class MachineLoad:
    """The load on the machine, measured over a second or more: several pages may ask at once. Any
    thread."""

    def __init__(
        self,
        now: Callable[[], float] = monotonic_s,
        machine: Callable[[], tuple[float, float]] = processor_seconds,
    ) -> None:
        self._now, self._machine = now, machine
        self._process = psutil.Process()
        self._lock = threading.Lock()
        self._before = self._times()
        self._figures: dict[str, float | None] = {"cores": None, "machine_percent": None}

    def read(self) -> dict[str, float | None]:
        """Return `cores` that this program uses of `cores_all`, `memory_mb` that it takes, and
        `machine_percent`, the share of all processors that is busy. None: not known yet, or the
        system does not count it."""
        with self._lock:
            times = self._times()
            wall_s, own_s, busy_s, passed_s = (
                b - a for a, b in zip(self._before, times, strict=True)
            )
            if wall_s >= MEASURED_S:
                self._before = times
                busy = 100 * busy_s / passed_s if passed_s > 0 else None
                self._figures = {"cores": own_s / wall_s, "machine_percent": busy}
            return {
                **self._figures,
                "cores_all": psutil.cpu_count(),
                "memory_mb": self._process.memory_info().rss / 1e6,
            }

    def _times(self) -> tuple[float, float, float, float]:
        own = self._process.cpu_times()
        return (self._now(), own.user + own.system, *self._machine())


def describe_health(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the tab shows of a snapshot. `light` is "green", "amber", "red" or empty,
    `verdict` says why, `spans` are rows of percentiles in ms."""
    light, verdict = judge_speed(snapshot)
    due_ms = 1e3 / snapshot.fps_measured if snapshot.fps_measured else None
    spans = [
        _span("frame due → result", snapshot.frame_to_result, whole=True, due_ms=due_ms),
        _span("frame due → painted", snapshot.painted, whole=True, due_ms=due_ms),
        _span("expression's offset → event", snapshot.decision, whole=True),
        *(
            _span(STAGE_NAMES[name], snapshot.stages[name])
            for name in STAGE_NAMES
            if name in snapshot.stages
        ),
    ]
    return {
        "light": light,
        "verdict": verdict,
        "fps": snapshot.fps_measured,
        **{name: getattr(snapshot, name) for name in _SHOWN},
        "dropped": {describe_cause(cause): n for cause, n in snapshot.dropped.items()},
        "spans": [span for span in spans if span["n"]],
    }


def judge_speed(snapshot: Snapshot) -> tuple[str, str]:
    """Return a light and a sentence that say whether the program keeps up with its source."""
    if snapshot.state != "running" or snapshot.analysed < _FEW or not snapshot.fps_measured:
        return "", "Starting" if snapshot.state in ("running", "starting") else "Not running"
    late = snapshot.frame_to_result
    rate = f"{snapshot.fps_measured:.1f} fps"
    behind = sum(snapshot.dropped.get(cause, 0) for cause in LEFT_OUT)
    if behind:
        return "red", (
            f"Too slow: at {rate}, {behind} of {snapshot.captured} frames were left out of the "
            "analysis"
        )
    has_ms = 1e3 / snapshot.fps_measured
    if late.p99 > has_ms:
        return "amber", (
            f"Too slow: at {rate}, 1 % of frames take over {_round_ms(late.p99)} ms "
            f"({_round_ms(has_ms)} ms available)"
        )
    return "green", f"Keeps up with {rate}: 99 % of results come within {_round_ms(late.p99)} ms"


def _round_ms(ms: float) -> str:
    return f"{ms:.1f}" if ms < 10 else f"{ms:.0f}"


def _span(
    words: str, summary: LatencySummary, *, whole: bool = False, due_ms: float | None = None
) -> dict[str, Any]:
    return {"words": words, "whole": whole, "due_ms": due_ms, **asdict(summary)}
