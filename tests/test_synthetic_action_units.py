"""The catalogue of action units and the fields it makes, on a schematic face."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import InputError
from model.labels import ACTION_UNITS
from model.records import ArrayF32
from model.synthetic.action_units import displacement_field, facs_notation, load_catalogue, peak_px
from model.synthetic.portrait import astronaut_portrait

UNITS = sorted(load_catalogue().units)


@pytest.fixture(scope="module")
def crop_landmarks() -> ArrayF32:
    """FaceMesh points of a real face in the 128 px crop's geometry."""
    face = astronaut_portrait((640, 480))
    # The canvas is the crop with a margin of 24 px at the left and 20 px at the top.
    return face.landmarks_canvas - np.array([24, 20], np.float32)


def at(field: ArrayF32, landmarks: ArrayF32, *points: int) -> ArrayF32:
    x, y = np.rint(landmarks[list(points)].mean(axis=0)).astype(int)
    return field[:, y, x]


def test_every_unit_moves_groups_that_exist() -> None:
    for unit in load_catalogue().units.values():
        for move in unit.moves:
            sides = set(load_catalogue().landmarks[move.group])
            assert sides in ({"middle"}, {"right", "left"})
            assert move.extent_mm > 0
        assert 0 <= unit.one_sided <= 1


def test_midline_groups_move_up_and_down_only() -> None:
    for unit in load_catalogue().units.values():
        for move in unit.moves:
            if "middle" in load_catalogue().landmarks[move.group]:
                assert move.lateral_mm == 0


def test_landmarks_are_of_the_mesh_and_sides_match() -> None:
    for sides in load_catalogue().landmarks.values():
        for points in sides.values():
            assert len(set(points)) == len(points)
            assert all(0 <= point < 468 for point in points)
        assert len({len(points) for points in sides.values()}) == 1


def test_groups_lie_on_their_side(crop_landmarks: ArrayF32) -> None:
    middle = crop_landmarks[[168, 4], 0].mean()
    for sides in load_catalogue().landmarks.values():
        if "right" in sides:
            assert crop_landmarks[list(sides["right"]), 0].max() < middle
            assert crop_landmarks[list(sides["left"]), 0].min() > middle


def test_expressions_use_units_of_the_catalogue() -> None:
    for combinations in load_catalogue().expressions.values():
        for combination in combinations:
            assert set(combination.units) <= set(UNITS)
            assert combination.often > 0
    for companions in load_catalogue().companions.values():
        assert set(companions) <= set(ACTION_UNITS)
    assert load_catalogue().companions.keys() == load_catalogue().expressions.keys()


def test_lids_follow_lowered_brows_and_cheeks_widen_in_a_smile(crop_landmarks: ArrayF32) -> None:
    frown = displacement_field(crop_landmarks, {"AU4": (1, 1)}, 128)
    smile = displacement_field(crop_landmarks, {"AU12": (1, 1)}, 128)
    assert at(frown, crop_landmarks, 223)[1] > 1.0  # the fold above the right eye
    assert at(smile, crop_landmarks, 227)[0] < -0.5  # the right cheek's outer edge


@pytest.mark.parametrize("unit", UNITS)
def test_full_strength_is_about_as_far_as_the_catalogue_says(
    unit: str, crop_landmarks: ArrayF32
) -> None:
    furthest = max(np.hypot(m.lateral_mm, m.up_mm) for m in load_catalogue().units[unit].moves)
    field = displacement_field(crop_landmarks, {unit: (1, 1)}, 128)
    # Neighbouring groups of one unit add up, in AU4 those of brow and fold; the eyeball holds the
    # lids back.
    assert 0.75 * furthest < peak_px(field) < (2.5 if unit == "AU4" else 1.9) * furthest


def test_a_raised_lip_corner_goes_out_and_up(crop_landmarks: ArrayF32) -> None:
    field = displacement_field(crop_landmarks, {"AU12": (1, 1)}, 128)
    right, left = at(field, crop_landmarks, 61), at(field, crop_landmarks, 291)
    assert max(*right, -left[0], left[1]) < -3


def test_a_frown_draws_the_brows_down_and_in(crop_landmarks: ArrayF32) -> None:
    field = displacement_field(crop_landmarks, {"AU4": (1, 1)}, 128)
    right, left = at(field, crop_landmarks, 107, 55), at(field, crop_landmarks, 336, 285)
    assert min(*right, -left[0], left[1]) > 1


