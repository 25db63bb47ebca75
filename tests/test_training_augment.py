"""What is varied stays true: vectors go with their picture, time runs backwards as a whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.classifiers import Inputs
from model.classifiers.phase_inputs import PHASE_SHAPES
from model.face.mesh_points import TAUGHT_POINTS
from model.training.augment import augment, move, move_landmarks, reverse_time
from model.training.recipe import Variation

SIDE = 64
STILL = Variation(
    mirror=0, reverse=0, drop_phase=0, turn_rad=0, scale_log=0, shift_px=0, gain_log=0
)


def noise(inputs: Inputs, count: int = 3) -> Tensor:
    shape = (count, 2, *PHASE_SHAPES[inputs], SIDE, SIDE)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def blob(x: float, y: float) -> Tensor:
    """A smooth bump at px (x, y), as `move` counts them: the middle of the first is 0.5."""
    places = torch.arange(SIDE) + 0.5
    return torch.exp(-((places[None] - x) ** 2 + (places[:, None] - y) ** 2) / (2 * 3**2))


def centre(plane: Tensor) -> tuple[float, float]:
    weight = plane.abs() / plane.abs().sum()
    places = torch.arange(SIDE) + 0.5
    return float((weight.sum(0) * places).sum()), float((weight.sum(1) * places).sum())


@given(
    st.booleans(),
    st.floats(-0.5, 0.5),
    st.floats(0.8, 1.25),
    st.floats(-4, 4),
    st.floats(-4, 4),
    st.floats(-3, 3),
)
def test_a_point_and_its_vector_move_together(
    mirror: bool, turn: float, scale: float, right: float, down: float, angle: float
) -> None:
    at, to = np.array([38.0, 27.0]), np.array([np.cos(angle), np.sin(angle)])
    flow = torch.stack([float(part) * blob(*at) for part in to])
    phases = flow.expand(1, 2, 2, SIDE, SIDE)
    found = move(
        phases,
        "flows",
        mirror=torch.tensor([mirror]),
        turn_rad=torch.tensor([turn]),
        scale=torch.tensor([scale]),
        shift_px=torch.tensor([[right, down]]),
    )[0, 0]
    flip = np.diag([-1.0 if mirror else 1.0, 1.0])
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = scale * turned @ flip
    middle = np.array([SIDE / 2, SIDE / 2])
    expected = matrix @ (at - middle) + middle + (right, down)
    strongest = found.square().sum(dim=0)
    np.testing.assert_allclose(centre(strongest), expected, atol=0.15)
    y, x = np.unravel_index(int(strongest.argmax()), (SIDE, SIDE))
    vector = found[:, y, x].numpy()
    np.testing.assert_allclose(vector / np.linalg.norm(vector), matrix @ to / scale, atol=0.03)
    assert np.linalg.norm(vector) == pytest.approx(scale, abs=0.08)


@pytest.mark.parametrize("inputs", PHASE_SHAPES)
def test_mirroring_is_exact_and_twice_is_nothing(inputs: Inputs) -> None:
    phases, still = noise(inputs), torch.zeros(3)
    mirror = torch.ones(3, dtype=torch.bool)
    given = {"turn_rad": still, "scale": still + 1, "shift_px": torch.zeros(3, 2)}
    once = move(phases, inputs, mirror=mirror, **given)
    expected = phases.flip(-1)
    if inputs != "frames":
        expected = expected * torch.tensor([-1.0, 1.0]).view(2, 1, 1)
    torch.testing.assert_close(once, expected, atol=1e-4, rtol=0)
    twice = move(once, inputs, mirror=mirror, **given)
    torch.testing.assert_close(twice, phases, atol=1e-4, rtol=0)


def test_backwards_flows_are_swapped_and_negated() -> None:
    phases = noise("flows")
    backwards = reverse_time(phases, "flows")
    torch.testing.assert_close(backwards[:, 0], -phases[:, 1])
    torch.testing.assert_close(backwards[:, 1], -phases[:, 0])


def test_backwards_frames_are_in_reverse_order() -> None:
    phases = noise("frames")
    course = torch.cat([phases[:, 0], phases[:, 1]], dim=1)
    backwards = reverse_time(phases, "frames")
    found = torch.cat([backwards[:, 0], backwards[:, 1]], dim=1)
    torch.testing.assert_close(found, course.flip(1))


def test_backwards_long_flows_start_from_the_offset() -> None:
    position = torch.randn((2, 9, 2, 4, 4), generator=torch.Generator().manual_seed(1))
    from_onset = (position - position[:, :1])[:, 1:].unflatten(1, (2, 4))
    from_offset = (position.flip(1) - position[:, -1:])[:, 1:].unflatten(1, (2, 4))
    torch.testing.assert_close(reverse_time(from_onset, "long_flows"), from_offset)


@pytest.mark.parametrize("inputs", PHASE_SHAPES)
def test_nothing_varied_leaves_samples_as_they_are(inputs: Inputs) -> None:
    phases, known = noise(inputs), torch.tensor([1.0, 0.0, 1.0])
    found, has_offset, _ = augment(phases, known, inputs, STILL, torch.Generator())
    torch.testing.assert_close(found, phases, atol=1e-4, rtol=0)
    torch.testing.assert_close(has_offset, known)


def test_an_unknown_second_phase_is_never_made_the_first() -> None:
    always = Variation(
        mirror=0, reverse=1, drop_phase=0, turn_rad=0, scale_log=0, shift_px=0, gain_log=0
    )
    phases, known = noise("flows"), torch.tensor([1.0, 0.0, 1.0])
    found, *_ = augment(phases, known, "flows", always, torch.Generator())
    torch.testing.assert_close(found[1], phases[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(found[0, 0], -phases[0, 1], atol=1e-4, rtol=0)


def test_channels_are_scaled_on_their_own() -> None:
    phases = noise("flows")
    scaled = replace(STILL, gain_log=0.5)
    found, *_ = augment(phases, torch.ones(3), "flows", scaled, torch.Generator())
    gain = (found / phases).flatten(3)
    torch.testing.assert_close(gain, gain[..., :1].expand_as(gain), atol=1e-2, rtol=1e-2)
    assert len(set(gain[..., 0].flatten().tolist())) == 12
    assert gain.log().abs().max() <= 0.5 + 1e-2


@pytest.mark.parametrize("inputs", PHASE_SHAPES)
def test_the_same_draw_gives_the_same_samples(inputs: Inputs) -> None:
    phases, known = noise(inputs, 8), torch.ones(8)
    drawn = [
        augment(phases, known, inputs, Variation(), torch.Generator().manual_seed(s))
        for s in (1, 1, 2)
    ]
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert torch.equal(drawn[0][1], drawn[1][1])
    assert not torch.equal(drawn[0][0], drawn[2][0])


def test_landmarks_move_with_their_picture() -> None:
    at = torch.tensor([38.0, 27.0])
    how = {
        "mirror": torch.tensor([True]),
        "turn_rad": torch.tensor([0.3]),
        "scale": torch.tensor([1.2]),
        "shift_px": torch.tensor([[3.0, -2.0]]),
    }
    picture = blob(*at.tolist()).expand(1, 2, 5, SIDE, SIDE)
    shown = centre(move(picture, "frames", **how)[0, 1, 2])
    landmarks = (2 * at / SIDE - 1).expand(1, 2, 5, len(TAUGHT_POINTS), 2)
    found = (move_landmarks(landmarks, SIDE, **how) + 1) * SIDE / 2
    np.testing.assert_allclose(found[0, 1, 2, 0], shown, atol=0.15)


def test_a_mirrored_face_has_right_and_left_landmarks_exchanged() -> None:
    still = torch.zeros(1)
    landmarks = torch.randn((1, 2, 5, len(TAUGHT_POINTS), 2), generator=torch.Generator())
    how = {"turn_rad": still, "scale": still + 1, "shift_px": torch.zeros(1, 2)}
    once = move_landmarks(landmarks, SIDE, mirror=torch.tensor([True]), **how)
    left, right = TAUGHT_POINTS.index(263), TAUGHT_POINTS.index(33)
    expected = landmarks[..., left, :] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(once[..., right, :], expected)
    twice = move_landmarks(once, SIDE, mirror=torch.tensor([True]), **how)
    torch.testing.assert_close(twice, landmarks)


def test_landmarks_go_backwards_with_their_frames() -> None:
    always = replace(STILL, reverse=1)
    phases, known = noise("frames", 2), torch.tensor([1.0, 0.0])
    landmarks = torch.randn((2, 2, 5, len(TAUGHT_POINTS), 2), generator=torch.Generator())
    found = augment(phases, known, "frames", always, torch.Generator(), landmarks)[2]
    assert found is not None
    torch.testing.assert_close(found[0, 0, 1], landmarks[0, 1, 3])
    torch.testing.assert_close(found[1], landmarks[1])
