"""The head's motion is told from the face's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.flow.head_motion import remove_head_motion
from model.records import ArrayF32


def axes(size: int) -> tuple[ArrayF32, ArrayF32]:
    axis = np.arange(size, dtype=np.float32) - (size - 1) / 2
    return axis[None, :], axis[:, None]


def head_flow(size: int, u: float, v: float, turn: float, scale: float) -> ArrayF32:
    x, y = axes(size)
    return np.stack([u + scale * x - turn * y, v + scale * y + turn * x]).astype(np.float32)


def brow_raise(size: int, peak_px: float) -> ArrayF32:
    """Both brows up, as a bump around each."""
    px = size / 128
    x, y = axes(size)
    lift = sum(
        np.exp(-(((x - side * 22 * px) / (11 * px)) ** 2 + ((y + 38 * px) / (9 * px)) ** 2) / 2)
        for side in (-1, 1)
    )
    return np.stack([np.zeros((size, size)), -peak_px * lift]).astype(np.float32)


@given(
    u=st.floats(-3, 3),
    v=st.floats(-3, 3),
    turn=st.floats(-0.03, 0.03),
    scale=st.floats(-0.03, 0.03),
    size=st.sampled_from([64, 128, 129, 224]),
)
@settings(max_examples=25, deadline=None)
def test_a_similarity_is_the_head_alone(
    u: float, v: float, turn: float, scale: float, size: int
) -> None:
    residual, head = remove_head_motion(head_flow(size, u, v, turn, scale))
    assert np.abs(residual).max() < 1e-3
    assert head == pytest.approx([u, v, turn, np.log1p(scale)], abs=1e-4)


@pytest.mark.parametrize("size", [64, 128, 224])
def test_an_expression_stays_while_the_head_goes(size: int) -> None:
    expression = brow_raise(size, 1.0 * size / 128)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.03, expression.shape).astype(np.float32)
    residual, head = remove_head_motion(expression + head_flow(size, 1.5, -2.0, 0.01, 0.01) + noise)
    error = np.abs(residual - expression - noise).max()
    assert error < 0.12 * size / 128
    assert head[:2] == pytest.approx([1.5, -2.0], abs=0.1 * size / 128)


def test_nothing_moves_when_nothing_moved() -> None:
    residual, head = remove_head_motion(np.zeros((2, 128, 128), np.float32))
    assert not residual.any()
    assert not head.any()


def test_the_flow_given_is_left_alone() -> None:
    flow = head_flow(64, 1.0, 1.0, 0.0, 0.0)
    before = flow.copy()
    remove_head_motion(flow)
    np.testing.assert_array_equal(flow, before)
