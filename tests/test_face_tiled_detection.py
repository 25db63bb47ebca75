"""Finding faces: small ones, large ones, several, turned ones, and what is none."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from landmarks import find_landmarks
from skimage.data import astronaut

from model.face.aligner import FaceAligner, face_mesh, find_faces
from model.face.detector import _anchors, _merge
from model.face.landmarks import PRESENT_LOGIT
from model.face.network_region import Region
from model.face.tiled_detection import LEAST_TILE_PX, _tiles
from model.records import Frame, ImageU8, Stamp

EYES, LIP = [33, 263], 13


@pytest.fixture(scope="module")
def portrait() -> ImageU8:
    """A face of 95 px of width, its eyes' middle at (145, 103)."""
    return np.ascontiguousarray(astronaut()[:300, 80:380])


def placed(part: ImageU8, size: tuple[int, int], at: tuple[int, int]) -> ImageU8:
    """`part` on grey of (width, height), its upper left corner `at`."""
    image = np.full((size[1], size[0], 3), 128, np.uint8)
    x, y = at
    image[y : y + part.shape[0], x : x + part.shape[1]] = part
    return image


def shrunk(picture: ImageU8, width_px: float) -> ImageU8:
    """The portrait with a face `width_px` wide."""
    scale = width_px / 95
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def eyes(landmarks_px: np.ndarray) -> np.ndarray:
    return np.asarray(landmarks_px[EYES].mean(axis=0))


@pytest.mark.parametrize(
    ("size", "at"),
    [
        ((640, 480), (170, 90)),
        ((1280, 720), (900, 400)),
        ((1920, 1080), (30, 700)),
        ((3840, 2160), (3700, 2050)),
    ],
)
def test_a_face_of_40_px_is_found_in_a_picture_of_any_size(
    portrait: ImageU8, size: tuple[int, int], at: tuple[int, int]
) -> None:
    small = shrunk(portrait, 42)[:110, :130]
    found = find_landmarks(placed(small, size, at))
    assert found is not None
    expected = np.array([145, 103]) * 42 / 95 + at
    assert np.linalg.norm(eyes(found) - expected) < 3


def test_a_large_face_in_a_picture_of_4k_is_found(portrait: ImageU8) -> None:
    large = cv2.resize(portrait, (1200, 1200), interpolation=cv2.INTER_CUBIC)
    found = find_landmarks(placed(np.asarray(large, np.uint8), (3840, 2160), (1320, 480)))
    assert found is not None
    assert np.linalg.norm(eyes(found) - (145 * 4 + 1320, 103 * 4 + 480)) < 8


def test_a_face_that_fills_the_picture_is_found(portrait: ImageU8) -> None:
    close = cv2.resize(portrait[65:170, 90:200], (600, 600), interpolation=cv2.INTER_CUBIC)
    found = find_landmarks(np.asarray(close, np.uint8))
    assert found is not None
    assert np.ptp(found[:, 0]) > 420


def test_every_face_is_found_once_largest_first(portrait: ImageU8) -> None:
    image = placed(portrait, (900, 480), (0, 0))
    image[100:300, 400:600] = cv2.resize(portrait, (200, 200), interpolation=cv2.INTER_AREA)
    image[240:480, 650:890] = cv2.resize(portrait, (240, 240), interpolation=cv2.INTER_AREA)
    found = find_faces(image)
    expected = [(145, 103), (650 + 145 * 0.8, 240 + 103 * 0.8), (400 + 145 / 1.5, 100 + 103 / 1.5)]
    np.testing.assert_allclose([eyes(each) for each in found], expected, atol=3)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_face_is_found_the_right_way_round_or_not_at_all(
    portrait: ImageU8, quarters: int
) -> None:
    found = find_landmarks(np.ascontiguousarray(np.rot90(portrait, quarters)))
    if found is None:
        assert quarters == 2  # upside down
        return
    x, y = eyes(found)
    for _ in range(quarters):  # back to where they were before the turn
        x, y = 299 - y, x
    assert np.linalg.norm((x - 145, y - 103)) < 4


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.2, 3.0])
def test_upside_down_the_mouth_is_not_taken_for_the_forehead(
    portrait: ImageU8, scale: float
) -> None:
    image = cv2.resize(np.rot90(portrait, 2), None, fx=scale, fy=scale)
    for found in find_faces(np.asarray(image, np.uint8)):
        assert found[LIP, 1] < eyes(found)[1]


