"""The one synchronous path: what a step holds, the order of events, who runs the classifier."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model import load_classifier
from model.classifiers import Inputs
from model.errors import CheckpointError, InputError, SourceError
from model.face.aligner import FaceAligner
from model.flow import load_flow
from model.inference.checkpoint import Checkpoint, save_checkpoint
from model.records import AlignedFace, Event, FlowPair, Frame, FramePair, Prediction, Stamp, Step
from model.synthetic import Schedule, SyntheticFace
from realtime.perception.pipeline import Pipeline, PipelineConfig, open_pipeline
from realtime.spotting.spotter import SpotterConfig

FPS = 30
SIZE = (320, 240)
SCHEDULE = Schedule(
    micro_per_min=20,
    macro_per_min=0,
    blinks_per_min=0,
    speech_per_min=0,
    amplitude_px=(1.8, 2.0),
    first_micro_s=(2.0, 2.2),
)


class Deferred(Executor):
    """Runs nothing until it is told to: the slowest worker there can be."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._waiting.append(lambda: future.set_result(fn(*args, **kwargs)))
        return future

    def catch_up(self) -> None:
        while self._waiting:
            self._waiting.pop(0)()


@cache
def footage(seconds: float) -> tuple[Frame, ...]:
    face = SyntheticFace(seed=5, fps=FPS, size=SIZE, schedule=SCHEDULE)
    return tuple(Frame(Stamp(i, i / FPS), face.image(i), 0.0) for i in range(round(seconds * FPS)))


def run(
    frames: tuple[Frame, ...],
    checkpoint: Path,
    executor: Executor | None = None,
    engine: str = "auto",
) -> tuple[list[Step], list[Event]]:
    """All steps, and all events in the order in which they came."""
    config = PipelineConfig(classifier=str(checkpoint), engine=engine)
    pipeline = open_pipeline(config, executor)
    steps = [pipeline.step(frame) for frame in frames]
    if isinstance(executor, Deferred):
        assert not any(step.events for step in steps)
        executor.catch_up()
    events = [event for step in steps for event in step.events]
    events += pipeline.finish(frames[-1].stamp)
    pipeline.close()
    return steps, events


def test_names_are_taken_between_steps_in_their_order(
    stepped: tuple[list[Step], list[Event]], untrained: Path
) -> None:
    executor = Deferred()
    pipeline = open_pipeline(PipelineConfig(classifier=str(untrained)), executor)
    frames, taken = footage(3.5), []
    for frame in frames:
        taken += pipeline.step(frame).events
        assert pipeline.take_named() == ((), {})  # nothing is named yet
        waits = pipeline.is_naming
        executor.catch_up()
        events, timings_ms = pipeline.take_named()
        assert bool(events) == waits == bool(timings_ms)
        assert not pipeline.is_naming
        taken += events
    taken += pipeline.finish(frames[-1].stamp)
    pipeline.close()
    assert taken == stepped[1]


@pytest.fixture(scope="module")
def stepped(untrained: Path) -> tuple[list[Step], list[Event]]:
    """Frame by frame through footage that shows an expression."""
    return run(footage(3.5), untrained)


def test_faces_found_ahead_change_nothing(
    stepped: tuple[list[Step], list[Event]], untrained: Path
) -> None:
    frames = footage(3.5)
    one_by_one, _ = stepped
    pipeline = open_pipeline(PipelineConfig(classifier=str(untrained)))
    ahead = list(pipeline.steps(frames))
    pipeline.close()
    assert any(step.events for step in one_by_one)
    for step, other in zip(one_by_one, ahead, strict=True):
        assert step.frame is other.frame
        assert step.face is not None
        assert other.face is not None
        assert (step.face.crop == other.face.crop).all()
        assert step.motion is not None
        assert other.motion is not None
        assert (step.motion.field == other.motion.field).all()
        assert step.events == other.events
        assert step.timings_ms.keys() == other.timings_ms.keys()


