"""The benchmark for GPU machines, as far as a CPU can tell."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import gpu


def test_pairs_move_and_repeat() -> None:
    first, second = gpu.pictures((33, 47), 2)
    assert first.shape == second.shape == (2, 33, 47)
    assert first.dtype == np.float32
    assert np.abs(first - second).mean() > 1
    np.testing.assert_array_equal(gpu.pictures((33, 47), 2)[1], second)


def test_numbers_are_judged() -> None:
    report = gpu.Report("cpu", 10, 64)
    pair = gpu.pictures((28, 28), 1)
    assert gpu.flow_row(report, "lk", "lk", *pair, 1e-4).endswith("| right |")
    assert gpu.flow_row(report, "lk", "lk", *pair, -1.0).endswith("| WRONG |")
    assert gpu.finite_row(report, "flat", "lk", pair[0] * 0, pair[0] * 0).endswith("| right |")


def test_what_fails_is_listed_and_the_rest_goes_on() -> None:
    report = gpu.Report("cpu", 10, 64)

    def lost(report: object) -> str:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    report.attempt("the first", lost)
    report.attempt("the second", lambda report: "| row |")
    assert report.lines == ["| row |"]
    assert report.left_out == ["the first: OutOfMemoryError: CUDA out of memory."]


def test_times_are_of_every_call() -> None:
    report = gpu.Report("cpu", 12, 32)
    flows = [tuple(map(torch.from_numpy, gpu.pictures((32, 32), 2)))]
    row = gpu.flow_time(report, "lk, both phases", "lk", "≤ 0.3", flows, None)
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:2] == ["lk, both phases", "≤ 0.3"]
    assert cells[6] == "12"
    p50, p95, p99, most = map(float, cells[2:6])
    assert 0 < p50 <= p95 <= p99 <= most
