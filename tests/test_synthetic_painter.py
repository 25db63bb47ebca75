"""Drawing a portrait: what is asked to move moves, as far as asked, and nothing else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from landmarks import find_landmarks
from skimage import data

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.action_units import Strengths
from model.synthetic.courses import HeadPose
from model.synthetic.painter import Painter
from model.synthetic.patches import Patch
from model.synthetic.portrait import (
    SUPERSAMPLING,
    Portrait,
    astronaut_portrait,
    read_landmarks,
)

REST = HeadPose(0, 0, 0, 0, 0, 0)
SIZE = (640, 480)
NO_PATCH = Patch(0, 0, 0.0, 1.0, np.zeros((2, 1, 1, 3), np.uint8))


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return astronaut_portrait(SIZE)


@pytest.fixture(scope="module")
def painter(portrait: Portrait) -> Painter:
    return Painter(portrait)


def dotted(portrait: Portrait, point: int) -> Painter:
    """The same face, black, with one bright dot on a landmark."""
    x, y = (portrait.landmarks_px[point] + portrait.margin_px + 0.5) * SUPERSAMPLING - 0.5
    rows, columns = np.mgrid[: portrait.texture.shape[0], : portrait.texture.shape[1]]
    dot = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 12.5)
    texture = np.repeat(dot[..., None], 3, axis=-1).astype(np.uint8)
    return Painter(replace(portrait, texture=texture, lids=(NO_PATCH, NO_PATCH), mouth=NO_PATCH))


def centre(image: ImageU8) -> ArrayF64:
    bright = np.where(image[..., 0] > 3, image[..., 0], 0).astype(np.float64)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(bright * columns).sum(), (bright * rows).sum()]) / bright.sum()


def eye_openness(landmarks: ArrayF32) -> float:
    ratios = []
    for out, up, up2, inner, low2, low in (
        (33, 160, 158, 133, 153, 144),
        (362, 385, 387, 263, 373, 380),
    ):
        gaps = np.linalg.norm(landmarks[[up, up2]] - landmarks[[low, low2]], axis=1)
        ratios.append(gaps.mean() / np.linalg.norm(landmarks[out] - landmarks[inner]))
    return float(np.mean(ratios))


@pytest.mark.parametrize(
    ("point", "strengths"),
    [
        (61, {"AU12": (1.0, 1.0)}),
        (291, {"AU12": (0.0, 1.0)}),
        (55, {"AU4": (1.0, 1.0)}),
        (105, {"AU1": (1.0, 1.0), "AU2": (1.0, 1.0)}),
        (199, {"AU17": (1.0, 1.0)}),
    ],
)
@pytest.mark.parametrize("peak_mm", [0.5, 2.0])
def test_skin_moves_as_far_as_its_field_says(
    portrait: Portrait, point: int, strengths: Strengths, peak_mm: float
) -> None:
    painter = dotted(portrait, point)
    field = portrait.field(strengths, peak_mm)
    place = portrait.landmarks_canvas[point]
    asked = cv2.remap(field, place[None, None], None, cv2.INTER_LINEAR)[0, 0]  # type: ignore[call-overload]
    moved = centre(painter.paint(REST, field, closed=0, jaw=0)) - centre(
        painter.paint(REST, None, closed=0, jaw=0)
    )
    moved_mm = portrait.canvas_from_image[:, :2] @ moved
    assert np.linalg.norm(moved_mm - asked) < 0.05 * np.linalg.norm(asked)


def test_the_head_takes_its_skin_along(portrait: Portrait) -> None:
    painter = dotted(portrait, 61)
    pose = HeadPose(3.0, -2.0, 0.02, 0.01, 0.0, 0.0)
    field = portrait.field({"AU12": (1, 1)}, 2.0)
    moved = centre(painter.paint(pose, field, closed=0, jaw=0)) - centre(
        painter.paint(pose, None, closed=0, jaw=0)
    )
    still = centre(painter.paint(REST, field, closed=0, jaw=0)) - centre(
        painter.paint(REST, None, closed=0, jaw=0)
    )
    turn = np.exp(0.01) * np.array([[np.cos(0.02), -np.sin(0.02)], [np.sin(0.02), np.cos(0.02)]])
    np.testing.assert_allclose(moved, turn @ still, atol=0.05)


def test_at_rest_the_portrait_is_drawn_as_it_is(portrait: Portrait, painter: Painter) -> None:
    k, margin = SUPERSAMPLING, portrait.margin_px
    inner = portrait.texture[margin * k :, margin * k :][: 480 * k, : 640 * k]
    rest = cv2.resize(inner, SIZE, interpolation=cv2.INTER_AREA)
    drawn = painter.paint(REST, None, closed=0, jaw=0)
    assert np.abs(drawn.astype(int) - rest).max() <= 3


def test_the_background_rests(painter: Painter) -> None:
    rest = painter.paint(REST, None, closed=0, jaw=0)
    swayed = painter.paint(HeadPose(4.0, 3.0, 0.02, 0.01, 0.5, 0.5), None, closed=0, jaw=0)
    np.testing.assert_array_equal(swayed[:, :60], rest[:, :60])
    np.testing.assert_array_equal(swayed[:, -60:], rest[:, -60:])
    assert (swayed[200:300, 250:400] != rest[200:300, 250:400]).mean() > 0.5


def test_the_mesh_sees_lids_close(painter: Painter) -> None:
    opened, closed = (
        find_landmarks(painter.paint(REST, None, closed=level, jaw=0)) for level in (0.0, 1.0)
    )
    assert opened is not None
    assert closed is not None
    assert eye_openness(closed) < 0.8 * eye_openness(opened)


def test_the_mesh_sees_the_jaw_open_and_close(painter: Painter) -> None:
    gaps = []
    for level in (-1.0, 0.0, 1.0):
        landmarks = find_landmarks(painter.paint(REST, None, closed=0, jaw=level))
        assert landmarks is not None
        gaps.append(landmarks[14, 1] - landmarks[13, 1])
    assert gaps[0] + 1 < gaps[1] < gaps[2] - 1


def test_lids_and_mouth_leave_no_seam(portrait: Portrait) -> None:
    for patch in (*portrait.lids, portrait.mouth):
        for picture in patch.pictures:
            texture = portrait.texture[patch.y :, patch.x :]
            texture = texture[: picture.shape[0], : picture.shape[1]]
            change = np.abs(picture.astype(int) - texture)
            for edge in (change[0], change[-1], change[:, 0], change[:, -1]):
                assert edge.max() <= 3


@pytest.mark.parametrize("level", [-0.3, 0.0, 0.4, 1.0, 7.0])
def test_a_patch_blends_its_levels(level: float) -> None:
    pictures = np.array([0, 100, 200], np.uint8)[:, None, None, None] * np.ones(
        (1, 2, 2, 3), np.uint8
    )
    texture = np.full((4, 4, 3), 9, np.uint8)
    Patch(1, 1, 0.0, 1.0, pictures).put(texture, level)
    assert (texture[1:3, 1:3] == round(200 * min(max(level, 0), 1))).all()
    assert (texture[0] == 9).all()
    assert (texture[:, 3] == 9).all()


def test_the_landmarks_that_are_shipped_are_those_of_the_portrait(portrait: Portrait) -> None:
    picture = data.astronaut()  # type: ignore[no-untyped-call]
    shipped = read_landmarks("portrait_landmarks.csv")
    drawn = find_landmarks(portrait.texture)
    assert drawn is not None
    assert shipped.shape == (468, 2)
    found = find_landmarks(picture)
    assert found is not None
    width = np.ptp(shipped[:, 0])
    assert np.linalg.norm(found - shipped, axis=1).mean() < 0.003 * width
    placed = (drawn + 0.5) / SUPERSAMPLING - portrait.margin_px - 0.5
    width = np.ptp(placed[:, 0])
    assert np.linalg.norm(placed - portrait.landmarks_px, axis=1).mean() < 0.003 * width
