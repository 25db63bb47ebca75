import math

import cv2
import numpy as np
import pytest

from model.errors import InputError
from model.face.aligned_crop import CROP_PX
from model.records import AlignedFace, MotionSample, Stamp
from realtime.spotting.baseline_file import Baseline
from realtime.spotting.eyes import eye_openness
from realtime.spotting.motion import FLAGS, REGIONS, Motion, _region_weights, region_centres

CENTRES = {
    "brow_outer_right": (24, 38),
    "brow_middle_right": (34, 33),
    "brow_inner_right": (48, 35),
    "brow_inner_left": (80, 35),
    "brow_middle_left": (94, 33),
    "brow_outer_left": (104, 38),
    "lid_lower_right": (40, 54),
    "lid_lower_left": (88, 54),
    "nose_wing_right": (54, 80),
    "nose_wing_left": (74, 80),
    "cheek_right": (36, 82),
    "cheek_left": (92, 82),
    "mouth_corner_right": (46, 96),
    "mouth_corner_left": (82, 96),
    "lip_upper": (64, 92),
    "lip_lower": (64, 102),
    "chin": (64, 114),
}
LANDMARKS_OF = {
    "brow_outer_right": (70, 63),
    "brow_middle_right": (105,),
    "brow_inner_right": (107, 66),
    "brow_inner_left": (336, 296),
    "brow_middle_left": (334,),
    "brow_outer_left": (300, 293),
    "lid_lower_right": (145, 23),
    "lid_lower_left": (374, 253),
    "nose_wing_right": (98,),
    "nose_wing_left": (327,),
    "cheek_right": (205,),
    "cheek_left": (425,),
    "mouth_corner_right": (61,),
    "mouth_corner_left": (291,),
    "lip_upper": (0, 37, 267),
    "lip_lower": (17, 84, 314),
    "chin": (199,),
}
EYES = ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380))


def landmarks(openness: float = 0.3) -> np.ndarray:
    """Points of a face that fills the crop as the aligner would place it."""
    points = np.full((468, 2), 64, np.float32)
    for name, indices in LANDMARKS_OF.items():
        points[list(indices)] = CENTRES[name]
    for eye, x in zip(EYES, (40, 88), strict=True):
        half = 8 * openness
        points[list(eye)] = [
            (x - 8, 48),
            (x - 3, 48 - half),
            (x + 3, 48 - half),
            (x + 8, 48),
            (x + 3, 48 + half),
            (x - 3, 48 + half),
        ]
    return points


@pytest.fixture(scope="module")
def skin() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, (CROP_PX, CROP_PX)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return 120 + 30 * smooth / smooth.std()


def warped(picture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """`picture` whose content has moved by (u, v), exact for slowly varying fields."""
    y, x = np.mgrid[:CROP_PX, :CROP_PX].astype(np.float32)
    return cv2.remap(
        picture,
        x - u.astype(np.float32),
        y - v.astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def bump(name: str, sigma: float = 9.0) -> np.ndarray:
    y, x = np.mgrid[:CROP_PX, :CROP_PX]
    cx, cy = CENTRES[name]
    return np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))


def face(
    index: int, picture: np.ndarray, *, fps=30.0, openness=0.3, track=0, transform=None
) -> AlignedFace:
    return AlignedFace(
        stamp=Stamp(index, index / fps),
        crop=np.clip(np.rint(picture), 0, 255).astype(np.uint8),
        landmarks_px=landmarks(openness),
        crop_from_image=np.eye(3)[:2] if transform is None else transform,
        track=track,
    )


def displacement(sample: MotionSample, name: str) -> np.ndarray:
    return sample.displacement[REGIONS.index(name)]


def test_the_first_sample_is_at_rest(skin):
    sample = Motion().push(face(0, skin))
    assert sample.flags == {"start"}
    assert sample.displacement.shape == (len(REGIONS), 2)
    assert sample.field.shape == (2, CROP_PX, CROP_PX)
    assert not sample.displacement.any()
    assert not sample.head.any()