def test_surprise_lifts_the_whole_brow(crop_landmarks: ArrayF32) -> None:
    field = displacement_field(crop_landmarks, {"AU1": (1, 1), "AU2": (1, 1)}, 128)
    for points in ((107, 55), (105, 52), (70, 46), (336, 285), (334, 282), (300, 276)):
        assert at(field, crop_landmarks, *points)[1] < -3


def test_one_side_alone_leaves_the_other_at_rest(crop_landmarks: ArrayF32) -> None:
    field = displacement_field(crop_landmarks, {"AU12": (0, 1)}, 128)
    assert np.hypot(*at(field, crop_landmarks, 61)) < 0.2
    assert np.hypot(*at(field, crop_landmarks, 291)) > 5


def test_one_side_of_a_midline_unit_stays_weaker(crop_landmarks: ArrayF32) -> None:
    field = displacement_field(crop_landmarks, {"AU17": (1, 0)}, 160)  # the chin is below 128
    right, left = at(field, crop_landmarks, 201, 208), at(field, crop_landmarks, 421, 428)
    assert np.hypot(*right) > 2 * np.hypot(*left)


def test_eyeballs_stay(crop_landmarks: ArrayF32) -> None:
    field = displacement_field(crop_landmarks, {"AU1": (1, 1), "AU2": (1, 1)}, 128)
    for eye in ((159, 145), (386, 374)):
        assert np.hypot(*at(field, crop_landmarks, *eye)) < 0.1 * peak_px(field)


@given(
    a=st.dictionaries(st.sampled_from(UNITS), st.tuples(st.floats(0, 1), st.floats(0, 1))),
    factor=st.floats(0, 3),
)
@settings(max_examples=20)
def test_fields_are_linear_in_the_strengths(
    a: dict[str, tuple[float, float]], factor: float
) -> None:
    landmarks = astronaut_portrait((640, 480)).landmarks_canvas
    one = displacement_field(landmarks, a, 64)
    more = displacement_field(
        landmarks, {k: (r * factor, s * factor) for k, (r, s) in a.items()}, 64
    )
    np.testing.assert_allclose(more, one * factor, atol=1e-4)


def test_fields_scale_with_the_face(crop_landmarks: ArrayF32) -> None:
    strengths = {"AU6": (0.3, 0.6), "AU12": (1.0, 0.4)}
    small = displacement_field(crop_landmarks, strengths, 128)
    large = displacement_field(crop_landmarks * 2, strengths, 256)
    np.testing.assert_allclose(large[:, ::2, ::2], 2 * small, atol=1e-4)


def test_fields_turn_with_the_face(crop_landmarks: ArrayF32) -> None:
    strengths = {"AU4": (1.0, 0.2), "AU17": (0.2, 1.0)}
    upright = displacement_field(crop_landmarks, strengths, 160)
    quarter = np.stack([159 - crop_landmarks[:, 1], crop_landmarks[:, 0]], axis=1)
    turned = displacement_field(quarter, strengths, 160)
    # A quarter turn clockwise: (x, y) comes to (159 - y, x); the eyeball's hold is upright only.
    back = np.stack([np.rot90(turned[1]), -np.rot90(turned[0])])
    x, y = np.rint(crop_landmarks[199]).astype(int)
    np.testing.assert_allclose(back[:, y, x], upright[:, y, x], atol=0.05)


def test_size_is_width_and_height(crop_landmarks: ArrayF32) -> None:
    field = displacement_field(crop_landmarks, {"AU1": (1, 1)}, (100, 60))
    assert field.shape == (2, 60, 100)
    assert field.dtype == np.float32


def test_no_strengths_no_motion(crop_landmarks: ArrayF32) -> None:
    assert not displacement_field(crop_landmarks, {}, 32).any()


def test_an_unknown_unit_is_named(crop_landmarks: ArrayF32) -> None:
    with pytest.raises(InputError, match=r"'AU99'.*AU12"):
        displacement_field(crop_landmarks, {"AU99": (1, 1)}, 32)


def test_written_as_facs_coders_write() -> None:
    assert facs_notation({"AU2": (1, 0.9), "AU1": (0.8, 1)}) == "AU1+AU2"
    assert facs_notation({"AU12": (0.1, 1), "AU6": (0.5, 0.1)}) == "AU6R+AU12L"
