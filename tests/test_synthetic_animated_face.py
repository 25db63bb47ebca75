"""The animated portrait: repeatable, in any order, and true to its truth."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from landmarks import find_landmarks

from model.errors import InputError
from model.face.aligned_crop import crop_transform, warp_crop
from model.flow import load_flow
from model.synthetic import FaceNuisance, Schedule, SyntheticFace, TrueExpression

STILL = FaceNuisance(noise=0, sway=0)


def micro(face: SyntheticFace, *labels: str) -> list[TrueExpression]:
    return [r for r in face.truth(60) if r.kind == "micro" and (not labels or r.label in labels)]


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (160, 120), (641, 361)])
def test_frames_are_rgb_of_the_size_asked_for(size: tuple[int, int]) -> None:
    image = SyntheticFace(seed=1, fps=30, size=size).image(45)
    assert image.shape == (size[1], size[0], 3)
    assert image.dtype == np.uint8
    assert find_landmarks(image) is not None


def test_frames_depend_on_seed_and_index_only() -> None:
    one, other = SyntheticFace(seed=5, fps=30), SyntheticFace(seed=5, fps=30)
    order = [40, 3, 950, 0, 41]
    drawn = {k: one.image(k) for k in order}
    for k in sorted(order):
        np.testing.assert_array_equal(other.image(k), drawn[k])
    assert (SyntheticFace(seed=6, fps=30).image(40) != drawn[40]).mean() > 0.1


def test_threads_draw_the_same() -> None:
    face = SyntheticFace(seed=5, fps=30)
    alone = [face.image(k) for k in range(0, 240, 20)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(face.image, range(0, 240, 20)))
    np.testing.assert_array_equal(alone, together)


def test_truth_does_not_depend_on_rate_size_or_length() -> None:
    long = SyntheticFace(seed=9, fps=30).truth(90)
    assert SyntheticFace(seed=9, fps=200).truth(90) == long
    assert SyntheticFace(seed=9, fps=30).truth(40) == tuple(r for r in long if r.offset_s <= 40)
    assert list(long) == sorted(long, key=lambda row: row.onset_s)


def test_a_demo_shows_something_within_seconds() -> None:
    for seed in range(10):
        assert 2 <= micro(SyntheticFace(seed=seed, fps=30))[0].onset_s <= 4


def test_between_events_only_head_and_noise_move() -> None:
    face = SyntheticFace(seed=7, fps=100, nuisance=STILL)
    first = face.truth(60)[0].onset_s
    rest = face.image(0)
    np.testing.assert_array_equal(face.image(int(first * 100) - 1), rest)
    assert (face.image(int(first * 100) + 8) != rest).any()


def test_noise_is_as_strong_as_asked_for() -> None:
    noisy = SyntheticFace(seed=7, fps=30, nuisance=FaceNuisance(noise=3, sway=0)).image(0)
    clean = SyntheticFace(seed=7, fps=30, nuisance=STILL).image(0)
    quiet = (clean > 20) & (clean < 235)
    error = (noisy.astype(int) - clean)[quiet]
    assert error.std() == pytest.approx(3, rel=0.1)
    assert abs(error.mean()) < 0.1


@pytest.mark.parametrize("label", ["positive", "surprise"])
def test_the_flow_algorithm_finds_the_motion_that_truth_tells(label: str) -> None:
    """One-sided expressions aside, half the stated peak is found at the least: Lucas–Kanade loses
    some of it, and what it loses at such sizes is known."""
    schedule = Schedule(labels=(0, 1, 0) if label == "positive" else (0, 0, 1), speech_per_min=0)
    face = SyntheticFace(seed=3, fps=200, nuisance=STILL, schedule=schedule)
    flow = load_flow("lk")
    landmarks = find_landmarks(face.image(0))
    assert landmarks is not None
    crop = crop_transform(landmarks)
    blinks = [r for r in face.truth(60) if r.kind == "blink"]
    found = []
    for row in micro(face):
        if any(b.onset_s < row.offset_s and row.onset_s < b.offset_s for b in blinks):
            continue
        onset = warp_crop(face.image(int(row.onset_s * 200)), crop)
        apex = warp_crop(face.image(round(row.apex_s * 200)), crop)
        u, v = flow(onset[None], apex[None])[0]
        found.append(np.hypot(u, v).max() / row.amplitude_px)
        strongest = np.unravel_index(np.hypot(u, v).argmax(), u.shape)
        assert v[strongest] < 0  # brows and lip corners go up
        assert (strongest[0] < 60) == (label == "surprise")
    assert len(found) >= 5
    assert 0.5 < np.median(found) < 1.2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fps": 0}, "fps 0"),
        ({"fps": float("nan")}, "fps nan"),
        ({"seed": -1}, "seed -1"),
        ({"size": (100, 100)}, "160x120"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SyntheticFace(**{"seed": 1, "fps": 30, **change})  # type: ignore[arg-type]


def test_impossible_nuisances_are_refused() -> None:
    with pytest.raises(InputError, match="noise -1"):
        FaceNuisance(noise=-1)
