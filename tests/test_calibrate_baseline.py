"""From a face at rest to its thresholds, and what is refused."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.baseline.measure import BaselineMeasure
from calibrate.baseline.rest_thresholds import (
    PASSED,
    REST_BLOCK_S,
    RestingFace,
    floors_for,
    tail_level,
)
from calibrate.wording import baseline_text
from model.errors import InputError
from model.records import Frame, MotionSample, Stamp, Step
from model.synthetic import Schedule, SyntheticFace
from realtime.perception.spotting_steps import Perception
from realtime.sources import open_source
from realtime.sources.demo_face import DEMO_FPS
from realtime.spotting.baseline_file import Baseline
from realtime.spotting.motion import LOWER, REGIONS, UPPER
from realtime.spotting.spotter import Spotter, SpotterConfig

NOW = datetime(2026, 1, 2, tzinfo=UTC)
INFO = open_source("demo:rest").info
FPS = 30


def resting(
    seed: int, seconds: float, *, noise_px: float = 0.03, blinks: bool = True, start: int = 0
) -> list[MotionSample]:
    """Motion of a face at rest: slow noise in each region, and brows that go along in a blink."""
    rng = np.random.default_rng(seed)
    n = round(seconds * FPS)
    raw = rng.normal(0, 1, (n + 8, len(REGIONS), 2))
    smooth = np.stack([raw[k : k + 8].mean(axis=0) for k in range(n)]) * math.sqrt(8)
    values = noise_px * smooth
    closed = np.zeros(n, bool)
    if blinks:
        for at in np.cumsum(rng.uniform(2, 6, n)):
            k = round(at * FPS)
            if k + 9 >= n:
                break
            course = np.sin(np.pi * np.arange(9) / 8)[:, None]
            brows = [i for i, name in enumerate(REGIONS) if name.startswith("brow")]
            values[k : k + 9, brows, 1] += rng.uniform(0.3, 0.5) * course
            closed[k + 2 : k + 7] = True
    still = np.zeros((2, 1, 1), np.float32)
    return [
        MotionSample(
            stamp=Stamp(start + k, (start + k) / FPS),
            displacement=values[k].astype(np.float32),
            field=still,
            head=np.zeros(4, np.float32),
            eye_openness=np.full(2, 0.1 if closed[k] else 0.3, np.float32),
            resolution=1.5,
            track=0,
            flags=frozenset({"blink"} if closed[k] else ()) | ({"start"} if k == 0 else set()),
        )
        for k in range(n)
    ]


def maxima(samples: Sequence[MotionSample]) -> RestingFace:
    face = RestingFace()
    for sample in samples:
        face.push(sample)
    return face


def floor_of(face: RestingFace, rate: float) -> Baseline:
    floors = floors_for(face.maxima(), rate).floor_px
    return Baseline(dict(zip(REGIONS, map(float, floors), strict=True)))


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 2))
def test_a_tail_rises_as_less_is_allowed(seed: int, allowed: float) -> None:
    values = np.random.default_rng(seed).exponential(1, 38)
    level = tail_level(values, allowed)
    assert level >= np.median(values)
    assert tail_level(values, allowed / 2) > level
    assert tail_level(3 * values, allowed) == pytest.approx(3 * level)


def test_the_predictive_tail_keeps_the_number_that_is_allowed() -> None:
    rng = np.random.default_rng(1300)
    allowed, exceeded = 0.5, []
    for _ in range(3000):
        level = tail_level(rng.exponential(1, 38), allowed)
        exceeded.append(38 * math.exp(-level))  # expected among as many new values
    assert np.mean(exceeded) == pytest.approx(allowed, rel=0.15)


def test_blocks_are_half_seconds_of_rest_after_the_level_is_known() -> None:
    face = maxima(resting(1300, 11.1))
    assert face.seconds == pytest.approx(10)
    assert face.maxima().shape == (20, len(REGIONS))
    assert face.moved_blocks == 0
    gap = maxima([*resting(1300, 6.1), *resting(1301, 6.1, start=400)])
    assert gap.seconds == pytest.approx(10)


def test_a_block_in_which_the_face_moved_is_left_out_and_named() -> None:
    samples = resting(1300, 11.1, blinks=False)
    moved = samples[150].displacement.copy()
    moved[REGIONS.index("mouth_corner_left")] += 3
    for k in range(150, 158):
        samples[k] = replace(samples[k], displacement=moved)
    face = maxima(samples)
    assert face.moved_blocks in (1, 2)
    assert max(face.moved, key=lambda name: face.moved[name]) == "mouth_corner_left"
    assert face.maxima().max() < 1


def test_noise_scales_the_floors_and_blinks_raise_those_of_the_brows() -> None:
    quiet = floors_for(maxima(resting(1302, 20, blinks=False)).maxima(), 0.5)
    loud = floors_for(maxima(resting(1302, 20, blinks=False, noise_px=0.06)).maxima(), 0.5)
    assert loud.floor_px == pytest.approx(2 * quiet.floor_px, rel=0.05)
    blinking = floors_for(maxima(resting(1302, 20)).maxima(), 0.5)
    assert blinking.floor_px[list(UPPER)].mean() > 1.1 * quiet.floor_px[list(UPPER)].mean()
    assert blinking.floor_px[list(LOWER)] == pytest.approx(quiet.floor_px[list(LOWER)], rel=0.05)
    with pytest.raises(ValueError, match="no thresholds"):
        floors_for(np.zeros((3, len(REGIONS))), 0.5)


def test_the_chosen_rate_is_about_kept_on_other_seeds() -> None:
    """Exceedances, of which the spotter makes at most `PASSED` alarms, over three minutes."""
    rate, minutes, alarms, over = 1.0, 0.0, 0, 0
    for seed in range(1310, 1313):
        baseline = floor_of(maxima(resting(seed, 20)), rate)
        floor = np.array([baseline.floor_px[name] for name in REGIONS])
        later = resting(seed + 1000, 60)
        blocks = maxima(later).maxima()
        for group in (UPPER, LOWER):
            columns = list(group)
            over += int((blocks[:, columns] > floor[columns]).any(axis=1).sum())
        spotter = Spotter(SpotterConfig(baseline=baseline))
        for sample in later:
            alarms += sum(u.state == "closed" for u in spotter.push(sample).updates)
        minutes += len(blocks) * REST_BLOCK_S / 60
    assert 0.4 < over * PASSED / minutes / rate < 2
    assert alarms / minutes < 1.5 * rate


@cache
def steps(schedule: Schedule, seconds: float, seed: int = 1320) -> tuple[Step, ...]:
    face = SyntheticFace(seed=seed, fps=15, size=(200, 150), schedule=schedule)
    perception = Perception()
    found = [
        perception.step(Frame(Stamp(k, k / 15), face.image(k), 0.0))
        for k in range(round(15 * seconds))
    ]
    return tuple(found)


REST = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=0, blinks_per_min=20)
TALK = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=10)


def measure(taken: Sequence[Step], change: Callable[[int, Step], Step | None]) -> BaselineMeasure:
    measured = BaselineMeasure()
    for k, step in enumerate(taken):
        changed = change(k, step)
        if changed is not None:
            measured.push(changed)
    return measured


def baseline_of(measured: BaselineMeasure) -> Baseline:
    return measured.baseline(INFO, now=NOW, software={"numpy": "1"}, participant="P07")


def test_a_neutral_face_gives_a_baseline_with_where_it_comes_from() -> None:
    measured = measure(steps(REST, 13.0), lambda k, step: step)
    assert measured.hint == ""
    baseline = baseline_of(measured)
    found = baseline.measured
    assert found is not None
    assert (found.participant, found.date) == ("P07", "2026-01-02T00:00:00+00:00")
    assert (found.setting.kind, found.setting.camera) == ("demo", "demo")
    assert (found.setting.width, found.setting.height) == (200, 150)
    assert found.setting.fps == pytest.approx(15)
    assert found.setting.fps_nominal == DEMO_FPS
    assert found.setting.crop_px_per_image_px == pytest.approx(1.9, abs=0.1)
    assert 11 <= found.seconds <= 12
    assert 5 < found.blinks_per_min < 40
    assert all(0.02 < baseline.floor_px[name] < 1 for name in REGIONS)
    assert f"a minute\nHead{18 * ' '}" in baseline_text(baseline)


def without_face(step: Step) -> Step:
    return replace(step, face=None, motion=None, signal=None)


@pytest.mark.parametrize(
    ("taken", "change", "words"),
    [
        (REST, lambda k, s: s if k < 100 else None, "s of a face at rest is too short.*10 s"),
        (REST, lambda k, s: without_face(s) if k % 10 < 6 else s, "a face in only 39 %"),
        (REST, lambda k, s: without_face(s), "no face in any frame"),
        (TALK, lambda k, s: s, r"the face moved for .*\(.*\), as in a smile or speech"),
    ],
)
def test_what_is_no_baseline_is_told_in_one_line(
    taken: Schedule, change: Callable[[int, Step], Step | None], words: str
) -> None:
    with pytest.raises(InputError, match=words) as told:
        baseline_of(measure(steps(taken, 13.0), change))
    assert "\n" not in str(told.value)


def test_hints_say_what_goes_wrong_meanwhile() -> None:
    away = measure(steps(REST, 13.0)[:20], lambda k, s: without_face(s))
    assert away.hint == "no face: look into the camera"
    talking = measure(steps(TALK, 13.0), lambda k, s: s)
    assert "the face moves" in talking.hint


def test_without_blinks_the_brows_keep_the_usual_threshold() -> None:
    calm = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=0, blinks_per_min=0)
    baseline = baseline_of(measure(steps(calm, 13.0), lambda k, s: s))
    brows = [baseline.floor_px[name] for name in REGIONS if name.startswith("brow")]
    assert min(brows) >= 0.25


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, 61.0])
def test_a_rate_that_makes_no_sense_is_refused(rate: float) -> None:
    with pytest.raises(InputError, match="--false-alarms-per-min"):
        BaselineMeasure(false_alarms_per_min=rate)