@pytest.mark.parametrize("name", REGIONS)
def test_a_moving_region_is_the_one_that_is_seen_to_move(skin, name):
    motion = Motion()
    motion.push(face(0, skin))
    up = bump(name)
    sample = motion.push(face(1, warped(skin, 0 * up, -1.0 * up)))
    u, v = displacement(sample, name)
    assert -1.1 < v < -0.35
    assert abs(u) < 0.25
    size = np.linalg.norm(sample.displacement, axis=1)
    distance = [math.dist(CENTRES[name], CENTRES[other]) for other in REGIONS]
    assert size[np.array(distance) > 30].max() < abs(v) / 2


def test_the_head_is_removed_from_the_regions_and_reported(skin):
    motion = Motion()
    motion.push(face(0, skin))
    everywhere = np.ones((CROP_PX, CROP_PX))
    sample = motion.push(face(1, warped(skin, 0.5 * everywhere, -0.3 * everywhere)))
    np.testing.assert_allclose(sample.head[:2], [0.5, -0.3], atol=0.1)
    assert np.abs(sample.displacement).max() < 0.15


def test_head_motion_that_the_aligner_followed_is_reported_too(skin):
    """The face went 3 image px to the right and the crop with it: nothing moves in the crop."""
    motion = Motion()
    motion.push(face(0, skin))
    followed = np.array([[1.0, 0.0, -3.0], [0.0, 1.0, 0.0]])
    sample = motion.push(face(1, skin, transform=followed))
    np.testing.assert_allclose(sample.head, [3, 0, 0, 0], atol=0.02)


def test_a_fast_head_is_flagged(skin):
    motion = Motion()
    for i in range(6):
        followed = np.array([[1.0, 0.0, -3.0 * i], [0.0, 1.0, 0.0]])
        sample = motion.push(face(i, skin, transform=followed))
    assert "head" in sample.flags


def test_turn_and_scale_of_the_crop_count_as_head_motion(skin):
    motion = Motion()
    motion.push(face(0, skin))
    turn, scale = 0.02, 1.01
    c, s = math.cos(turn) * scale, math.sin(turn) * scale
    linear = np.array([[c, -s], [s, c]])
    centre = np.full(2, (CROP_PX - 1) / 2)
    face_moved = np.column_stack([linear, centre - linear @ centre])
    transform = cv2.invertAffineTransform(face_moved)
    sample = motion.push(face(1, skin, transform=transform))
    np.testing.assert_allclose(sample.head, [0, 0, turn, math.log(scale)], atol=0.02)


def test_light_is_no_motion(skin):
    motion = Motion()
    motion.push(face(0, skin))
    for i in range(1, 6):
        sample = motion.push(face(i, skin * (1 + 0.01 * i)))
    assert np.abs(sample.displacement).max() < 0.1
    assert "light" not in sample.flags
    assert "light" in motion.push(face(6, skin * 1.3)).flags


def test_a_flat_picture_is_flagged(skin):
    motion = Motion()
    motion.push(face(0, skin))
    flat = 120 + (skin - 120) / 20
    sample = motion.push(face(1, flat))
    assert "texture" in sample.flags
    assert np.isfinite(sample.displacement).all()


def test_a_closing_eye_is_flagged_as_a_blink(skin):
    motion = Motion()
    for i in range(30):
        assert "blink" not in motion.push(face(i, skin)).flags
    assert "blink" in motion.push(face(30, skin, openness=0.12)).flags
    assert "blink" not in motion.push(face(31, skin)).flags


def test_eye_openness_is_height_over_width_and_ignores_size():
    np.testing.assert_allclose(eye_openness(landmarks(0.3)), 0.3, rtol=1e-5)
    np.testing.assert_allclose(eye_openness(5 * landmarks(0.3)), 0.3, rtol=1e-5)
    assert np.isfinite(eye_openness(np.zeros((468, 2), np.float32))).all()


