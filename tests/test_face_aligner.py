"""The aligned crop: where it lies, how still it lies, whose face it is."""

import cv2
import numpy as np
import pytest
from landmarks import find_landmarks
from skimage.data import astronaut

from model.face.aligned_crop import (
    CROP_PX,
    EYE_HALF_PX,
    EYE_MIDPOINT_PX,
    INNER_EYE_CORNERS,
    crop_transform,
    warp_crop,
)
from model.face.aligner import MESH_EVERY_S, RELOCK_S, WAIT_S, FaceAligner
from model.records import AlignedFace, ArrayF64, Frame, ImageU8, Stamp

SIZE = (640, 480)


def place(x: float, y: float, scale: float, turn_deg: float = 0.0) -> ArrayF64:
    """A (2, 3) transform that puts the portrait's face (at 222, 110) to (x, y)."""
    matrix = cv2.getRotationMatrix2D((222, 110), turn_deg, scale)
    matrix[:, 2] += (x - 222, y - 110)
    return np.asarray(matrix, np.float64)


def picture(*places: ArrayF64) -> ImageU8:
    """The portrait's head, at each place, on grey."""
    head = astronaut()[20:215, 140:305]
    image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    for matrix in places:
        moved = matrix.copy()
        moved[:, 2] += matrix[:, :2] @ (140, 20)
        shown = cv2.warpAffine(np.full(head.shape, 255, np.uint8), moved, SIZE) > 127
        image[shown] = cv2.warpAffine(head, moved, SIZE, flags=cv2.INTER_CUBIC)[shown]
    return image


def frame(index: int, image: ImageU8, time_s: float | None = None) -> Frame:
    return Frame(Stamp(index, index / 30 if time_s is None else time_s), image, 0.0)


def align_all(images: list[ImageU8]) -> list[AlignedFace | None]:
    aligner = FaceAligner()
    return [aligner.align(frame(i, image)) for i, image in enumerate(images)]


def corners_in_crop(face: AlignedFace) -> ArrayF64:
    points = face.landmarks_px[list(INNER_EYE_CORNERS)].astype(np.float64)
    return points @ face.crop_from_image[:, :2].T + face.crop_from_image[:, 2]


def test_inner_eye_corners_come_to_their_places() -> None:
    (face,) = align_all([picture(place(300, 200, 1.6, turn_deg=12))])
    assert face is not None
    assert face.crop.shape == (CROP_PX, CROP_PX)
    assert face.crop.dtype == np.uint8
    x, y = EYE_MIDPOINT_PX
    expected = [[x - EYE_HALF_PX, y], [x + EYE_HALF_PX, y]]
    np.testing.assert_allclose(corners_in_crop(face), expected, atol=0.5)


def test_crop_is_the_same_wherever_the_face_is() -> None:
    straight = picture(place(250, 200, 1.6))
    turned = picture(place(380, 260, 2.0, turn_deg=-15))
    crops = []
    for image in (straight, turned):
        landmarks = find_landmarks(image)
        assert landmarks is not None
        crops.append(warp_crop(image, crop_transform(landmarks))[20:108, 20:108].astype(float))
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.95


def test_crop_lies_stiller_than_the_landmarks() -> None:
    rng = np.random.default_rng(0)
    still = picture(place(320, 220, 1.8)).astype(np.int16)
    noisy = [
        np.clip(still + rng.normal(0, 3, still.shape).round(), 0, 255).astype(np.uint8)
        for _ in range(40)
    ]
    faces = [face for face in align_all(noisy) if face is not None][10:]
    assert len(faces) == 30
    centres = np.array([f.crop_from_image @ (320, 220, 1) for f in faces])
    points = np.array([f.landmarks_px for f in faces])
    scale = np.sqrt(np.linalg.det(faces[0].crop_from_image[:, :2]))
    landmark_jitter_px = points.std(axis=0).mean() * scale
    assert centres.std(axis=0).max() < landmark_jitter_px / 2
    assert centres.std(axis=0).max() < 0.1


def test_crop_follows_a_moving_head() -> None:
    xs = 300 + 15 * np.sin(np.arange(45) / 30 * 2 * np.pi * 0.7)
    faces = align_all([picture(place(x, 220, 1.8)) for x in xs])
    lag = [np.abs(corners_in_crop(face) - _rest()).max() for face in faces[5:] if face is not None]
    assert len(lag) == 40
    assert max(lag) < 2.5


def _rest() -> ArrayF64:
    x, y = EYE_MIDPOINT_PX
    return np.array([[x - EYE_HALF_PX, y], [x + EYE_HALF_PX, y]])


def test_same_frames_give_the_same_faces() -> None:
    images = [picture(place(300 + i, 220, 1.7)) for i in range(6)]
    for one, other in zip(align_all(images), align_all(images), strict=True):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.crop, other.crop)
        np.testing.assert_array_equal(one.crop_from_image, other.crop_from_image)


