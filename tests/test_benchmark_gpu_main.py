"""The benchmark for GPU machines, as far as a CPU can tell."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.engine import ENGINES
from model.engine.onnxruntime_engine import ONNXRuntime
from model.errors import InputError
from model.face.aligned_crop import crop_transform, warp_crop
from model.flow import load_flow
from model.synthetic import FaceNuisance, SyntheticFace
from realtime.benchmark.gpu import __main__ as gpu
from realtime.benchmark.gpu import engines, flows, profiler, training
from realtime.benchmark.gpu.pictures import make_pictures
from realtime.benchmark.gpu.rows import Report

_REPOSITORY = Path(__file__).parents[1]


def test_pairs_move_and_repeat() -> None:
    first, second = make_pictures((33, 47), 2)
    assert first.shape == second.shape == (2, 33, 47)
    assert first.dtype == np.float32
    assert np.abs(first - second).mean() > 1
    np.testing.assert_array_equal(make_pictures((33, 47), 2)[1], second)


def opened(calls: int = 10, size_px: int = 64) -> Report:
    """A report with a table to add to."""
    report = Report("cpu", calls, size_px)
    report.section("table", "what")
    return report


def test_numbers_are_judged() -> None:
    report = opened()
    pair = make_pictures((28, 28), 1)
    flows.add_equality(report, "lk", "lk", *pair, 1e-4)
    flows.add_finiteness(report, "flat", "lk", pair[0] * 0, pair[0] * 0)
    assert [row[-1] for row in report.sections[0].rows] == ["right", "right"]
    assert not report.wrong
    flows.add_equality(report, "lk", "lk", *pair, -1.0)
    assert report.sections[0].rows[-1][-1] == "WRONG"
    assert report.wrong


def test_tvl1_is_judged_without_opencvs(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pictures((28, 28), 1)
    flow = load_flow("tvl1", scales=1, warps=1)
    expected = flows.solve_on_cpu(flow, *pair)
    monkeypatch.delattr("cv2.optflow")
    np.testing.assert_allclose(flows.solve_on_cpu(flow, *pair), expected, atol=1e-4)


def test_what_fails_is_listed_and_the_rest_goes_on() -> None:
    told: list[tuple[str, Any, str]] = []
    report = opened()
    report.say = lambda *found: told.append(found)

    def lost(report: Report) -> None:
        report.row("before")
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    report.attempt("the first", lost)
    report.attempt("the second", lambda report: report.row("after"))
    report.until_s = 0.0
    report.attempt("the third", lambda report: report.row("late"))
    assert report.sections[0].rows == [("before",), ("after",)]
    assert report.left_out == [
        "the first: OutOfMemoryError: CUDA out of memory.",
        "the third: time was up (--seconds)",
    ]
    assert [kind for kind, _, _ in told] == ["row", "left out", "row", "left out"]


def test_targets_are_met_missed_or_not_run(tmp_path: Path) -> None:
    report = opened()
    report.add("measured", ("lk, both phases at 224²", (0.29, "0.020 (17 launches)")))
    report.add("measured", ("crops to name at 224²", (1.01, "")))
    report.write(tmp_path)
    said = (tmp_path / "gpu.md").read_text(encoding="utf-8").splitlines()
    verdicts = [line.split("|")[-2].strip() for line in said if "≤" in line]
    assert verdicts == ["met", "not run", "not run", "missed", "not run"]
    document = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    first = document["targets"][0]
    assert (first["ms"], first["floor"], first["verdict"]) == (0.29, "0.020 (17 launches)", "met")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["gpu.json", "gpu.md"]


def test_a_row_is_the_same_in_both_files(tmp_path: Path) -> None:
    report = opened()
    report.row("a | b", 1.5, 2e-7, None, 3)
    report.note("said below")
    report.write(tmp_path)
    assert "| a / b | 1.500 | 2.0e-07 |  | 3 |" in (tmp_path / "gpu.md").read_text("utf-8")
    (table,) = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["sections"]
    assert table["rows"] == [["a | b", 1.5, 2e-7, None, 3]]
    assert table["notes"] == ["said below"]


def test_times_are_of_every_call() -> None:
    report = opened(calls=12, size_px=32)
    pool = [tuple(map(torch.from_numpy, make_pictures((32, 32), 2)))]
    flows.add_flow_times(report, "lk, both phases at 224²", "lk", pool)
    what, target, p50, p95, p99, most, calls, *on_gpu = report.sections[0].rows[0]
    assert (what, target, calls) == ("lk, both phases at 224²", "p50 ≤ 0.3", 12)
    assert 0 < p50 <= p95 <= p99 <= most
    assert report.measured[what] == (pytest.approx(p50), "")
    assert not any(on_gpu)


def test_an_engine_that_cannot_be_built_says_why_and_the_others_are_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "ENGINES", {name: ENGINES[name] for name in ("onnx", "eager")})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def build(*given: object) -> None:
        raise RuntimeError("no kernel fits\nand more")

    monkeypatch.setattr(ONNXRuntime, "build", build)
    report = Report("cpu", 10, 64)
    engines.engines_part(report)
    (said,) = report.left_out
    assert said.startswith("engine onnx: ")
    assert "no kernel fits" in said
    for section in report.sections:
        assert [row[0] for row in section.rows] == [f"PyTorch {torch.__version__}, FP32"]
    assert report.sections[0].rows[0][-1] == "right"


def test_training_is_measured_by_the_programs_own_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    report = opened()
    monkeypatch.setattr(training, "EPOCHS", 2)
    training.add_training(report, "cpu", 1)
    device, per_s, first, last, _, verdict = report.sections[0].rows[0]
    assert (device, verdict) == ("cpu", "right")
    assert per_s > 0
    assert last < first


def test_faces_that_are_drawn_are_where_the_mesh_would_see_them() -> None:
    face = SyntheticFace(seed=7, fps=30, nuisance=FaceNuisance(noise=0))
    rest = SyntheticFace(seed=7, fps=30, nuisance=FaceNuisance(noise=0, sway=0))
    moved, still = face.head_px(40), rest.head_px(40)
    assert 0.2 < np.linalg.norm(moved - still, axis=1).max() < 20
    crops = [
        warp_crop(each.image(40), crop_transform(points)).astype(float)[32:96, 32:96]
        for each, points in ((face, moved), (rest, still))
    ]
    there = warp_crop(face.image(40), crop_transform(still)).astype(float)[32:96, 32:96]
    # But for the head's turn, the crop shows nothing of where the head was moved.
    assert np.abs(crops[0] - crops[1]).mean() < 0.5 * np.abs(there - crops[1]).mean()


def test_the_dearest_are_found() -> None:
    report = opened(size_px=32)
    profiler.add_profile(report, "lk")
    rows = report.sections[0].rows
    assert len(rows) == profiler.DEAREST
    spent = [calls * us for _, _, calls, us, _ in rows]
    assert spent == sorted(spent, reverse=True)


def test_a_process_that_dies_costs_the_rest_of_its_part_alone() -> None:
    told: list[tuple[str, Any, str]] = []
    report = Report("cpu", 10, 64, lambda *found: told.append(found))
    gpu.gather(report, "lk", _dying, 60.0)
    gpu.gather(report, "tvl1", _dying, 0.0)
    assert report.sections[0].rows == [("before",)]
    assert report.left_out == [
        "lk, from here on: its process died, exit code 3",
        "tvl1: time was up (--seconds)",
    ]
    assert [kind for kind, _, _ in told] == ["section", "row", "left out", "left out"]


def test_its_processes_find_their_parts_when_it_is_called_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "realtime.benchmark.gpu", "--device", "cpu"]
    command += ["--seconds", "18", "--out", str(tmp_path)]  # enough to begin the first part
    ended = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "| processor |" in ended.stdout
    assert "died" not in ended.stdout


def test_what_cannot_work_is_said_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old").touch()
    new = str(tmp_path / "new")
    for options, said in (
        (["--out", str(tmp_path)], "never overwritten"),
        (["--out", new, "--calls", "0"], "--calls 0: choose 10 or more"),
        (["--out", new, "--seconds", "nan"], "--seconds nan"),
        (["--out", new, "--minutes", "601"], "--seconds 36060"),
        (["--out", new, "--device", "gpu"], "--device gpu"),
    ):
        monkeypatch.setattr(sys, "argv", ["gpu", "--device", "cpu", *options])
        with pytest.raises(InputError, match=said):
            gpu.main()


def _dying(report: Report) -> None:
    report.section("table", "what")
    report.row("before")
    os._exit(3)


_BLOCKED = """
import sys
GONE = {"mediapipe", "ai_edge_litert", "gradio", "onnx", "onnxscript", "onnxruntime",
        "pyarrow", "openpyxl", "sounddevice", "psutil", "fastapi", "uvicorn", "websockets", "av"}
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        gone = name.partition(".")[0] in GONE
        return None if gone else self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(Without, sys.meta_path)
