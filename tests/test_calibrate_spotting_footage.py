"""What comes together in a face, drawn and spotted as a camera would see it."""

from dataclasses import replace

import pytest

from calibrate.spotting.footage import DrawnFootage, interval_of
from model.records import Window
from model.synthetic import Schedule, TrueExpression
from model.synthetic.event_schedule import plan_block
from realtime.perception.spotting_steps import Perception
from realtime.spotting.motion import LOWER, REGIONS, UPPER
from realtime.spotting.spotting_scores import Expression, iou

QUIET = Schedule(macro_per_min=0, speech_per_min=0, blinks_per_min=15)
BLINKING = replace(
    QUIET,
    blinks_per_min=30,
    blink_over_micro=1,
    amplitude_px=(1.0, 1.5),
    first_micro_s=(2.0, 2.5),
)
TALKING = replace(
    QUIET,
    speech_per_min=16,
    speech_over_micro=True,
    blinks_per_min=5,
    amplitude_px=(1.0, 1.5),
    first_micro_s=(2.0, 3.0),
)
EARLY = replace(QUIET, amplitude_px=(0.7, 1.5), first_micro_s=(0.1, 1.8))


def first(schedule: Schedule, seed: int) -> TrueExpression:
    """The footage's first expression, a micro-expression."""
    return plan_block(schedule, seed, 0, lid_travel_px=10.0).expressions[0].truth


def found(schedule: Schedule, seed: int) -> list[Window]:
    """Micro-expressions that are reported until 0.8 s after the first one's end, when
    even what might have been a first word is known."""
    perception = Perception()
    windows = []
    for frame in DrawnFootage(seed, first(schedule, seed).offset_s + 0.8, 30.0, schedule).frames():
        signal = perception.step(frame).signal
        windows += (
            [] if signal is None else [u.window for u in signal.updates if u.state == "closed"]
        )
    return [window for window in windows if window.kind == "micro"]


def hit(window: Window, true: TrueExpression) -> bool:
    row = Expression(true.onset_s, true.apex_s, true.offset_s, "micro")
    return iou(interval_of(window), row) >= 0.5


@pytest.mark.parametrize("seed", [10, 19, 29, 48])
def test_an_expression_that_starts_while_a_blink_ends_is_found(seed: int) -> None:
    true = first(BLINKING, seed)
    blinks = plan_block(BLINKING, seed, 0, lid_travel_px=10.0).blinks
    assert any(-0.05 < blink.truth.offset_s - true.onset_s < 0.1 for blink in blinks)
    (window,) = found(BLINKING, seed)
    assert hit(window, true)


def test_a_brow_that_moves_while_the_mouth_talks_is_found() -> None:
    true = first(TALKING, 129)
    (bout, *_) = plan_block(TALKING, 129, 0, lid_travel_px=10.0).speech
    assert bout.onset_s < true.onset_s - 0.5
    assert bout.offset_s > true.offset_s
    (window,) = found(TALKING, 129)
    assert hit(window, true)
    assert window.regions[0].startswith("brow")


def test_upper_and_lower_face_at_once_are_one_expression() -> None:
    (window,) = found(EARLY, 647)
    assert hit(window, first(EARLY, 647))
    halves = [{REGIONS[i] for i in half} for half in (UPPER, LOWER)]
    assert all(half & set(window.regions) for half in halves)


def test_an_expression_in_the_first_half_second_is_found() -> None:
    true = first(EARLY, 614)
    assert true.onset_s < 0.2
    (window,) = found(EARLY, 614)
    assert hit(window, true)
