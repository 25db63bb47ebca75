"""The name of a large movement while it lasts: when it is asked for, of what, until when."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from test_spotting_spotter import sample

from model.inference.naming import NamedExpression
from model.records import FlowPair, Frame, Prediction, SpotSignal, Stamp
from model.synthetic.animated_face import SyntheticFace
from model.synthetic.event_schedule import Schedule
from realtime.perception.large_movement import EVERY_S, LEAD_S, LargeMovement
from realtime.perception.pipeline import PipelineConfig, open_pipeline
from realtime.spotting.motion import REGIONS

FPS = 50
LARGE_PX = 1.0


class Asked:
    """Answers at once, and keeps what it was asked."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self.busy = False

    def __call__(self, onset: Stamp, peak: Stamp) -> Future[NamedExpression] | None:
        if self.busy:
            return None
        self.spans.append((onset.time_s, peak.time_s))
        answer: Future[NamedExpression] = Future()
        flows = FlowPair(np.zeros((2, 8, 8), np.float32), None)
        named = Prediction(f"name {len(self.spans)}", {}, {}, "x")
        answer.set_result(NamedExpression(flows, named, {}))
        return answer


def push(large: LargeMovement, index: int, px: float, *, track: int = 0, read: bool = True) -> None:
    motion = np.zeros((len(REGIONS), 2), np.float32)
    motion[3, 1] = px
    ones = np.ones(len(REGIONS), np.float32)
    moved = frozenset([REGIONS[3]] if px > LARGE_PX else [])
    large.push(sample(index, index / FPS, motion, track=track), SpotSignal(ones, ones, (), moved))
    if read:
        _ = large.prediction


def rising(frames: int, to_px: float) -> Iterator[float]:
    yield from np.linspace(0, to_px, frames)


def test_a_movement_is_named_from_the_face_before_it_to_its_peak_until_it_is_over() -> None:
    asked = Asked()
    large = LargeMovement(asked)
    course = [
        *[0.0] * 50,
        *rising(25, 4.0),
        *[4.0] * 50,
        *reversed([*rising(10, 4.0)]),
        *[0.0] * 20,
    ]
    names = []
    for index, px in enumerate(course):
        push(large, index, px)
        names.append(None if large.prediction is None else large.prediction.label)
    begin = next(i for i, px in enumerate(course) if px > LARGE_PX)
    end = max(i for i, px in enumerate(course) if px > LARGE_PX)
    assert names[: begin + 1] == [None] * (begin + 1)
    onsets = {onset for onset, _ in asked.spans}
    assert list(onsets) == [pytest.approx(begin / FPS - LEAD_S, abs=1 / FPS)]
    peaks = [peak for _, peak in asked.spans]
    assert peaks == sorted(peaks)
    assert 1 < len(peaks) <= 25 / FPS / EVERY_S + 2  # not again while it is held
    assert names[begin + 1 : end] == sorted(filter(None, names))[: end - begin - 1]
    assert names[end] == f"name {len(peaks)}"
    assert names[-1] is None


def test_what_else_is_being_named_comes_first() -> None:
    asked = Asked()
    large = LargeMovement(asked)
    asked.busy = True
    for index in range(40):
        push(large, index, 0.0 if index < 20 else 3.0)
    assert large.prediction is None
    asked.busy = False
    for index in range(40, 44):
        push(large, index, 3.0)
    assert large.prediction is not None


@pytest.mark.parametrize("track", [1, None])
def test_of_another_face_or_none_the_name_goes(track: int | None) -> None:
    large = LargeMovement(Asked())
    for index in range(40):
        push(large, index, 0.0 if index < 20 else 3.0)
    assert large.prediction is not None
    if track is None:
        large.push(None, None)
    else:
        push(large, 40, 3.0, track=track)
    assert large.prediction is None


def test_nothing_is_named_for_nobody() -> None:
    asked = Asked()
    large = LargeMovement(asked)
    for index in range(40):
        push(large, index, 0.0 if index < 20 else 3.0, read=False)
    assert not asked.spans


def test_names_of_large_movements_change_no_result(untrained: Path) -> None:
    schedule = Schedule(micro_per_min=4, macro_per_min=14, speech_per_min=0, blinks_per_min=0)
    face = SyntheticFace(seed=5, fps=15, size=(200, 150), schedule=schedule)
    frames = [Frame(Stamp(i, i / 15), face.image(i), 0.0) for i in range(140)]
    found = []
    for read in (False, True):
        pipeline = open_pipeline(PipelineConfig(classifier=str(untrained)))
        steps = [(pipeline.step(frame), pipeline.large if read else None) for frame in frames]
        events = [event for step, _ in steps for event in step.events]
        found.append([*events, *pipeline.finish(frames[-1].stamp)])
        named = [
            step.signal is not None and bool(step.signal.large) for step, name in steps if name
        ]
        assert bool(named) is read
        pipeline.close()
    assert found[0] == found[1]
    assert any(event.window.kind == "macro" for event in found[0])