@pytest.mark.parametrize("shape", [(16, 16), (480, 640), (1, 1), (3, 200)])
def test_no_face_gives_none(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert align_all([image, np.zeros((*shape, 3), np.uint8)]) == [None, None]


def test_the_largest_face_is_chosen_and_kept() -> None:
    large, small = place(180, 200, 1.7), place(480, 200, 1.0)
    grown = place(480, 220, 2.2)
    faces = align_all([picture(large, small)] * 3 + [picture(large, grown)] * 3)
    for face in faces:
        assert face is not None
        assert face.landmarks_px[:, 0].mean() < 320
        assert face.track == 0


def test_a_short_loss_goes_on_and_a_long_one_starts_a_new_track() -> None:
    face_image = picture(place(320, 220, 1.8))
    empty = np.full_like(face_image, 90)
    aligner = FaceAligner()
    seen = [
        aligner.align(frame(i, image, time_s))
        for i, (image, time_s) in enumerate(
            [
                (face_image, 0.0),
                (empty, 0.1),
                (face_image, 0.2),
                (empty, 0.3),
                (face_image, 0.3 + RELOCK_S),
            ]
        )
    ]
    assert [None if face is None else face.track for face in seen] == [0, None, 0, None, 1]


def test_a_face_elsewhere_does_not_take_the_place_of_one_that_was_just_lost() -> None:
    there, elsewhere = picture(place(150, 200, 1.5)), picture(place(500, 250, 1.5))
    times_s = (0.0, 0.1, WAIT_S - 0.05, WAIT_S, WAIT_S + 0.1)
    aligner = FaceAligner()
    faces = [
        aligner.align(frame(i, there if i == 0 else elsewhere, time_s))
        for i, time_s in enumerate(times_s)
    ]
    assert [None if face is None else face.track for face in faces] == [0, None, None, 1, 1]


def test_the_size_of_the_picture_may_change() -> None:
    large = picture(place(320, 220, 1.8))
    half = np.ascontiguousarray(large[::2, ::2])
    for face in align_all([large, half, large]):
        assert face is not None
        np.testing.assert_allclose(corners_in_crop(face), _rest(), atol=1.0)


def test_a_crop_beyond_the_picture_repeats_its_edge() -> None:
    image = np.full((60, 80, 3), 77, np.uint8)
    shifted = np.array([[1.0, 0.0, 500.0], [0.0, 1.0, -400.0]])
    assert np.unique(warp_crop(image, shifted)).tolist() == [77]


def test_frames_closer_than_the_mesh_needs_keep_its_crop_but_show_their_own_picture() -> None:
    aligner = FaceAligner()
    images = [picture(place(300 + i, 220, 1.7)) for i in range(4)]
    faces = [aligner.align(frame(i, image, i / 200)) for i, image in enumerate(images)]
    first, second, third, _ = faces
    assert first is not None
    assert second is not None
    assert third is not None
    np.testing.assert_array_equal(second.crop_from_image, first.crop_from_image)
    assert not np.array_equal(second.crop, first.crop)
    assert not np.array_equal(third.crop_from_image, first.crop_from_image)


def test_a_picture_of_another_size_goes_through_the_mesh_however_close() -> None:
    aligner = FaceAligner()
    image = picture(place(300, 220, 1.7))
    aligner.align(frame(0, image, 0.0))
    smaller = cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)
    face = aligner.align(frame(1, np.asarray(smaller, np.uint8), MESH_EVERY_S / 3))
    assert face is not None
    np.testing.assert_allclose(corners_in_crop(face), _rest(), atol=1.5)


def two_people() -> ImageU8:
    return picture(place(170, 200, 1.4), place(480, 210, 1.7))


@pytest.mark.parametrize(
    ("choice", "x_px"),
    [("largest", 480), ("left", 170), ("right", 480), ("1", 170), ("2", 480), ("3", None)],
)
def test_one_of_several_faces_is_chosen(choice: str, x_px: int | None) -> None:
    face = FaceAligner(choice).align(frame(0, two_people()))
    if x_px is None:
        assert face is None
    else:
        assert face is not None
        assert abs(face.landmarks_px[:, 0].mean() - x_px) < 60


@pytest.mark.parametrize("choice", ["right", "3"])
def test_a_choice_among_no_faces_gives_none(choice: str) -> None:
    assert FaceAligner(choice).align(frame(0, np.full_like(two_people(), 90))) is None


def test_the_chosen_face_is_kept_when_another_comes_in_beside_it() -> None:
    aligner = FaceAligner("left")
    alone = picture(place(480, 210, 1.7))
    faces = [aligner.align(frame(i, alone if i < 2 else two_people())) for i in range(4)]
    assert [None if face is None else face.track for face in faces] == [0] * 4
    assert faces[3] is not None
    assert faces[3].landmarks_px[:, 0].mean() > 320


def test_a_face_beside_the_lost_one_never_goes_on_with_its_track() -> None:
    mine, neighbour = place(240, 200, 1.7), place(400, 200, 1.7)
    aligner = FaceAligner()
    first = aligner.align(frame(0, picture(mine), 0.0))
    empty = aligner.align(frame(1, np.full_like(two_people(), 90), 0.05))
    other = aligner.align(frame(2, picture(neighbour), 0.05 + RELOCK_S / 2))
    assert first is not None
    assert empty is None
    assert other is not None
    assert other.track == first.track + 1


def test_a_face_that_comes_back_between_neighbours_is_the_nearest_one() -> None:
    aligner = FaceAligner()
    aligner.align(frame(0, picture(place(250, 200, 1.3)), 0.0))
    aligner.align(frame(1, np.full_like(two_people(), 90), 0.1))
    both = picture(place(262, 200, 1.3), place(402, 205, 1.6))
    face = aligner.align(frame(2, both, 0.3))
    assert face is not None
    assert face.track == 0
    assert face.landmarks_px[:, 0].mean() < 320
