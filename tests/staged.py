"""A live run on a stage: footage that the test hands over, faces that are known beforehand, and a
pipeline that is there at once."""

import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import realtime.live_threads as run
from model import load_classifier
from model.face.aligner import FaceAligner
from model.flow import load_flow
from model.records import AlignedFace, Frame, Step
from realtime.perception.pipeline import Pipeline
from realtime.sources import SOURCES, SourceInfo, SourceOptions, SourceStatus, open_source
from realtime.spotting.spotter import SpotterConfig

TIMEOUT_S = 60
GATE = 40
"""The frame at which a viewer holds a run: the expression comes after it."""


class Footage:
    """A live source that hands over what the test sends."""

    frames: Sequence[Frame] = ()
    opened: "list[Footage]" = []  # noqa: RUF012 - the test's handle on what the session opened

    def __init__(self, spec: str, options: SourceOptions) -> None:
        del spec, options
        height, width = self.frames[0].image.shape[:2]
        self.info = SourceInfo(
            "", "footage", "footage", True, "file", width, height, None, 25.0, True
        )
        self.sent: queue.Queue[Frame | None] = queue.Queue()
        self.empty, self.interrupted = threading.Event(), threading.Event()
        self.opened.append(self)

    def __iter__(self) -> Iterator[Frame]:
        while True:
            if self.sent.empty():
                self.empty.set()
            frame = self.hand_over(self.sent.get())
            if frame is None:
                return
            yield frame

    def hand_over(self, frame: Frame | None) -> Frame | None:
        return frame

    def send(self) -> None:
        for frame in self.frames:
            self.sent.put(frame)

    def status(self) -> SourceStatus:
        return SourceStatus("open", "", len(self.frames), 25.0, {}, {})

    def interrupt(self) -> None:
        self.sent.put(None)
        self.interrupted.set()

    def close(self) -> None:
        pass


class Known:
    """An aligner that was told where the faces are."""

    faces: dict[int, AlignedFace] = {}  # noqa: RUF012 - found once

    def align(self, frame: Frame) -> AlignedFace | None:
        return self.faces.get(frame.stamp.index)

    def warm_up(self) -> None:
        pass


class Viewer:
    """Who takes the steps, and holds the run at the gate."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def take(self, step: Step) -> None:
        if step.frame.stamp.index == GATE:
            self.reached.set()
            assert self.go_on.wait(TIMEOUT_S)


def read_footage(clip: Path) -> tuple[Frame, ...]:
    """The frames of a clip; `Known` knows their faces from now on."""
    source = open_source(str(clip))
    frames = tuple(Frame(frame.stamp, frame.image, 0.0) for frame in source)
    source.close()
    aligner = FaceAligner()
    found = ((frame.stamp.index, aligner.align(frame)) for frame in frames)
    Known.faces = {index: face for index, face in found if face is not None}
    assert len(Known.faces) == len(frames)
    return frames


def stage(frames: Sequence[Frame], weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `frames` the source `footage`, and open pipelines without loading anything."""
    monkeypatch.setitem(SOURCES, "footage", f"{__name__}:Footage")
    monkeypatch.setattr(Footage, "frames", frames)
    Footage.opened.clear()
    flow = load_flow("lk")
    classifier = load_classifier(weights, flow=flow)

    def opened(config: object, executor: Any, **_: object) -> Pipeline:
        return Pipeline(
            spotter=SpotterConfig(),
            flow=flow,
            classifier=classifier,
            executor=executor,
            aligner=Known(),
        )

    monkeypatch.setattr(run, "open_pipeline", opened)
    monkeypatch.setattr(run, "HOLD", 1.0)  # all frames come at once, and are analysed
