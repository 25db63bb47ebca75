"""Overlay geometry: finite, in the frame's px, and about the right expression."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.face.aligned_crop import CROP_PX
from model.labels import UNCLEAR
from model.records import (
    AlignedFace,
    Event,
    Frame,
    MotionSample,
    Prediction,
    SpotSignal,
    Stamp,
    Step,
    Window,
)
from realtime.results.overlay import (
    FACE_OUTLINE,
    HEAT_GRID,
    HEAT_STEP,
    HOLD_S,
    MOTION_STEP_PX,
    describe_frame,
    draw_heat,
    find_current_event,
    reduce_motion,
    strength_over_threshold,
)
from realtime.spotting.motion import REGIONS

R = len(REGIONS)
STAMP = Stamp(7, 0.25)
SCALE = 0.8
CROP_FROM_IMAGE = np.array([[SCALE, 0.0, -100.0], [0.0, SCALE, -60.0]])


def make_step(*, field_px: float = 0.0, with_face: bool = True) -> Step:
    image = np.zeros((480, 640, 3), np.uint8)
    frame = Frame(STAMP, image, 0.0)
    if not with_face:
        return Step(frame, None, None, None, (), {})
    angles = np.linspace(0, 2 * np.pi, 468, endpoint=False)
    landmarks = np.column_stack([300 + 60 * np.cos(angles), 200 + 80 * np.sin(angles)])
    face = AlignedFace(
        STAMP,
        np.zeros((CROP_PX, CROP_PX), np.uint8),
        landmarks.astype(np.float32),
        CROP_FROM_IMAGE,
        0,
    )
    field = np.zeros((2, CROP_PX, CROP_PX), np.float32)
    field[0] = field_px
    motion = MotionSample(
        STAMP, np.tile(np.float32([field_px, 0]), (R, 1)), field, np.zeros(4, np.float32),
        np.full(2, 0.3, np.float32), 1.5, 0, frozenset({"head", "blink"}),
    )  # fmt: skip
    signal = SpotSignal(
        np.full(R, 0.5, np.float32), np.full(R, 0.25, np.float32), (), frozenset({"chin"})
    )
    return Step(frame, face, motion, signal, (), {})


def make_event(number: int = 1, state: str = "confirmed", onset_s: float = 0.1) -> Event:
    window = Window(
        Stamp(3, onset_s), Stamp(6, onset_s + 0.1), Stamp(9, onset_s + 0.2), 2.5,
        regions=(REGIONS[0], REGIONS[1]),
    )  # fmt: skip
    prediction = Prediction("surprise", {"surprise": 0.75, "negative": 0.25}, {}, "test")
    return Event(number, state, window, prediction, "pulse", STAMP)  # type: ignore[arg-type]


def test_describe_gives_geometry_in_px_of_the_frame() -> None:
    geometry = describe_frame(make_step(), None)
    assert (geometry["index"], geometry["time_s"]) == (7, 0.25)
    assert (geometry["width"], geometry["height"]) == (640, 480)
    outline = np.array(geometry["face"]["outline"])
    assert outline.shape == (len(FACE_OUTLINE), 2)
    np.testing.assert_allclose(
        np.hypot((outline[:, 0] - 300) / 60, (outline[:, 1] - 200) / 80), 1, atol=0.01
    )
    for region in geometry["regions"]:
        assert 230 < region["at"][0] < 370
        assert region["radius"] == pytest.approx(6 / SCALE, abs=0.1)
    assert geometry["flags"] == ["blink", "head"]
    assert geometry["event"] is None


def test_the_affine_map_brings_the_crop_onto_the_frame() -> None:
    a, b, c, d, e, f = describe_frame(make_step(), None)["face"]["image_from_crop"]
    image_px = np.array([320.0, 240.0])
    u, v = CROP_FROM_IMAGE[:, :2] @ image_px + CROP_FROM_IMAGE[:, 2]
    np.testing.assert_allclose([a * u + c * v + e, b * u + d * v + f], image_px)


def test_a_frame_without_a_face_has_nothing_to_draw() -> None:
    step = make_step(with_face=False)
    geometry = describe_frame(step, None)
    assert geometry["face"] is None
    assert geometry["regions"] == []
    assert draw_heat(step) is None


def test_a_silenced_region_has_no_threshold() -> None:
    step = make_step()
    assert step.signal is not None
    threshold = step.signal.threshold.copy()
    threshold[2] = np.inf
    signal = replace(step.signal, threshold=threshold)
    regions = describe_frame(replace(step, signal=signal), make_event())["regions"]
    assert regions[2]["threshold"] is None
    assert regions[3]["threshold"] == 0.25
    assert strength_over_threshold(signal)[2] == 0
    assert strength_over_threshold(signal)[3] == 2


def test_the_event_is_named_with_its_strength_now() -> None:
    event = describe_frame(make_step(), make_event())["event"]
    assert event["label"] == "surprise"
    assert event["probability"] == 0.75
    assert event["strength"] == 2.0
    assert event["score"] == 2.5


def test_an_unclear_expression_has_no_probability() -> None:
    event = make_event()
    assert event.prediction is not None
    unclear = replace(event, prediction=replace(event.prediction, label=UNCLEAR))
    said = describe_frame(make_step(), unclear)["event"]
    assert (said["label"], said["probability"]) == (UNCLEAR, None)


@given(st.floats(0.1, 10))
def test_heat_is_what_the_plot_says_and_at_most_the_motion_itself(px: float) -> None:
    grid = draw_heat(make_step(field_px=px))
    assert grid is not None
    assert grid.shape == (HEAT_GRID, HEAT_GRID)
    np.testing.assert_allclose(grid * HEAT_STEP, min(px, 0.5) / 0.25, atol=HEAT_STEP)


def test_a_face_that_has_settled_elsewhere_or_is_silenced_shows_no_heat() -> None:
    step = make_step(field_px=3.0)
    assert step.signal is not None
    at_rest = replace(step.signal, strength=np.zeros(R, np.float32))
    silenced = replace(step.signal, threshold=np.full(R, np.inf, np.float32))
    for signal in (at_rest, silenced):
        grid = draw_heat(replace(step, signal=signal))
        assert grid is not None
        assert not grid.any()


def test_heat_is_in_thresholds_of_the_regions_around() -> None:
    step = make_step(field_px=0.5)
    assert step.signal is not None
    threshold = step.signal.threshold.copy()
    chin = REGIONS.index("chin")
    threshold[chin] *= 4
    grid = draw_heat(replace(step, signal=replace(step.signal, threshold=threshold)))
    assert grid is not None
    assert grid.min() < 0.8 * grid.max()


def test_regions_that_move_far_are_told() -> None:
    regions = describe_frame(make_step(), None)["regions"]
    assert [name for name, r in zip(REGIONS, regions, strict=True) if r["large"]] == ["chin"]


@given(st.floats(width=32), st.floats(width=32))
def test_what_is_described_is_always_json(strength: float, threshold: float) -> None:
    step = make_step()
    signal = SpotSignal(
        np.full(R, strength, np.float32), np.full(R, abs(threshold) or 1.0, np.float32), ()
    )
    json.dumps(describe_frame(replace(step, signal=signal), None), allow_nan=False)


def test_an_expression_is_named_from_its_onset_until_shortly_after_its_end() -> None:
    event = make_event(onset_s=1.0)
    assert find_current_event([event], 0.99) is None
    assert find_current_event([event], 1.0) is event
    assert find_current_event([event], 1.2 + HOLD_S) is event
    assert find_current_event([event], 1.21 + HOLD_S) is None


def test_the_latest_expression_is_named_and_a_withdrawn_one_is_not() -> None:
    first, second = make_event(1, onset_s=1.0), make_event(2, "early", onset_s=1.5)
    assert find_current_event([second, first], 1.6) is second
    assert find_current_event([first, replace(second, state="withdrawn")], 1.6) is first


@given(st.floats(-10, 10))
def test_the_motion_field_is_reduced_to_cells_with_its_direction(px: float) -> None:
    field = reduce_motion(make_step(field_px=px))
    assert field is not None
    assert (field.shape, field.dtype) == ((2, HEAT_GRID, HEAT_GRID), np.int8)
    np.testing.assert_allclose(
        field[0] * MOTION_STEP_PX, np.clip(px, -6.35, 6.35), atol=MOTION_STEP_PX / 2 + 1e-6
    )
    assert not field[1].any()
    assert reduce_motion(make_step(with_face=False)) is None
