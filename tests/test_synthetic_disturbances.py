"""Glances and changing light: repeatable, bounded, and nothing where they are off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import InputError
from model.synthetic import FaceNuisance, SyntheticFace
from model.synthetic.disturbances import (
    GLANCE_MM,
    HUNTS_PER_MIN,
    ExposureHunting,
    Glances,
    Light,
)

seeds = st.integers(0, 999)
SMALL = (160, 120)


@given(seeds, st.floats(0, 300))
@settings(max_examples=40)
def test_a_glance_goes_no_further_than_stated(seed: int, time_s: float) -> None:
    right, down = Glances(seed, 20).gaze(time_s)
    assert abs(right) <= GLANCE_MM[1]
    assert abs(down) <= GLANCE_MM[1] / 3


def test_glances_come_as_often_as_asked_and_go_back() -> None:
    places = np.array([Glances(3, 10).gaze(t) for t in np.arange(0, 600, 0.1)])
    away = np.abs(places[:, 0]) > GLANCE_MM[0] / 2
    begun = int((away[1:] & ~away[:-1]).sum())
    assert 60 < begun < 110
    assert 0.05 < away.mean() < 0.3


def test_only_the_irises_glance() -> None:
    still = FaceNuisance(noise=0, sway=0)
    rest = SyntheticFace(seed=3, fps=20, nuisance=still)
    glancing = FaceNuisance(noise=0, sway=0, glances_per_min=30)
    face = SyntheticFace(seed=3, fps=20, nuisance=glancing)
    glances = Glances(3, 30)
    farthest = max(range(1200), key=lambda k: abs(glances.gaze(k / 20)[0]))
    changed = np.abs(face.image(farthest).astype(int) - rest.image(farthest)).max(axis=2)
    y, x = np.nonzero(changed > 5)
    assert len(y) > 100
    assert np.ptp(y) < 30 < 120 < np.ptp(x)  # both eyes, on one height


def test_light_changes_level_and_nothing_is_lost() -> None:
    light = Light(5, SMALL, change=0.3, flicker=0.0)
    grey = np.full((SMALL[1], SMALL[0], 3), 120, np.uint8)
    levels = [float(light.apply(grey, t).mean()) for t in np.arange(0, 120, 0.5)]
    assert 0.65 * 120 < min(levels) < 0.9 * 120
    assert 1.1 * 120 < max(levels) < 1.35 * 120


def test_flicker_runs_down_the_rows() -> None:
    light = Light(5, SMALL, change=0.0, flicker=0.1)
    grey = np.full((SMALL[1], SMALL[0], 3), 120, np.uint8)
    rows = light.apply(grey, 0.0).mean(axis=(1, 2))
    assert np.ptp(rows) == pytest.approx(24, abs=2)
    np.testing.assert_array_equal(light.apply(grey, 0.01), light.apply(grey, 0.0))  # 100 Hz


def test_exposure_swings_about_its_level_and_calms_down() -> None:
    gains = np.array([ExposureHunting(4, 0.1).gain(k / 30) for k in range(30 * 120)])
    assert 0.04 < np.abs(gains - 1).max() < 0.2
    assert abs(gains.mean() - 1) < 0.01
    assert np.abs(np.diff(gains)).max() < 0.035
    begun = np.diff((np.abs(gains - 1) > 0.02).astype(int)) > 0
    assert HUNTS_PER_MIN / 2 < begun.sum() / 2 < 8 * HUNTS_PER_MIN
    assert (np.abs(gains - 1) < 0.003).mean() > 0.3


def test_disturbances_repeat() -> None:
    disturbed = FaceNuisance(glances_per_min=20, light=0.2, flicker=0.02, speech=0.5)
    one, other = (SyntheticFace(seed=4, fps=30, size=SMALL, nuisance=disturbed) for _ in "ab")
    for index in (90, 3, 400):
        np.testing.assert_array_equal(one.image(index), other.image(index))


def test_smaller_speech_moves_the_mouth_less() -> None:
    faces = [
        SyntheticFace(seed=4, fps=10, nuisance=FaceNuisance(noise=0, sway=0, speech=size))
        for size in (0.0, 0.3, 1.0)
    ]
    changed = [
        sum(
            float(np.abs(face.image(k).astype(int) - faces[0].image(k)).sum())
            for k in range(0, 300, 10)
        )
        for face in faces
    ]
    assert 0 == changed[0] < changed[1] < changed[2]


@pytest.mark.parametrize("name", ["speech", "glances_per_min", "light", "flicker"])
def test_impossible_disturbances_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} -1"):
        FaceNuisance(**{name: -1})