"""
_FLOWS = """
from model.evaluation import flow_comparison as comparison
found = comparison.load_solvers(["lk", "lk, tensors", "opencv farneback"])
comparison.CONDITIONS = comparison.CONDITIONS[:1]
assert len(list(comparison.compare_flows(found, size_px=48, faces=1))) == 3
assert "skimage" not in sys.modules
"""
_TRAINING = """
from pathlib import Path
import model.train, model.evaluate
from model.metrics.checkpoint_scores import measure_checkpoint
from model.synthetic.stored_samples import open_pairs
from model.training.loop import fit
from model.training.recipe import Recipe
pairs = open_pairs(8, seed=3, flow="lk", cache=Path("."), workers=1, view="mixed", chunk=8)
out = Path("trained.safetensors")
fit(Recipe("fmanet", epochs=1, batch=4), pairs, pairs, out)
assert 0 <= measure_checkpoint(out, pairs, "cpu")["uf1"] <= 1
"""
_PROGRAMS = {
    "the benchmark": "import realtime.benchmark.gpu.__main__",
    "kernels": "import model.flow.gpu.lk_kernels, model.flow.gpu.tvl1_kernels",
    "drawn faces": "from realtime.benchmark.gpu.faces import draw; assert len(draw(0.1)) == 3",
    "flow comparison": _FLOWS,
    "training": _TRAINING,
}


@pytest.mark.parametrize("name", _PROGRAMS)
def test_a_machine_for_training_needs_no_face_networks(name: str, tmp_path: Path) -> None:
    if name == "kernels" and find_spec("triton") is None:
        pytest.skip("Triton is not installed (Linux only)")
    environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY), "XDG_CACHE_HOME": str(tmp_path)}
    # Crops to train on are compressed as video.
    program = ("GONE.remove('av')\n" if name == "training" else "") + _PROGRAMS[name]
    command = [sys.executable, "-c", _BLOCKED + program]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
