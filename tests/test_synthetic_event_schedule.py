"""What happens when: layouts of expressions, blinks and speech."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import InputError
from model.synthetic.event_schedule import MIN_GAP_S, PLAN_S, BlockPlan, Schedule, plan_block

seeds = st.integers(0, 999)
blocks = st.integers(0, 50)


def plan(schedule: Schedule, seed: int, number: int) -> BlockPlan:
    return plan_block(schedule, seed, number, lid_travel_px=9.0)


@given(seeds, blocks)
@settings(max_examples=40)
def test_expressions_and_speech_keep_their_distance(seed: int, number: int) -> None:
    block = plan(Schedule(), seed, number)
    spans = sorted(
        [(p.truth.onset_s, p.truth.offset_s) for p in block.expressions]
        + [(bout.onset_s, bout.offset_s) for bout in block.speech]
    )
    for (_, end), (start, _) in pairwise(spans):
        assert start - end >= MIN_GAP_S - 1e-9
    assert all(number * PLAN_S <= a < b <= (number + 1) * PLAN_S for a, b in spans)


@given(seeds, blocks)
@settings(max_examples=40)
def test_truth_is_what_the_schedule_allows(seed: int, number: int) -> None:
    schedule = Schedule()
    for planned in plan(schedule, seed, number).expressions:
        row = planned.truth
        low, high = schedule.micro_s if row.kind == "micro" else schedule.macro_s
        assert low - 1e-9 <= row.offset_s - row.onset_s <= high + 1e-9
        assert row.onset_s < row.apex_s < row.offset_s
        assert planned.strength(row.apex_s) == 1
        low, high = schedule.amplitude_px if row.kind == "micro" else schedule.macro_px
        assert low <= row.amplitude_px <= high
        assert row.label in ("negative", "positive", "surprise")


@given(seeds, blocks)
@settings(max_examples=40)
def test_blinks_do_not_overlap(seed: int, number: int) -> None:
    blinks = [p.truth for p in plan(Schedule(), seed, number).blinks]
    for blink, after in pairwise(blinks):
        assert blink.offset_s < after.onset_s
    assert all(0.2 < b.offset_s - b.onset_s < 0.5 and b.label == "" for b in blinks)


@given(seeds)
@settings(max_examples=40)
def test_blinks_stay_clear_unless_they_may_ride_along(seed: int) -> None:
    block = plan(Schedule(blink_over_micro=0.0), seed, 1)
    for blink in block.blinks:
        for expression in block.expressions:
            a, b = blink.truth, expression.truth
            assert a.offset_s <= b.onset_s or b.offset_s <= a.onset_s


def test_a_minute_is_as_lively_as_promised() -> None:
    minutes = 40
    made = [plan(Schedule(), seed, k) for seed in range(minutes) for k in (0, 1)]
    kinds = [p.truth.kind for block in made for p in (*block.expressions, *block.blinks)]
    assert 11 < kinds.count("micro") / minutes < 13
    assert 1.5 < kinds.count("macro") / minutes < 2.5
    assert 12 < kinds.count("blink") / minutes < 18


@given(seeds)
@settings(max_examples=20)
def test_footage_starts_with_a_micro_expression(seed: int) -> None:
    first = plan(Schedule(), seed, 0).expressions[0].truth
    assert first.kind == "micro"
    assert 2.0 <= first.onset_s <= 3.5


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan(Schedule(), 3, 2).expressions == plan(Schedule(), 3, 2).expressions
    assert plan(Schedule(), 3, 2).expressions != plan(Schedule(), 4, 2).expressions


def test_nothing_asked_nothing_planned() -> None:
    quiet = Schedule(micro_per_min=0, macro_per_min=0, blinks_per_min=0, speech_per_min=0)
    assert plan(quiet, 1, 0) == BlockPlan()


def test_speech_may_be_allowed_over_expressions() -> None:
    talking = Schedule(speech_per_min=12, speech_over_micro=True)
    overlaps = 0
    for seed in range(5):
        block = plan(talking, seed, 0)
        for bout in block.speech:
            for expression in block.expressions:
                row = expression.truth
                overlaps += bout.onset_s < row.offset_s and row.onset_s < bout.offset_s
    assert overlaps > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"micro_per_min": -1}, "0 or more"),
        ({"micro_per_min": float("nan")}, "0 or more"),
        ({"micro_per_min": 60}, "lower a rate"),
        ({"amplitude_px": (2.0, 1.0)}, "low end first"),
        ({"amplitude_px": (0.0, 1.0)}, "above 0"),
        ({"movement": "chewing"}, "movements_per_min 0 go together"),
        ({"movements_per_min": 6.0}, "movement '' and movements_per_min 6 go together"),
    ],
)
def test_impossible_schedules_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Schedule(**change)  # type: ignore[arg-type]
