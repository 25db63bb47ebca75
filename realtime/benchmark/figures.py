"""The figures of a load, all computed from its samples."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model.records import ArrayF64
from realtime.benchmark.findings import STEP
from realtime.benchmark.live_load import LoadResult
from realtime.benchmark.monitor import Reading
from realtime.benchmark.percentiles import tail
from realtime.benchmark.samples import (
    ANALYSED,
    PAGE_STAGES,
    STAGES,
    Decision,
    column,
    latencies,
    stage,
)

LATE_SHARE = 0.01
"""The program keeps up if it drops nothing and at most this share of results is late."""
DRIFT_PIECES = 10
"""Number of pieces into which a load is cut to see whether it drifts."""
SETTLED_S = 60.0
"""Memory grows before this, while caches, models and the ring fill."""
LEAST_S = 60.0
"""The shortest span of which the growth of memory is stated."""


def compute_figures(measured: LoadResult, deadline_ms: float | None) -> dict[str, Any]:
    """Return the entry of a load in `report.json`; see `docs/benchmarks.md`."""
    config, snapshot = measured.config, measured.snapshot
    frames = measured.table.filter(measured.table["measured"])
    fps = rate(frames) or config.fps or 0.0
    late_ms = latencies(frames)
    fates = Counter(frames["fate"].to_pylist())
    analysed = fates.pop(ANALYSED, 0)
    late = deadline(late_ms, deadline_ms or (1e3 / fps if fps else 0.0))
    return {
        "name": f"{snapshot.width}×{snapshot.height} at {fps:.4g} fps",
        "source": snapshot.source,
        "width": snapshot.width,
        "height": snapshot.height,
        "fps_asked": config.fps,
        "fps": fps,
        "seconds": config.seconds,
        "warm_up_s": measured.warm_up_s,
        "device": snapshot.device,
        "flow": config.flow,
        "classifier": config.classifier,
        "engine": snapshot.engine,
        "frames": {
            "due": len(frames),
            "analysed": analysed,
            "with_face": int(pc.sum(frames["face"]).as_py() or 0),
            "dropped": dict(fates),
        },
        "latency_ms": tail(late_ms, fps),
        "deadline": late,
        "stages_ms": stages(frames, fps),
        "step_ms": tail(step_times(frames), fps),
        "decision_ms": {
            state: decision([d for d in measured.decisions if d.state == state])
            for state in ("early", "confirmed")
        },
        "processor": processor_load(measured),
        "memory": memory(measured.readings),
        "parts": parts(frames, late_ms, measured),
        "keeps_up": bool(len(frames) and not fates and late["share"] <= LATE_SHARE),
    }


def rate(frames: pa.Table) -> float:
    """Return frames due per second; 0.0 for fewer than two."""
    due_s = column(frames, "due_s")
    span_s = float(due_s[-1] - due_s[0]) if len(due_s) > 1 else 0.0
    return round((len(due_s) - 1) / span_s, 3) if span_s else 0.0


def deadline(late_ms: ArrayF64, due_ms: float) -> dict[str, Any]:
    """Return how many results took longer than `due_ms` or never came, and the most in a row."""
    missed = late_ms > due_ms
    streaks = (len(list(group)) for late, group in groupby(missed.tolist()) if late)
    return {
        "ms": due_ms,
        "misses": int(missed.sum()),
        "share": float(missed.mean()) if len(missed) else 0.0,
        "longest_streak": max(streaks, default=0),
    }


def stages(frames: pa.Table, fps: float) -> dict[str, Any]:
    """Return mean and percentiles of each stage that a frame went through."""
    found = {name: stage(frames, name) for name in (*STAGES, *PAGE_STAGES)}
    return {
        name: {"mean": float(values.mean()), **tail(values, fps)}
        for name, values in found.items()
        if len(values)
    }


def step_times(frames: pa.Table) -> ArrayF64:
    """Return how long face, motion and spotting took together, ms, for each frame with a face."""
    whole: ArrayF64 = np.sum([column(frames, f"{name}_ms") for name in STEP], axis=0)
    return whole[~np.isnan(whole)]


def decision(decisions: list[Decision]) -> dict[str, Any]:
    """Return the time from an expression's moment to its event (`whole`), and its two parts:
    `look_ahead`, which no computer can shorten, and `after`."""
    return {
        "look_ahead": tail([d.look_ahead_ms for d in decisions]),
        "after": tail([d.after_ms for d in decisions]),
        "whole": tail([d.look_ahead_ms + d.after_ms for d in decisions]),
    }


def processor_load(measured: LoadResult) -> dict[str, Any]:
    """Return the mean processor time in cores, by process, and the GPU's mean load and power."""
    readings = measured.readings
    return {
        **{
            n: mean(getattr(r, n) for r in readings) or 0.0 for n in ("cores", "children", "others")
        },
        **{n: mean(getattr(r, n) for r in readings) for n in ("gpu_percent", "gpu_w")},
    }


def memory(readings: Sequence[Reading]) -> dict[str, Any]:
    """Return the maximum of resident memory, MB (10⁶ bytes), and its growth, MB a minute; None if
    the load ended before memory had settled for a minute: caches and models fill at first."""
    if len(readings) < 2:
        return {"most_mb": None, "mb_per_min": None}
    mb = [r.memory_mb for r in readings]
    settled = [r for r in readings if r.at_s >= SETTLED_S]
    if not settled or settled[-1].at_s - settled[0].at_s < LEAST_S:
        return {"most_mb": max(mb), "mb_per_min": None}
    slope = np.polyfit([r.at_s / 60 for r in settled], [r.memory_mb for r in settled], 1)[0]
    return {"most_mb": max(mb), "mb_per_min": float(slope)}


def parts(frames: pa.Table, late_ms: ArrayF64, measured: LoadResult) -> list[dict[str, Any]]:
    """Return the figures of `DRIFT_PIECES` pieces of equal time, which show whether it drifts."""
    due_s = column(frames, "due_s") - measured.warm_up_s
    length_s = (measured.config.seconds or 0.0) / DRIFT_PIECES
    found = []
    for start_s, end_s in pairwise((length_s * np.arange(DRIFT_PIECES + 1)).tolist()):
        here = late_ms[(due_s >= start_s) & (due_s < end_s)]
        readings = (r for r in measured.readings if start_s <= r.at_s < end_s)
        times = tail(here)
        found.append(
            {
                "from_s": start_s,
                "analysed_per_s": float(np.isfinite(here).sum() / length_s),
                **{name: times[name] for name in ("p50", "p99", "n")},
                "memory_mb": mean(r.memory_mb for r in readings),
            }
        )
    return found


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the known values; None if all are unknown."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
