"""The evidence on which the choice of a flow rests."""

import numpy as np
import pytest

from model.errors import InputError
from model.evaluation.flow_comparison import (
    CONDITIONS,
    FlowCondition,
    compare_flows,
    draw_pair,
    format_tables,
    load_solvers,
)
from model.flow import FLOWS

CLEAN = FlowCondition("bump", 1.0, 0.0, None)


def test_the_truth_moves_the_first_picture_onto_the_second() -> None:
    correlations = []
    for seed in range(8):
        first, second, truth = draw_pair(CLEAN, 128, seed)
        assert np.hypot(*truth).max() == pytest.approx(1, abs=0.02)
        # Where the gradient is strong, brightness constancy holds: I2 − I1 ≈ −∇I · d.
        gradient = np.gradient(first.astype(np.float32))
        expected = -(gradient[1] * truth[0] + gradient[0] * truth[1])
        found = second.astype(np.float32) - first
        correlations.append(np.corrcoef(expected.ravel(), found.ravel())[0, 1])
    # A texture finer than 1 px breaks the linearisation, in one face more than in another.
    assert np.mean(correlations) > 0.85


def test_displacements_scale_with_the_size() -> None:
    _, _, small = draw_pair(CLEAN, 64, seed=5)
    _, _, large = draw_pair(CLEAN, 128, seed=5)
    assert np.hypot(*small).max() == pytest.approx(np.hypot(*large).max() / 2, rel=0.05)


def test_every_flow_and_peer_is_measured_under_every_condition() -> None:
    rows = list(compare_flows(load_solvers(["lk", "opencv dis medium"]), size_px=64, faces=1))
    assert len(rows) == 2 * len(CONDITIONS)
    assert all(np.isfinite([r.error, r.slope, r.correlation, r.ms]).all() for r in rows)
    text = format_tables(rows)
    assert "| lk |" in text
    assert "ms at 64²" in text
    assert "noise 1, JPEG 40 |" in text


def test_an_answer_of_no_motion_has_error_one_and_slope_zero() -> None:
    def still(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.zeros((2, *first.shape), np.float32)

    for row in compare_flows({"still": still}, size_px=48, faces=1):
        assert row.error == pytest.approx(1)
        assert row.slope == 0


def test_all_flows_and_both_peers_are_there_and_others_are_refused() -> None:
    assert {*FLOWS, "lk, tensors", "tvl1, tensors"} < set(load_solvers([]))
    assert {"skimage tvl1", "opencv farneback"} < set(load_solvers([]))
    with pytest.raises(InputError, match='choose from "lk", "dis"'):
        load_solvers(["magic"])
