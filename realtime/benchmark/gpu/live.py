"""Runs the live path after face detection, on a device and on the CPU: motion of every frame,
spotting, both phases' flow, engine, events. It is the program's own pipeline with known faces."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from model.records import AlignedFace, ArrayF32, Event
from realtime.benchmark.gpu.faces import FPS, KnownFaces, draw
from realtime.benchmark.gpu.rows import WRONG, Report
from realtime.benchmark.gpu.whole import SHARE_APART
from realtime.perception.pipeline import PipelineConfig, open_pipeline

FRAMES_APART = 1
"""Greatest difference of onset, apex or offset between two runs; motion can be close to a
threshold."""
MOTION_APART_PX = 0.02
"""Greatest difference of a region's displacement: a fifth of the least motion that is spotted."""
SECONDS, FEW_SECONDS = 24.0, 6.0
"""Length of the demo, with a GPU and without."""
HEAD = (
    *("on", "names by", "events", "as on the CPU", "motion and spotting, p50", "p95", "p99"),
    *("flow and name, p50", "max"),
)


@dataclass(frozen=True)
class PathRun:
    """The results of one run over all frames."""

    events: list[Event]
    displacement: ArrayF32
    """(frames, R, 2) px."""
    frame_ms: list[float]
    """Motion and spotting of each frame with a face."""
    naming_ms: list[float]
    """Flow and network of each frame in which an expression was named."""
    engine: str
    trouble: str
    """What failed and was replaced; empty if nothing was."""


def live_part(report: Report) -> None:
    """Run the program's own pipeline with drawn faces, on the device and on the CPU."""
    report.section("The live path behind the face: ms", *HEAD)
    report.attempt("the live path", add_runs)


def add_runs(report: Report) -> None:
    faces = draw(SECONDS if report.cuda else FEW_SECONDS)
    expected = run(faces, "cpu", "eager")
    _add(report, "cpu", expected, "")
    found = run(faces, report.device, "auto")
    unlike = differences(expected, found)
    verdict = f"right (within {FRAMES_APART} frame, {SHARE_APART:g} of a probability)"
    if unlike:
        verdict = f"{WRONG}: {'; '.join(unlike)}"
    _add(report, report.device, found, verdict)
    report.note(f"{len(faces)} frames at {FPS:g} fps: the demo's faces, as they were drawn.")


def _add(report: Report, where: str, found: "PathRun", verdict: str) -> None:
    states = [event.state for event in found.events]
    counted = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states)) or "none"
    frame = (float(ms) for ms in np.percentile(found.frame_ms, (50, 95, 99)))
    names: tuple[float | None, float | None] = (None, None)
    if found.naming_ms:
        names = float(np.median(found.naming_ms)), max(found.naming_ms)
    report.row(where, found.engine, counted, verdict, *frame, *names)


def run(faces: Sequence[AlignedFace], device: str, engine: str) -> PathRun:
    """Run all frames as fast as possible, with naming in its own thread as in the live program."""
    known = KnownFaces(faces)
    events: list[Event] = []
    displacement, frame_ms, naming_ms = [], [], []
    with ThreadPoolExecutor(1, "naming") as beside:
        config = PipelineConfig(device=device, engine=engine)
        with closing(open_pipeline(config, beside, known)) as pipeline:
            for frame in known.frames():
                step = pipeline.step(frame)
                events += step.events
                if step.motion is not None:
                    displacement.append(step.motion.displacement)
                    frame_ms.append(step.timings_ms["motion"] + step.timings_ms["spot"])
                named = [step.timings_ms.get(stage, 0.0) for stage in ("flow", "classify")]
                if any(named):
                    naming_ms.append(sum(named))
            events += pipeline.finish(frame.stamp)
            described, trouble = pipeline.engine, pipeline.trouble
    return PathRun(events, np.stack(displacement), frame_ms, naming_ms, described, trouble)


def differences(expected: PathRun, found: PathRun) -> list[str]:
    """The differences between `found` and `expected` that are too large, in words."""
    if [_kind(event) for event in found.events] != [_kind(event) for event in expected.events]:
        return [f"events {_list_events(found.events)} instead of {_list_events(expected.events)}"]
    away_px = float(np.abs(found.displacement - expected.displacement).max())
    unlike = []
    if not away_px <= MOTION_APART_PX:  # so that NaN is too far
        unlike.append(f"motion differs by {away_px:.3f} px")
    for event, other in zip(found.events, expected.events, strict=True):
        for name in ("onset", "apex", "offset"):
            here, there = (getattr(each.window, name) for each in (event, other))
            if here is not None and abs(here.index - there.index) > FRAMES_APART:
                unlike.append(f"{name} of {event.number} at {here.index}, not {there.index}")
        if not _share_apart(event, other) <= SHARE_APART:
            unlike.append(f"probabilities of {event.number} differ by {_share_apart(event, other)}")
    if found.trouble:
        unlike.append(found.trouble)
    return unlike


def _kind(event: Event) -> tuple[object, ...]:
    window = event.window
    label = None if event.prediction is None else event.prediction.label
    return event.number, event.state, window.kind, window.offset is None, label


def _list_events(events: Sequence[Event]) -> str:
    return ", ".join(f"{e.number} {e.state} {_kind(e)[-1] or ''}".strip() for e in events) or "none"


def _share_apart(event: Event, other: Event) -> float:
    if event.prediction is None or other.prediction is None:
        return 0.0
    known = other.prediction.probabilities
    return max(abs(p - known[label]) for label, p in event.prediction.probabilities.items())
