"""The picture in a message to the page: the camera's own, or encoded."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from test_spotting_spotter import sample

from model.records import Event, Frame, Prediction, Stamp, Step, Window
from realtime.results.sentences import LANGUAGES
from realtime.spotting.motion import REGIONS
from realtime.ui.messages import MAX_VIEW_PX, FrameEncoder, make_event_message


def step(width: int = 64, packed: bytes | None = b"\xff\xd8 as the camera sent it") -> Step:
    image = np.full((48, width, 3), (200, 90, 30), np.uint8)
    return Step(Frame(Stamp(0, 0.0), image, 0.0, packed), None, None, None, (), {})


def test_a_cameras_jpeg_is_sent_as_it_came() -> None:
    assert FrameEncoder().parts(step())["jpeg"] == b"\xff\xd8 as the camera sent it"


@pytest.mark.parametrize(
    ("shown", "rotate"), [(step(packed=None), 0), (step(), 90), (step(MAX_VIEW_PX * 2), 0)]
)
def test_any_other_picture_is_encoded(shown: Step, rotate: int) -> None:
    jpeg = FrameEncoder().parts(shown, rotate)["jpeg"]
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] == min(shown.frame.image.shape[1], MAX_VIEW_PX)
    np.testing.assert_allclose(image.mean(axis=(0, 1)), (30, 90, 200), atol=3)


def test_a_frame_is_encoded_once_for_all_viewers() -> None:
    encoder, shown = FrameEncoder(), step(packed=None)
    with ThreadPoolExecutor(2) as viewers:
        first, second = viewers.map(encoder.parts, [shown, shown])
    assert second["jpeg"] is first["jpeg"]  # not merely equal: encoding it again makes another
    another = replace(shown, frame=replace(shown.frame, stamp=Stamp(1, 1 / 30)))
    assert encoder.parts(another)["jpeg"] is not first["jpeg"]


def moved(index: int) -> Step:
    """A step of a face at rest."""
    motion = sample(index, index / 30, np.zeros((len(REGIONS), 2), np.float32))
    return Step(Frame(motion.stamp, step().frame.image, 0.0), None, motion, None, (), {})


def test_units_are_measured_once_for_all_viewers() -> None:
    encoder, alone = FrameEncoder(), FrameEncoder()
    steps = [moved(index) for index in range(90)]
    expected = [alone.measure_units(each, 1) for each in steps]
    found = []
    for index, each in enumerate(steps):
        found.append(encoder.measure_units(each, 1))
        # Another viewer at the same step, and one that is late.
        assert encoder.measure_units(each, 1) is found[-1]
        assert encoder.measure_units(steps[max(0, index - 3)], 1) is found[-1]
    times_s = [None if units is None else units.time_s for units in found]
    assert times_s == [None if units is None else units.time_s for units in expected]
    assert times_s[0] is None
    assert len({*times_s}) > 10
    assert encoder.measure_units(steps[-1], 2) is None  # another run


def test_an_event_comes_in_words_without_its_name_while_that_is_hidden() -> None:
    window = Window(Stamp(1, 0.0), Stamp(2, 0.1), Stamp(3, 0.2), 2.0, "micro", ("chin",))
    prediction = Prediction("surprise", {"surprise": 0.8}, {"AU26": 0.9}, "fmanet")
    event = Event(1, "confirmed", window, prediction, "", Stamp(3, 0.2))
    shown = make_event_message(event)["sentences"]
    assert tuple(shown) == LANGUAGES
    assert shown["en"] == "The chin moved for 0.2 s (peak after 0.1 s): surprise, 80 % (AU26)"
    hidden = make_event_message(event, hide_label=True)["sentences"]
    assert hidden["en"] == "The chin moved for 0.2 s (peak after 0.1 s)"
    gone = Event(1, "withdrawn", window, None, "a blink", Stamp(3, 0.2))
    assert make_event_message(gone)["sentences"] == {}
