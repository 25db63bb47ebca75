"""The page's Health tab: how late results are now, and the load on the machine."""

import threading
from dataclasses import asdict
from typing import Any

import psutil
from fastapi import APIRouter

from realtime.live import LiveSession
from realtime.results.snapshot import Snapshot
from realtime.stream.latency import LatencySummary

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
LEFT_OUT = ("pipeline behind", "recorder first")
_FEW = 30
"""Frames needed before a verdict."""
_SHOWN = ("source", "engine", "device", "seconds", "captured", "analysed")


def build_health_routes(session: LiveSession) -> APIRouter:
    """Return the route `/live/health`: the state of `session` and the machine as JSON values."""
    router = APIRouter()
    process = psutil.Process()
    process.cpu_percent()  # the first calls only start the measurement
    psutil.cpu_percent()
    lock = threading.Lock()

    @router.get("/live/health")
    def health() -> dict[str, Any]:
        with lock:
            cores, busy = process.cpu_percent() / 100, psutil.cpu_percent()
        machine = {
            "cores": cores,
            "cores_all": psutil.cpu_count(),
            "memory_mb": process.memory_info().rss / 1e6,
            "machine_percent": busy,
        }
        return {**describe_health(session.snapshot()), **machine}

    return router


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
        "dropped": dict(snapshot.dropped),
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
        return "red", f"Behind: at {rate}, {behind} of {snapshot.captured} frames were skipped"
    has_ms = 1e3 / snapshot.fps_measured
    if late.p99 > has_ms:
        return "amber", (
            f"Late: at {rate} a frame has {has_ms:.1f} ms, and one in a hundred takes more than "
            f"{late.p99:.1f} ms"
        )
    return "green", f"Keeps up with {rate}: 99 of 100 results come within {late.p99:.1f} ms"


def _span(
    words: str, summary: LatencySummary, *, whole: bool = False, due_ms: float | None = None
) -> dict[str, Any]:
    return {"words": words, "whole": whole, "due_ms": due_ms, **asdict(summary)}
