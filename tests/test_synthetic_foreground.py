"""Things in front of the face."""

import numpy as np
import pytest

from model.records import ImageU8
from model.synthetic import FaceNuisance, Schedule, SyntheticFace
from model.synthetic.foreground import Layer, sample_hand_path

NOTHING = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=0, blinks_per_min=0)


def drawn(index: int, **nuisance: float) -> ImageU8:
    still = FaceNuisance(noise=0, **nuisance)
    return SyntheticFace(seed=3, fps=30, schedule=NOTHING, nuisance=still).image(index)


def test_a_layer_moves_by_parts_of_a_pixel() -> None:
    square = np.zeros((60, 60), np.float32)
    square[20:40, 20:40] = 1
    layer = Layer(np.full((60, 60, 3), 200, np.float32), square, (10.0, 10.0))
    centres = []
    for shift in (0.0, 0.25, 0.5):
        image = np.zeros((50, 50, 3), np.uint8)
        layer.put(image, np.array([[1, 0, shift], [0, 1, 0], [0, 0, 1]]))
        columns = image[..., 0].astype(float).sum(axis=0)
        centres.append((columns * np.arange(50)).sum() / columns.sum())
        assert image.max() == 200
    assert np.diff(centres) == pytest.approx([0.25, 0.25], abs=0.05)


def test_a_layer_beyond_the_picture_is_not_drawn() -> None:
    layer = Layer(np.full((9, 9, 3), 200, np.float32), np.ones((9, 9), np.float32), (0.0, 0.0))
    image = np.zeros((20, 20, 3), np.uint8)
    layer.put(image, np.array([[1, 0, 500.0], [0, 1, 0], [0, 0, 1]]))
    assert not image.any()


def test_a_hand_comes_over_the_face_and_leaves() -> None:
    for seed in range(20):
        path = sample_hand_path(np.random.default_rng(seed), 5.0, 1.0)
        assert path.place(4.99) is None
        assert path.place(float(path.times_s[-1]) + 0.01) is None
        places = [path.place(float(t)) for t in np.linspace(5.01, path.times_s[-1] - 0.01, 50)]
        across = [place[0] for place in places if place is not None]
        assert abs(across[0]) > 110
        assert abs(across[-1]) > 110
        assert min(map(abs, across)) < 45


def test_glasses_and_hair_cover_what_is_behind_them_alone() -> None:
    plain = drawn(30)
    for nuisance in ({"glasses": 0.5}, {"hair_mm": 3.0}):
        changed = np.abs(drawn(30, **nuisance).astype(int) - plain).max(axis=-1) > 8
        assert 0.002 < changed.mean() < 0.05
        assert not changed[300:].any()  # below the nose


def test_hair_swings_on_a_still_head() -> None:
    one, other = (drawn(k, hair_mm=3.0, sway=0) for k in (0, 20))
    assert np.abs(one.astype(int) - other).max() > 30


def test_darkness_and_exposure_keep_the_face_in_place() -> None:
    dark = drawn(30, darkness=0.5, exposure_s=0.05)
    np.testing.assert_allclose(dark[::16, ::16], drawn(31)[::16, ::16] / 2.0, atol=6)
