"""Skin that moves as on a scanned face."""

from pathlib import Path

import numpy as np
import pytest
from scanned_points import MULTI_PIE, main

from model.errors import InputError
from model.records import ArrayF32
from model.synthetic.action_units import displacement_field
from model.synthetic.portrait import CANVAS_SIZE, Portrait, astronaut_portrait
from model.synthetic.scanned_face import (
    UNITS,
    action_field,
    blink_field,
    scanned_face,
    scanned_field,
)


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return astronaut_portrait((640, 480))


def at(field: ArrayF32, portrait: Portrait, point: int) -> ArrayF32:
    x, y = np.rint(portrait.landmarks_canvas[point]).astype(int)
    return field[:, y, x]


def test_a_smile_lifts_the_corner_of_its_own_side(portrait: Portrait) -> None:
    field = scanned_field(portrait.landmarks_canvas, {"AU12": (1.0, 0.0)}, CANVAS_SIZE)
    u, v = at(field, portrait, 61)  # the person's right, on the left of the image
    assert u < -3
    assert v < -3
    assert np.linalg.norm(at(field, portrait, 291)) < 1.5


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_moves_some_mm_at_full_strength(unit: str, portrait: Portrait) -> None:
    field = scanned_field(portrait.landmarks_canvas, {unit: (1.0, 1.0)}, CANVAS_SIZE)
    assert 1.5 < np.hypot(*field).max() < 40


def test_a_face_twice_as_large_moves_twice_as_far(portrait: Portrait) -> None:
    points = portrait.landmarks_canvas
    once = scanned_field(points, {"AU1": (1.0, 1.0)}, CANVAS_SIZE)
    twice = scanned_field(2 * points, {"AU1": (1.0, 1.0)}, (2 * CANVAS_SIZE[0], 2 * CANVAS_SIZE[1]))
    inner = slice(20, -20)  # at the picture's edges the skin rests
    np.testing.assert_allclose(
        twice[:, ::2, ::2][:, inner, inner], 2 * once[:, inner, inner], atol=0.4
    )


def test_skin_does_not_fold_and_the_frame_rests(portrait: Portrait) -> None:
    for unit in UNITS:
        field = portrait.field({unit: (1.0, 0.6)}, 2.0, "scan").transpose(2, 0, 1)
        (uy, ux), (vy, vx) = np.gradient(field[0]), np.gradient(field[1])
        assert ((1 + ux) * (1 + vy) - uy * vx).min() > 0.2, unit
        edge = np.concatenate([field[:, 0].T, field[:, :, 0].T, field[:, :, -1].T])
        assert np.abs(edge).max() < 0.05, unit


def test_a_unit_without_a_scan_moves_by_the_catalogue(portrait: Portrait) -> None:
    points, both = portrait.landmarks_canvas, {"AU23": (1.0, 1.0)}
    np.testing.assert_allclose(
        scanned_field(points, both, CANVAS_SIZE), displacement_field(points, both, CANVAS_SIZE)
    )


def test_around_a_blink_the_lower_lid_follows(portrait: Portrait) -> None:
    field = blink_field(portrait.landmarks_canvas, CANVAS_SIZE)
    assert 0.5 < np.hypot(*field).max() < 4
    assert at(field, portrait, 145)[0] > 0.3  # towards the nose
    assert np.linalg.norm(at(field, portrait, 61)) < 0.1


def test_an_unknown_action_is_named(portrait: Portrait) -> None:
    with pytest.raises(InputError, match="'earWiggle'"):
        action_field(portrait.landmarks_canvas, {"earWiggle": 1.0}, CANVAS_SIZE)


def test_the_figures_are_of_a_face(portrait: Portrait) -> None:
    face = scanned_face()
    assert len(face.moves_mm) == 57
    corners = face.rest_mm[[133, 362]]
    assert np.linalg.norm(corners[1] - corners[0]) == pytest.approx(32, abs=1.5)
    assert face.rest_mm[:, 2].argmax() in (1, 4, 5, 19, 44, 45, 274, 275)  # the tip of the nose
    assert face.rest_mm[152, 1] > 70  # the chin is below


def test_the_figures_are_measured_in_mm_with_y_down(tmp_path: Path) -> None:
    """On a flat sheet of skin that has the portrait's shape, and moves up as a whole by 1 unit."""
    rng = np.random.default_rng(0)
    points = astronaut_portrait((640, 480)).landmarks_canvas.astype(np.float64)
    known = (points[list(MULTI_PIE)] - points[168]) / 8 * (1, -1)
    sheet = np.concatenate([known, rng.uniform(-16, 16, (6000, 2))])
    neutral = np.column_stack([sheet, np.zeros(len(sheet))])
    up = np.zeros((1, len(sheet), 3))
    up[..., 1] = 1.0
    below = np.zeros_like(up)
    below[..., 1] = -2.0 * (sheet[:, 1] < known[51, 1])  # the lower lip and all below
    np.savez(
        tmp_path / "model.npz",
        neutral=neutral.astype(np.float32),
        expressions=np.concatenate([up, below]).astype(np.float16),
        expression_names=np.array(["browInnerUp_L", "jawOpen"]),
        landmarks_68=np.arange(68, dtype=np.int32),
    )
    main([str(tmp_path / "model.npz"), str(tmp_path / "points.npz")])
    with np.load(tmp_path / "points.npz") as figures:
        assert list(figures["names"]) == ["browInnerUp_L", "jawOpen"]
        moves = figures["moves_mm"].astype(float)
        np.testing.assert_allclose(moves[0, :, 1], -8, atol=0.2)
        assert moves[1, 14, 1] == pytest.approx(16, abs=0.2)
        assert moves[1, 13, 1] == pytest.approx(0, abs=0.2)
        expected = points - points[[133, 362]].mean(axis=0)
        away = np.linalg.norm(figures["rest_mm"][:, :2] - expected, axis=1)
        assert np.median(away) < 1


def test_two_paths_are_needed() -> None:
    with pytest.raises(InputError, match="two paths"):
        main([])
