"""The live path behind the face, on a device and on the CPU: motion of every frame, spotting, both
phases' flow, engine, events. The pipeline is the program's own; only its faces are given."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.records import AlignedFace, ArrayF32, Event
from realtime.benchmark.gpu.faces import FPS, Told, draw, load
from realtime.benchmark.gpu.rows import WRONG, Report
from realtime.benchmark.gpu.whole import SHARE_APART
from realtime.perception.pipeline import PipelineConfig, open_pipeline

FRAMES_APART = 1
"""Of onset, apex or offset, that may lie between two runs: a threshold is passed by a hair."""
MOTION_APART_PX = 0.02
"""Of a region's displacement: a fifth of the least motion that is looked for."""
SECONDS, FEW_SECONDS = 24.0, 6.0
"""Of the demo, on a GPU and on a CPU."""
HEAD = (
    *("on", "names by", "events", "as on the CPU", "motion and spotting, p50", "p95", "p99"),
    *("flow and name, p50", "max"),
)


@dataclass(frozen=True)
class Run:
    """One way through all frames."""

    events: list[Event]
    displacement: ArrayF32
    """(frames, R, 2) px."""
    frame_ms: list[float]
    """Motion and spotting, each frame with a face."""
    naming_ms: list[float]
    """Flow and network, each frame with which an expression's name came."""
    engine: str
    trouble: str
    """What failed and was replaced; empty if nothing was."""


def live_part(report: Report, recording: Path) -> None:
    """The program's own pipeline behind the face, here and on the CPU: on the faces of `recording`
    if that is there, or else on faces that are drawn and whose place is known."""
    report.section("The live path behind the face: ms", *HEAD)
    report.attempt("the live path", add_runs, recording)


def add_runs(report: Report, recording: Path) -> None:
    if recording.exists():
        faces, said = load(recording), f"faces of {recording.name}"
    else:
        faces = draw(SECONDS if report.cuda else FEW_SECONDS)
        said = f"the demo's faces, placed where they were drawn: {recording} is not there"
    expected = run(faces, "cpu", "eager")
    _add(report, "cpu", expected, "")
    found = run(faces, report.device, "auto")
    unlike = differences(expected, found)
    apart = f"{FRAMES_APART} frame, {SHARE_APART:g} of a probability"
    _add(
        report,
        report.device,
        found,
        f"{WRONG}: {'; '.join(unlike)}" if unlike else f"right (within {apart})",
    )
    report.note(f"{len(faces)} frames at {FPS:g} fps: {said}.")


def _add(report: Report, where: str, found: "Run", verdict: str) -> None:
    states = [event.state for event in found.events]
    counted = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states)) or "none"
    frame = (float(ms) for ms in np.percentile(found.frame_ms, (50, 95, 99)))
    names: tuple[float | None, float | None] = (None, None)
    if found.naming_ms:
        names = float(np.median(found.naming_ms)), max(found.naming_ms)
    report.row(where, found.engine, counted, verdict, *frame, *names)


def run(faces: Sequence[AlignedFace], device: str, engine: str) -> Run:
    """All frames, as fast as they go, names in a thread beside as in the live program."""
    told = Told(faces)
    events: list[Event] = []
    displacement, frame_ms, naming_ms = [], [], []
    with ThreadPoolExecutor(1, "naming") as beside:
        pipeline = open_pipeline(PipelineConfig(device=device, engine=engine), beside, told)
        try:
            for frame in told.frames():
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
        finally:
            pipeline.close()
    return Run(events, np.stack(displacement), frame_ms, naming_ms, described, trouble)


def differences(expected: Run, found: Run) -> list[str]:
    """Every way in which `found` is further from `expected` than it may be, in words."""
    if [_kind(event) for event in found.events] != [_kind(event) for event in expected.events]:
        return [f"events {_words(found.events)} instead of {_words(expected.events)}"]
    away_px = float(np.abs(found.displacement - expected.displacement).max())
    said = []
    if not away_px <= MOTION_APART_PX:  # so that NaN is too far
        said.append(f"motion differs by {away_px:.3f} px")
    for event, other in zip(found.events, expected.events, strict=True):
        for name in ("onset", "apex", "offset"):
            here, there = (getattr(each.window, name) for each in (event, other))
            if here is not None and abs(here.index - there.index) > FRAMES_APART:
                said.append(f"{name} of {event.number} at {here.index}, not {there.index}")
        if not _share_apart(event, other) <= SHARE_APART:
            said.append(f"probabilities of {event.number} differ by {_share_apart(event, other)}")
    if found.trouble:
        said.append(found.trouble)
    return said


def _kind(event: Event) -> tuple[object, ...]:
    window = event.window
    label = None if event.prediction is None else event.prediction.label
    return event.number, event.state, window.kind, window.offset is None, label


def _words(events: Sequence[Event]) -> str:
    return ", ".join(f"{e.number} {e.state} {_kind(e)[-1] or ''}".strip() for e in events) or "none"


def _share_apart(event: Event, other: Event) -> float:
    if event.prediction is None or other.prediction is None:
        return 0.0
    known = other.prediction.probabilities
    return max(abs(p - known[label]) for label, p in event.prediction.probabilities.items())
