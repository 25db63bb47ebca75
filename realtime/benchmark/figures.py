"""The figures of a load, all of them computed from its samples."""

from collections import Counter
from dataclasses import asdict
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model.records import ArrayF64
from realtime.benchmark.load import Measured
from realtime.benchmark.percentiles import Tail, tail
from realtime.benchmark.samples import (
    ANALYSED,
    PAINTED,
    SHOWN,
    STAGES,
    Decision,
    column,
    latencies,
    stage,
)

LATE_SHARE = 0.01
"""A load is kept up with if nothing is dropped and no more than this share of results is late."""
PARTS = 10
"""Into so many pieces a load is cut to see whether it drifts."""
STEP = ("face", "motion", "spot")
"""Stages that the pipeline thread goes through frame by frame: what limits the rate."""


def figures(measured: Measured, deadline_ms: float | None) -> dict[str, Any]:
    """What `report.json` holds of a load; see `docs/benchmarks.md`."""
    config, table, snapshot = measured.config, measured.table, measured.snapshot
    frames = table.filter(table["measured"])
    fps = rate(frames) or config.fps or 0.0
    late_ms = latencies(table)
    due_ms = deadline_ms or (1e3 / fps if fps else 0.0)
    fates = Counter(frames["fate"].to_pylist())
    analysed = fates.pop(ANALYSED, 0)
    document: dict[str, Any] = {
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
        "latency_ms": asdict(tail(late_ms, fps)),
        "deadline": deadline(frames, late_ms, due_ms),
        "stages_ms": stages(table, fps),
        "decision_ms": {
            state: decision([d for d in measured.decisions if d.state == state])
            for state in ("early", "confirmed")
        },
        "processor": processor(measured),
        "memory": memory(measured),
        "parts": parts(frames, late_ms, measured),
        "timeline": [asdict(reading) for reading in thinned(measured)],
        "start_s": measured.start_s,
    }
    document["keeps_up"] = keeps_up(document)
    return document


def rate(frames: pa.Table) -> float:
    """Frames due per second; 0.0 of fewer than two."""
    due_s = column(frames, "due_s")
    span_s = float(due_s[-1] - due_s[0]) if len(due_s) > 1 else 0.0
    return round((len(due_s) - 1) / span_s, 3) if span_s else 0.0


def deadline(frames: pa.Table, late_ms: ArrayF64, due_ms: float) -> dict[str, Any]:
    """Results that came after `due_ms`, or never: how many, and the longest run of them."""
    missed = late_ms > due_ms
    streaks = [len(list(group)) for late, group in groupby(missed.tolist()) if late]
    due_s = column(frames, "due_s")
    return {
        "ms": due_ms,
        "misses": int(missed.sum()),
        "share": float(missed.mean()) if len(missed) else 0.0,
        "longest_streak": max(streaks, default=0),
        "streaks": len(streaks),
        "at_s": [round(float(s), 4) for s in due_s[missed][:1000]],
    }


def stages(table: pa.Table, fps: float) -> dict[str, Any]:
    """Percentiles of each stage that any frame went through, and the mean of each."""
    found = {}
    for name in (*STAGES, *SHOWN, PAINTED):
        values = stage(table, name)
        if len(values):
            found[name] = {"mean": float(values.mean()), **asdict(tail(values, fps))}
    return found


def decision(decisions: list[Decision]) -> dict[str, Any]:
    """From an expression's moment to its event: what no computer can shorten, and the rest."""
    look_ahead = np.array([d.look_ahead_ms for d in decisions])
    after = np.array([d.after_ms for d in decisions])
    return {
        "look_ahead": _few(tail(look_ahead, 1)),
        "after": _few(tail(after, 1)),
        "whole": _few(tail(look_ahead + after, 1)),
    }


def processor(measured: Measured) -> dict[str, Any]:
    """Cores' worth of processor time, by whom."""
    readings = measured.readings
    means = {
        name: float(np.mean([getattr(r, name) for r in readings])) if readings else 0.0
        for name in ("cores", "children", "others")
    }
    power = {
        name: float(np.mean([p for r in readings if (p := getattr(r, name)) is not None]))
        if any(getattr(r, name) is not None for r in readings)
        else None
        for name in ("cpu_w", "gpu_w", "gpu_percent")
    }
    return {**means, "threads": measured.threads, **power}


def memory(measured: Measured) -> dict[str, Any]:
    """Resident memory, 10⁶ bytes: at the beginning, the end, most, and how it grows."""
    found = measured.readings
    if len(found) < 2:
        return {"start_mb": None, "end_mb": None, "most_mb": None, "mb_per_min": None}
    mb = np.array([r.memory_mb for r in found])
    slope = np.polyfit([r.at_s / 60 for r in found], mb, 1)[0]
    return {
        "start_mb": float(mb[0]),
        "end_mb": float(mb[-1]),
        "most_mb": float(mb.max()),
        "mb_per_min": float(slope),
    }


def parts(frames: pa.Table, late_ms: ArrayF64, measured: Measured) -> list[dict[str, Any]]:
    """The load in `PARTS` pieces of equal time, to see whether it drifts."""
    due_s = column(frames, "due_s") - measured.warm_up_s
    length_s = (measured.config.seconds or 0.0) / PARTS
    found = []
    for part in range(PARTS):
        start_s, end_s = part * length_s, (part + 1) * length_s
        here = (due_s >= start_s) & (due_s < end_s)
        mb = [r.memory_mb for r in measured.readings if start_s <= r.at_s < end_s]
        times = tail(late_ms[here], 0)
        found.append(
            {
                "from_s": start_s,
                "n": times.n,
                "analysed_per_s": float(np.isfinite(late_ms[here]).sum() / length_s),
                "p50": times.p50,
                "p99": times.p99,
                "memory_mb": float(np.mean(mb)) if mb else None,
            }
        )
    return found


def keeps_up(document: dict[str, Any]) -> bool:
    """Nothing dropped, and at most `LATE_SHARE` of the results late."""
    frames, late = document["frames"], document["deadline"]
    return bool(frames["due"] and not frames["dropped"] and late["share"] <= LATE_SHARE)


def step_ms(document: dict[str, Any]) -> float:
    """What a frame costs from its face to the spotter, mean."""
    return float(sum(document["stages_ms"][n]["mean"] for n in STEP if n in document["stages_ms"]))


def thinned(measured: Measured, most: int = 600) -> tuple[Any, ...]:
    """The readings, or every n-th of them."""
    every = -(-len(measured.readings) // most) or 1
    return measured.readings[::every]


def _few(found: Tail) -> dict[str, Any]:
    """Of the few events that a load has, no more than is known."""
    return {"p50": found.p50, "p95": found.p95, "max": found.max, "n": found.n}