def test_regions_are_placed_by_the_persons_own_landmarks():
    shift = np.array([[1.0, 0.0, 7.0], [0.0, 1.0, -3.0]])
    centres = region_centres(landmarks(), shift)
    wanted = np.array([CENTRES[name] for name in REGIONS]) + np.array([7, -3])
    np.testing.assert_allclose(centres, wanted, atol=1e-4)


def test_the_reference_is_renewed_at_rest_and_the_series_goes_on(skin):
    held = warped(skin, 0 * skin, -1.0 * bump("brow_inner_right"))
    motion = Motion()
    motion.push(face(0, skin, fps=10))
    before = motion.push(face(1, held, fps=10))
    renewed = [motion.push(face(i, held, fps=10)) for i in range(2, 120)]
    assert any("reference" in s.flags for s in renewed)
    # The head's fit is still settling at `before`: the next picture alone differs by 0.03 px.
    np.testing.assert_allclose(renewed[-1].displacement, before.displacement, atol=0.04)


def test_a_pulse_does_not_renew_the_reference(skin):
    motion = Motion()
    for i in range(300):
        time_s = i / 30
        size = math.sin(math.pi * (time_s - 8.9) / 0.4) ** 2 if 8.9 < time_s < 9.3 else 0.0
        sample = motion.push(face(i, warped(skin, 0 * skin, -size * bump("brow_inner_right"))))
        assert not (size > 0.1 and "reference" in sample.flags)


def test_a_face_at_rest_elsewhere_becomes_the_reference(skin):
    smile = warped(skin, 1.5 * bump("mouth_corner_left"), -1.5 * bump("mouth_corner_left"))
    motion = Motion()
    motion.push(face(0, skin))
    samples = [motion.push(face(i, smile)) for i in range(1, 60)]
    times = [s.stamp.time_s for s in samples if "reference" in s.flags]
    assert len(times) == 1
    assert times[0] > 1


def test_a_turned_head_renews_the_reference_even_in_motion(skin):
    motion = Motion()
    motion.push(face(0, skin))
    flags = set()
    for i in range(1, 30):
        waves = np.clip(6.0 * np.sin(np.arange(CROP_PX) / 16)[:, None], -2.5, 2.5)
        waves = (1.0 + 0.1 * (-1) ** i) * waves
        waves = waves * np.ones((1, CROP_PX))
        flags |= motion.push(face(i, warped(skin, waves, waves))).flags
    assert "reference" in flags


def test_a_new_track_starts_a_new_reference(skin):
    motion = Motion()
    motion.push(face(0, skin))
    motion.lose_face(Stamp(1, 1 / 30))
    again = motion.push(face(2, skin[::-1], track=1))
    assert again.flags == {"start"}
    assert again.track == 1


def test_the_same_track_goes_on_after_a_short_loss(skin):
    motion = Motion()
    motion.push(face(0, skin))
    motion.lose_face(Stamp(1, 1 / 30))
    again = motion.push(face(2, skin))
    assert "start" not in again.flags
    assert np.abs(again.displacement).max() < 0.02


def test_the_same_faces_give_the_same_samples(skin):
    pictures = [warped(skin, 0 * skin, 0.1 * i * bump("chin")) for i in range(8)]
    runs = []
    for _ in range(2):
        motion = Motion()
        runs.append([motion.push(face(i, p)) for i, p in enumerate(pictures)])
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one.displacement, other.displacement)
        np.testing.assert_array_equal(one.field, other.field)
        assert one.flags == other.flags <= FLAGS.keys()


def test_a_baseline_has_a_floor_for_each_region():
    assert set(Baseline.default().floor_px) == set(REGIONS)
    with pytest.raises(InputError, match="chin"):
        Baseline({name: 0.2 for name in REGIONS if name != "chin"})
    with pytest.raises(InputError, match="chin"):
        Baseline(dict.fromkeys(REGIONS, 0.2) | {"chin": 0.0})


def test_no_weight_is_so_small_that_the_processor_takes_a_detour() -> None:
    centres = np.array([[64.3, 40.1], [-5.0, 127.0]])
    for weights in _region_weights(centres, 128):
        assert ((weights == 0) | (weights >= np.finfo(np.float32).tiny)).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