def test_another_frame_than_the_one_foretold_is_stepped_all_the_same(untrained: Path) -> None:
    first, foretold, other, last = footage(0.5)[:4]
    before = set(threading.enumerate())
    pipeline = open_pipeline(PipelineConfig(classifier=str(untrained)))
    pipeline.step(first, foretold)
    step = pipeline.step(other)
    assert step.frame is other
    assert step.face is not None
    assert step.face.stamp == other.stamp
    pipeline.step(last, first)  # what is looked for at the end is waited for
    pipeline.close()
    assert set(threading.enumerate()) <= before


def test_what_breaks_the_frames_is_raised_after_the_last_step(untrained: Path) -> None:
    frames = footage(0.5)

    def broken() -> Iterator[Frame]:
        yield from frames[:3]
        raise SourceError("the disk is gone")

    pipeline = open_pipeline(PipelineConfig(classifier=str(untrained)))
    steps = pipeline.steps(broken())
    assert [next(steps).frame for _ in range(3)] == list(frames[:3])
    with pytest.raises(SourceError, match="disk"):
        next(steps)
    assert list(pipeline.steps(())) == []
    pipeline.close()


def test_a_step_holds_what_the_frame_showed(untrained: Path) -> None:
    frames = footage(0.5)
    steps, _ = run(frames, untrained)
    for frame, step in zip(frames, steps, strict=True):
        assert step.frame is frame
        assert step.face is not None
        assert step.motion is not None
        assert step.signal is not None
        assert step.face.stamp == step.motion.stamp == frame.stamp
        assert {"face", "motion", "spot"} <= step.timings_ms.keys()
        assert all(ms >= 0 for ms in step.timings_ms.values())


def test_an_expression_is_named_at_its_apex_and_confirmed_at_its_offset(
    stepped: tuple[list[Step], list[Event]],
) -> None:
    _, events = stepped
    (truth,) = SyntheticFace(seed=5, fps=FPS, size=SIZE, schedule=SCHEDULE).truth(3.5)[:1]
    early, confirmed = (e for e in events if e.state != "withdrawn")
    assert (early.state, confirmed.state) == ("early", "confirmed")
    assert early.number == confirmed.number
    assert early.window.offset is None
    assert early.flows is not None
    assert early.flows.apex_offset is None
    assert len(early.crops) == 2
    assert confirmed.window.offset is not None
    assert confirmed.flows is not None
    assert confirmed.flows.apex_offset is not None
    assert len(confirmed.crops) == 3
    assert confirmed.prediction is not None
    assert confirmed.prediction.label in confirmed.prediction.probabilities
    assert abs(confirmed.window.apex.time_s - truth.apex_s) < 0.1
    assert early.known_at.time_s >= early.window.apex.time_s
    assert confirmed.known_at.time_s >= confirmed.window.offset.time_s


def test_a_slow_executor_changes_when_events_come_and_nothing_else(
    stepped: tuple[list[Step], list[Event]], untrained: Path
) -> None:
    _, inline = stepped
    _, deferred = run(footage(3.5), untrained, Deferred())
    assert inline
    assert deferred == inline


def test_the_same_frames_give_the_same_events(untrained: Path) -> None:
    first, _ = run(footage(1.0), untrained)
    second, _ = run(footage(1.0), untrained)
    for one, other in zip(first, second, strict=True):
        assert one.motion is not None
        assert other.motion is not None
        np.testing.assert_array_equal(one.motion.displacement, other.motion.displacement)


def test_frames_without_a_face_are_steps_too(untrained: Path) -> None:
    shown = footage(0.5)
    blank = np.zeros_like(shown[0].image)
    frames = (*shown, *(Frame(Stamp(15 + i, 0.5 + i / FPS), blank, 0.0) for i in range(3)))
    steps, events = run(frames, untrained)
    assert [step.face is None for step in steps] == [False] * 15 + [True] * 3
    # The loss is told once; then there is nothing to say.
    assert [step.signal is None for step in steps[-3:]] == [False, True, True]
    assert not events


def test_footage_without_a_face_gives_nothing(untrained: Path) -> None:
    blank = np.full((240, 320, 3), 120, np.uint8)
    steps, events = run(tuple(Frame(Stamp(i, i / FPS), blank, 0.0) for i in range(5)), untrained)
    assert not events
    assert all(step.face is step.motion is step.signal is None for step in steps)


