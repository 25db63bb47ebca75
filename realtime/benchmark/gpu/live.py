"""The live path behind the face, on a device and on the CPU: motion of every frame, spotting, both
phases' flow, engine, events. The pipeline is the program's own; only its faces come from a file."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from model.records import AlignedFace, ArrayF32, Event
from realtime.benchmark.gpu.faces import Told
from realtime.perception.pipeline import PipelineConfig, open_pipeline

FRAMES_APART = 1
"""Of onset, apex or offset, that may lie between two runs: a threshold is passed by a hair."""
SHARE_APART = 0.02
"""Of a probability: the tolerance of FP16 (`model.engine`)."""
MOTION_APART_PX = 0.02
"""Of a region's displacement: a fifth of the least motion that is looked for."""


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
