"""The benchmark for GPU machines, as far as a CPU can tell."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from realtime.benchmark.gpu import __main__ as gpu
from realtime.benchmark.gpu import steps
from realtime.benchmark.gpu.pictures import pictures
from realtime.benchmark.gpu.rows import Report

_REPOSITORY = Path(__file__).parents[1]


def test_pairs_move_and_repeat() -> None:
    first, second = pictures((33, 47), 2)
    assert first.shape == second.shape == (2, 33, 47)
    assert first.dtype == np.float32
    assert np.abs(first - second).mean() > 1
    np.testing.assert_array_equal(pictures((33, 47), 2)[1], second)


def test_numbers_are_judged() -> None:
    report = Report("cpu", 10, 64)
    pair = pictures((28, 28), 1)
    assert steps.flow_row(report, "lk", "lk", *pair, 1e-4).endswith("| right |")
    assert steps.flow_row(report, "lk", "lk", *pair, -1.0).endswith("| WRONG |")
    assert steps.finite_row(report, "flat", "lk", pair[0] * 0, pair[0] * 0).endswith("| right |")


def test_tvl1_is_judged_without_opencvs(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = pictures((28, 28), 1)
    flow = steps.load_flow("tvl1", scales=1, warps=1)
    expected = steps.on_the_cpu(flow, *pair)
    monkeypatch.delattr("cv2.optflow")
    np.testing.assert_allclose(steps.on_the_cpu(flow, *pair), expected, atol=1e-4)


def test_what_fails_is_listed_and_the_rest_goes_on() -> None:
    told: list[tuple[str, Any]] = []
    report = Report("cpu", 10, 64, lambda *found: told.append(found))

    def lost(report: object) -> str:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    report.attempt("the first", lost)
    report.attempt("the second", lambda report: "| row |")
    report.until_s = 0.0
    report.attempt("the third", lambda report: "| row |")
    assert report.lines == ["| row |"]
    assert report.left_out == [
        "the first: OutOfMemoryError: CUDA out of memory.",
        "the third: time was up (--minutes)",
    ]
    assert [kind for kind, _ in told] == ["left out", "line", "left out"]


def test_targets_are_met_missed_or_not_run(tmp_path: Path) -> None:
    report = Report("cpu", 10, 64)
    report.add("measured", ("lk, both phases at 224²", 0.29))
    report.add("measured", ("crops to name at 224²", 1.01))
    report.write(tmp_path / "out.md")
    said = (tmp_path / "out.md").read_text(encoding="utf-8").splitlines()
    verdicts = [line.split("|")[-2].strip() for line in said if "≤" in line]
    assert verdicts == ["met", "not run", "not run", "missed", "not run"]


def test_times_are_of_every_call() -> None:
    report = Report("cpu", 12, 32)
    pool = [tuple(map(torch.from_numpy, pictures((32, 32), 2)))]
    row = steps.flow_time(report, "lk, both phases at 224²", "lk", pool)
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:2] == ["lk, both phases at 224²", "p50 ≤ 0.3"]
    assert cells[6] == "12"
    p50, p95, p99, most = map(float, cells[2:6])
    assert 0 < p50 <= p95 <= p99 <= most
    assert report.measured["lk, both phases at 224²"] == pytest.approx(p50, abs=1e-3)


def test_the_live_path_says_what_it_starts_from(tmp_path: Path) -> None:
    report = Report("cpu", 10, 64)
    steps.live_part(report, tmp_path / "faces.npz")
    (said,) = report.left_out
    assert said.startswith("the live path: ")
    assert f"python -m realtime.benchmark.gpu.faces {tmp_path}" in said


def test_a_process_that_dies_costs_the_rest_of_its_part_alone(tmp_path: Path) -> None:
    told: list[tuple[str, Any]] = []
    report = Report("cpu", 10, 64, lambda *found: told.append(found))
    gpu.gather(report, "lk", _dying, tmp_path, 60.0)
    gpu.gather(report, "tvl1", _dying, tmp_path, 0.0)
    assert report.lines == ["| before |"]
    assert report.left_out == [
        "lk, from here on: its process died, exit code 3",
        "tvl1: time was up (--minutes)",
    ]
    assert len(told) == 3


def _dying(report: Report, faces: Path) -> None:
    report.add("line", "| before |")
    os._exit(3)


_BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"mediapipe", "av", "gradio", "onnxruntime", "pyarrow"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())

import realtime.benchmark.gpu.__main__
import model.flow.gpu.lk_kernels, model.flow.gpu.tvl1_kernels
"""


def test_it_needs_no_mediapipe() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _BLOCKED], cwd=_REPOSITORY, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