@dataclass
class Onlooker:
    """A classifier that remembers which frames it was shown."""

    shown: list[FramePair] = field(default_factory=list)
    name: str = "onlooker"
    labels: tuple[str, ...] = ("one",)
    action_units: tuple[str, ...] = ()
    inputs: Inputs = "frames"

    def classify(self, flows: FlowPair, frames: FramePair | None) -> Prediction:
        assert frames is not None
        self.shown.append(frames)
        return Prediction("one", {"one": 1.0}, {}, self.name)


def test_a_network_on_frames_gets_those_of_the_window() -> None:
    onlooker = Onlooker()
    flow = load_flow("lk")
    pipeline = Pipeline(spotter=SpotterConfig(), flow=flow, classifier=onlooker)  # type: ignore[arg-type]
    pipeline.warm_up()
    onlooker.shown.clear()
    events = [event for frame in footage(3.5) for event in pipeline.step(frame).events]
    events += pipeline.finish(footage(3.5)[-1].stamp)
    pipeline.close()
    named = [event for event in events if event.prediction is not None]
    assert len(named) >= 2
    for event, frames in zip(named, onlooker.shown, strict=True):
        moments = [frames.onset_apex[0], frames.onset_apex[-1]]
        if frames.apex_offset is not None:
            np.testing.assert_array_equal(frames.apex_offset[0], frames.onset_apex[-1])
            moments.append(frames.apex_offset[-1])
        # At 30 frames a second there is nothing to average.
        for moment, crop in zip(moments, event.crops, strict=True):
            np.testing.assert_array_equal(moment, crop)


def test_long_term_flows_are_computed_live(tmp_path: Path) -> None:
    flow = load_flow("lk")
    slstt = Checkpoint("slstt", ("one", "two"), ("AU4",), flow.name, dict(flow.parameters))
    save_checkpoint(tmp_path / "slstt", slstt, slstt.network().state_dict())
    _, events = run(footage(3.5), tmp_path / "slstt", engine="eager")
    named = [event.prediction for event in events if event.prediction is not None]
    assert named
    assert {prediction.classifier for prediction in named} == {"slstt"}


def test_what_cannot_be_opened_says_so(untrained: Path) -> None:
    with pytest.raises(InputError, match="unknown flow 'none'"):
        open_pipeline(PipelineConfig(flow="none", classifier=str(untrained)))
    with pytest.raises(CheckpointError, match=r"lk.*tvl1|tvl1.*lk"):
        open_pipeline(PipelineConfig(flow="tvl1", classifier=str(untrained)))


def test_an_expression_whose_rest_was_not_seen_is_withdrawn_after_the_gap(untrained: Path) -> None:
    """As in a session that was paused just then: what was announced at its apex and had returned,
    but not stayed at rest, may have been a word."""
    frames = footage(3.5)
    aligner = FaceAligner()
    faces = {frame.stamp.index: aligner.align(frame) for frame in frames}
    flow = load_flow("lk")
    classifier = load_classifier(untrained, flow=flow)
    withdrawn = 0
    for last in range(70, len(frames), 2):
        pipeline = Pipeline(
            spotter=SpotterConfig(), flow=flow, classifier=classifier, aligner=_KnownFaces(faces)
        )
        late = replace(frames[last], stamp=Stamp(last, frames[last].stamp.time_s + 60))
        steps = [pipeline.step(frame) for frame in (*frames[:last], late)]
        assert {event.state for event in steps[-1].events} <= {"withdrawn"}
        withdrawn += len(steps[-1].events)
        pipeline.close()
    assert withdrawn  # at least one was cut off just then


class _KnownFaces:
    def __init__(self, faces: dict[int, AlignedFace | None]) -> None:
        self._faces = faces

    def align(self, frame: Frame) -> AlignedFace | None:
        face = self._faces[frame.stamp.index]
        return face and replace(face, stamp=frame.stamp)

    def warm_up(self) -> None:
        pass