def test_noise_and_patterns_hold_no_face() -> None:
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (600, 800, 3), dtype=np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 6), np.uint8)
    board = np.kron(np.indices((15, 20)).sum(axis=0) % 2 * 255, np.ones((40, 40)))
    stacked = np.repeat(board.astype(np.uint8)[..., np.newaxis], 3, axis=2)
    for image in (noise, blurred, stacked):
        assert find_faces(np.ascontiguousarray(image)) == []


def test_a_face_that_appears_late_and_small_is_found_soon(portrait: ImageU8) -> None:
    empty = np.full((1080, 1920, 3), 128, np.uint8)
    arrived = placed(shrunk(portrait, 45)[:120, :140], (1920, 1080), (1500, 800))
    aligner = FaceAligner()
    assert aligner.align(Frame(Stamp(0, 0.0), empty, 0.0)) is None
    found_s = None
    for i in range(1, 40):
        if aligner.align(Frame(Stamp(i, i / 30), arrived, 0.0)) is not None:
            found_s = i / 30
            break
    assert found_s is not None
    assert found_s <= 1.1


def test_where_no_face_is_the_mesh_says_so() -> None:
    grey = np.full((200, 200, 3), 90, np.uint8)
    found = face_mesh().find(grey, Region(100, 100, 120, 0.0))
    assert found.logit < PRESENT_LOGIT
    assert not found.is_face(grey)


@given(
    st.floats(-5, 1500),  # a detector's box may have no size, or less
    st.floats(-200, 900),
    st.floats(-200, 700),
    st.floats(-3.2, 3.2),
    st.integers(8, 700),
    st.integers(8, 500),
)
def test_a_region_is_cut_wherever_it_lies(
    side: float, x: float, y: float, turn: float, width: int, height: int
) -> None:
    image = np.full((height, width, 3), 77, np.uint8)
    cut = Region(x, y, side, turn).cut(image, 32)
    assert cut.shape == (32, 32, 3)
    assert np.unique(cut).tolist() == [77]


@pytest.mark.parametrize("side", [40.0, 150.0, 330.0, 640.0, 1500.0])
def test_a_cut_keeps_places(side: float) -> None:
    region, spot = Region(1024.0, 1000.0, side, 0.4), np.array([1024 + side / 10, 1000 - side / 8])
    y, x = np.mgrid[0:2000, 0:2048]
    distance = np.hypot(x - spot[0], y - spot[1])
    grey = (250 * np.exp(-((distance / (side / 15)) ** 2) / 2)).round().astype(np.uint8)
    cut = region.cut(np.repeat(grey[..., np.newaxis], 3, axis=2), 192)[..., 0].astype(float)
    rows, columns = np.mgrid[0:192, 0:192]
    middle = (np.array([(cut * columns).sum(), (cut * rows).sum()]) / cut.sum()).tolist()
    found = region.picture_from_cut(192) @ (*middle, 1)
    np.testing.assert_allclose(found, spot, atol=0.1 * max(1, side / 192))


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_tiles_cover_the_picture_and_overlap(height: int, width: int) -> None:
    tiles = _tiles(height, width)
    if max(height, width) <= LEAST_TILE_PX:
        assert tiles == ()
        return
    smallest = [tile for tile in tiles if tile[2] == LEAST_TILE_PX]
    assert {0} <= {x for x, _, _ in smallest}
    assert max(x + side for x, _, side in smallest) >= width
    assert max(y + side for _, y, side in smallest) >= height
    for starts in (sorted({x for x, _, _ in smallest}), sorted({y for _, y, _ in smallest})):
        steps = np.diff(starts)
        assert (steps <= 0.75 * LEAST_TILE_PX + 1).all()


def test_boxes_of_one_face_become_one_and_others_stay() -> None:
    box = np.array([[0.0, 0], [10, 10], *[[5, 5]] * 6])
    points = np.array([box, box + 1, box + 100])
    merged = _merge(points, np.array([0.9, 0.6, 0.7]))
    assert [score for score, _ in merged] == [0.9, 0.7]
    np.testing.assert_allclose(merged[0][1], box + 0.4)


def test_anchors_are_as_many_as_the_networks_have_rows() -> None:
    assert len(_anchors(((8, 2), (16, 6)), 128)) == 896
    assert len(_anchors(((4, 1),), 192)) == 2304
