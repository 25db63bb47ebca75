"""The live path on known faces is the live path."""

from dataclasses import replace

import numpy as np
import pytest

from model.face.aligner import FaceAligner
from model.records import AlignedFace, Event
from realtime.benchmark.gpu import live
from realtime.perception.pipeline import PipelineConfig, open_pipeline
from realtime.sources import SourceOptions, open_source

OPTIONS = SourceOptions(fps=30, seconds=4.2, width=320, height=240)  # one expression


@pytest.fixture(scope="module")
def recorded() -> list[AlignedFace]:
    aligner = FaceAligner()
    found = [aligner.align(frame) for frame in open_source("demo", OPTIONS)]
    return [face for face in found if face is not None]


@pytest.fixture(scope="module")
def whole(recorded: list[AlignedFace]) -> live.PathRun:
    return live.run(recorded, "cpu", "eager")


def test_known_faces_give_the_events_of_the_footage(whole: live.PathRun) -> None:
    pipeline = open_pipeline(PipelineConfig(engine="eager"))
    events: list[Event] = []
    for frame in open_source("demo", OPTIONS):
        events += pipeline.step(frame).events
    events += pipeline.finish(frame.stamp)
    pipeline.close()
    assert [event.state for event in events] == ["early", "confirmed"]
    assert whole.events == events
    assert len(whole.frame_ms) == len(whole.displacement) == 126
    assert 1 <= len(whole.naming_ms) <= 2
    assert whole.engine
    assert not whole.trouble


def test_what_differs_is_said(whole: live.PathRun) -> None:
    assert live.differences(whole, whole) == []
    early, confirmed = whole.events
    assert confirmed.prediction is not None
    later = replace(confirmed.window.apex, index=confirmed.window.apex.index + 2)
    moved = replace(confirmed, window=replace(confirmed.window, apex=later))
    shares = {label: p + 0.03 for label, p in confirmed.prediction.probabilities.items()}
    surer = replace(moved, prediction=replace(confirmed.prediction, probabilities=shares))
    for found, words in (
        (replace(whole, events=[early]), f"events {early.number} early"),
        (replace(whole, events=[early, moved]), f"apex of {early.number}"),
        (replace(whole, events=[early, surer]), f"probabilities of {early.number}"),
        (replace(whole, displacement=whole.displacement + np.float32(0.1)), "motion differs"),
        (replace(whole, displacement=whole.displacement * np.float32(np.nan)), "motion differs"),
        (replace(whole, trouble="lk failed on cuda:0"), "lk failed"),
    ):
        assert words in "; ".join(live.differences(whole, found))
