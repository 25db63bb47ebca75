"""Blinks that the mesh does not see, and eyes that are kept out of the flow."""

import numpy as np
import pytest

from model.face.aligned_crop import CROP_PX
from model.records import AlignedFace, ArrayF32, ImageU8, Stamp
from realtime.spotting.eyes import EyeCover, Eyes, eye_corners, eye_openness

_RIGHT, _LEFT = (33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)


def landmarks(openness: float = 0.3) -> ArrayF32:
    points = np.full((468, 2), 64.0, np.float32)
    for middle, numbers in ((40.0, _RIGHT), (88.0, _LEFT)):
        for number, (x, y) in zip(
            numbers, ((-12, 0), (-4, -1), (4, -1), (12, 0), (4, 1), (-4, 1)), strict=True
        ):
            points[number] = middle + x, 48 + y * 12 * openness
    return points


def face(k: int, crop: ImageU8) -> AlignedFace:
    return AlignedFace(
        stamp=Stamp(k, k / 30),
        crop=crop,
        landmarks_px=landmarks(),
        crop_from_image=np.array([[1.0, 0, 0], [0, 1, 0]]),
        track=0,
    )


def picture(*, closed: bool, open_grey: int = 60) -> ImageU8:
    crop = np.full((CROP_PX, CROP_PX), 140, np.uint8)
    crop[80:90, 40:90] = 70
    for x in (40, 88):
        crop[45:52, x - 11 : x + 12] = 140 if closed else open_grey
    return crop


def test_a_blink_that_the_mesh_does_not_see_is_seen_in_the_pictures() -> None:
    eyes = Eyes()
    blinks = [
        eyes.blink(face(k, picture(closed=60 <= k < 65)), eye_openness(landmarks()))
        for k in range(90)
    ]
    assert not any(blinks[:60])
    assert all(blinks[61:63])
    assert not any(blinks[70:])


@pytest.mark.parametrize(("openness", "blinks"), [(0.99, False), (0.9, True)])
def test_eyes_that_change_a_little_blink_if_the_mesh_sees_them_narrow(
    openness: float, blinks: bool
) -> None:
    # A man's brows come down and his lids tighten for 0.4 s: both pictures change by a third of the
    # contrast, and the mesh sees no lid close.
    eyes = Eyes()
    seen = []
    for k in range(90):
        narrow = 60 <= k < 72
        points = landmarks(0.3 * (openness if narrow else 1))
        crop = picture(closed=False, open_grey=68 if narrow else 60)
        seen.append(eyes.blink(face(k, crop), eye_openness(points)))
    assert any(seen) == blinks


def test_one_eye_alone_does_not_blink() -> None:
    eyes = Eyes()
    for k in range(90):
        crop = picture(closed=False)
        if k >= 60:
            crop[45:52, 29:52] = 140
        assert not eyes.blink(face(k, crop), eye_openness(landmarks()))


def test_a_covered_eye_looks_the_same_open_and_closed() -> None:
    opened, closed = (picture(closed=closed) for closed in (False, True))
    covers = [EyeCover(opened, corners) for corners in eye_corners(face(0, opened))]
    drawn = []
    for crop in (opened, closed):
        covered = crop.astype(np.float32)
        for cover in covers:
            cover.put(covered)
        drawn.append(covered)
    before = np.abs(opened.astype(float) - closed).sum()
    assert np.abs(drawn[0] - drawn[1]).sum() < before / 10
    np.testing.assert_array_equal(drawn[0][70:], opened[70:])
