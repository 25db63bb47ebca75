"""Movements that are no expressions."""

import numpy as np
import pytest

from model.errors import InputError
from model.synthetic import Schedule, SyntheticFace
from model.synthetic.animated_face import FaceNuisance
from model.synthetic.event_schedule import plan_block
from model.synthetic.movements import MOVEMENTS, sample_parts
from model.synthetic.scanned_face import scanned_face

NAMES = tuple(MOVEMENTS)


def alone(name: str) -> Schedule:
    return Schedule(
        micro_per_min=0, macro_per_min=0, speech_per_min=0, blinks_per_min=0,
        movement=name, movements_per_min=6,
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_parts_begin_and_end_at_rest_and_reach_their_peak(name: str) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        length_s = float(rng.uniform(*MOVEMENTS[name].length_s))
        for part in sample_parts(rng, MOVEMENTS[name], 10.0, length_s):
            assert set(part.actions) <= set(scanned_face().moves_mm)
            at = np.linspace(9.9, 10.1 + length_s, 400)
            course = np.array([part.strength(float(time_s)) for time_s in at])
            assert course[[0, -1]].tolist() == [0, 0]
            assert 0.65 < course.max() <= 1
            assert np.abs(np.diff(course)).max() < 0.25


@pytest.mark.parametrize("name", NAMES)
def test_a_movement_is_seen_while_it_lasts_and_named_in_the_truth(name: str) -> None:
    still = FaceNuisance(noise=0, sway=0)
    face = SyntheticFace(seed=3, fps=30, size=(320, 240), schedule=alone(name), nuisance=still)
    rows = [row for row in face.truth(60) if row.kind == "movement"]
    assert 4 <= len(rows) <= 7
    assert {row.label for row in rows} == {name}
    onset, offset = rows[0].onset_s, rows[0].offset_s
    rest = face.image(int(onset * 30) - 3).astype(int)
    during = [face.image(round(s * 30)) for s in np.linspace(onset, offset, 8)[1:-1]]
    assert max(np.abs(image - rest).max() for image in during) > 10
    np.testing.assert_array_equal(face.image(int(offset * 30) + 2), rest)


def test_only_one_cheek_has_a_tongue_in_it() -> None:
    sides = set()
    for seed in range(12):
        movement = MOVEMENTS["tongue in cheek"]
        (part,) = sample_parts(np.random.default_rng(seed), movement, 0.0, 1.0)
        sides |= {tuple(part.actions)}
    assert sides == {("cheekPuff_L",), ("cheekPuff_R",)}


def test_a_nod_moves_the_head_and_not_the_skin() -> None:
    still = FaceNuisance(noise=0, sway=0)
    face = SyntheticFace(seed=3, fps=30, schedule=alone("nodding"), nuisance=still)
    row = next(row for row in face.truth(60) if row.kind == "movement")
    frames = range(int(row.onset_s * 30), int(row.offset_s * 30) + 2)
    heights = [float(face.head_px(k)[4, 1]) for k in frames]
    assert max(heights) - heights[0] > 1.5
    assert heights[-1] == pytest.approx(heights[0], abs=0.2)


def test_smiling_speech_talks() -> None:
    plans = [plan_block(alone("smiling speech"), 1, k, lid_travel_px=9.0) for k in range(4)]
    for plan in plans:
        assert len(plan.speech) == len(plan.movements)
        for bout, movement in zip(plan.speech, plan.movements, strict=True):
            assert movement.truth.onset_s < bout.onset_s < bout.offset_s < movement.truth.offset_s


def test_a_blink_may_close_the_eyes_in_part() -> None:
    schedule = Schedule(
        micro_per_min=0, macro_per_min=0, speech_per_min=0, blinks_per_min=30, partial_blinks=0.5
    )
    blinks = [b for k in range(8) for b in plan_block(schedule, 1, k, lid_travel_px=10.0).blinks]
    travel = np.array([blink.truth.amplitude_px for blink in blinks])
    part = travel < 10
    assert 0.3 < part.mean() < 0.7
    assert travel[part].min() >= 2.5
    assert travel[part].max() <= 7.5
    for blink in blinks:
        assert 10 * blink.strength(blink.truth.apex_s) == pytest.approx(blink.truth.amplitude_px)


def test_an_unknown_movement_is_named_with_the_choices() -> None:
    with pytest.raises(InputError, match=r"'juggling'.*chewing"):
        Schedule(movement="juggling")
    with pytest.raises(InputError, match="do not fit"):
        Schedule(movement="chewing", movements_per_min=20)
