"""The benchmark as a whole, on the real program: what it writes, and that nothing can hide."""

import math
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from slow_stages import slow_down

from model.cli import new_folder
from model.errors import InputError
from realtime.benchmark.__main__ import main
from realtime.benchmark.browser import BROWSERS, keep_priorities, watch_page
from realtime.benchmark.figures import compute_figures
from realtime.benchmark.findings import judge_load
from realtime.benchmark.floor import FLOOR
from realtime.benchmark.live_load import LoadResult, measure_load
from realtime.benchmark.percentiles import format_percentile
from realtime.benchmark.plan import parse_rates, parse_sizes, plan_loads
from realtime.benchmark.report import LIVE_FORMAT, read_report
from realtime.benchmark.run import run
from realtime.benchmark.samples import STAGES, read_samples
from realtime.benchmark.unloaded_speed import time_networks
from realtime.config import LiveConfig

FPS = 40.0


def config(untrained: Path, seconds: float, fps: float = FPS) -> LiveConfig:
    return LiveConfig(
        source="loop:demo",
        width=320,
        height=240,
        fps=fps,
        seconds=seconds,
        device="cpu",
        engine="eager",
        classifier=str(untrained),
    )


@pytest.fixture(scope="module")
def written(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark")
    both = (config(untrained, 1.5), config(untrained, 1.0, 20.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("realtime.benchmark.unloaded_speed.RUNS", 30)
        patch.setattr("realtime.benchmark.floor.SECONDS", 0.2)
        usual = {"deadline_ms": 30.0, "start": False, "analysis_s": 0.3}
        run(both, folder, ["--out", "r"], record=True, **usual)  # type: ignore[arg-type]
    return folder


def test_all_that_was_promised_is_in_the_report(written: Path) -> None:
    report = read_report(written, LIVE_FORMAT)
    assert report["format"] == "fmanet-live benchmark 1"
    assert {"facts", "loads", "model_only_ms", "start", "verdict", "page"} < set(report)
    facts = report["facts"]
    for name in ("machine", "system", "cores", "versions", "commit", "weights", "command", "at"):
        assert facts[name]
    assert len(facts["weights"]["sha256"]) == 64
    first, second = report["loads"]
    assert (first["width"], first["height"], first["fps"]) == (320, 240, pytest.approx(FPS))
    assert second["fps"] == pytest.approx(20.0)
    assert set(STAGES[:4]) <= set(first["stages_ms"])
    assert first["deadline"]["ms"] == 30.0
    assert set(first["decision_ms"]["confirmed"]) == {"look_ahead", "after", "whole"}
    assert {"cores", "children", "others", "gpu_w"} <= set(first["processor"])
    assert first["memory"]["most_mb"] > 10
    assert len(first["parts"]) == 10
    for load in report["loads"]:  # each frame in one piece
        assert sum(part["n"] for part in load["parts"]) == load["frames"]["due"]
    assert first["analysed_per_s"] > 0
    assert first["recorded"]["frames"] == first["recorded"]["due"] > first["frames"]["due"]
    assert first["step_ms"]["n"] == first["frames"]["with_face"]
    assert {*FLOOR, "OpenCV DIS", "OpenCV Farneback"} <= set(report["floor_ms"])
    assert not [path for path in written.iterdir() if path.is_dir()]  # no recording is left
    assert set(report["model_only_ms"]) == {"engine", "flow", "classify", "whole"}
    assert isinstance(first["keeps_up"], bool)


def test_networks_that_are_slow_are_measured_for_some_seconds(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.benchmark.unloaded_speed.LONGEST_S", 0.0)
    found = time_networks(config(untrained, 1))
    assert found["whole"]["n"] == 1
    assert found["whole"]["max"] > 0
    assert found["whole"]["p95"] is None  # one value has no tail


def test_the_percentiles_are_those_of_the_raw_values(written: Path) -> None:
    """Computed once more from the table alone, by another formula."""
    table = read_samples(written / "samples.parquet")
    for number, load in enumerate(read_report(written, LIVE_FORMAT)["loads"]):
        mine = table.filter(pc.and_(pc.equal(table["load"], number), table["measured"]))
        assert load["frames"]["due"] == len(mine) == round(load["fps"] * load["seconds"])
        latencies = mine["latency_ms"].to_pylist()
        _agree(load["latency_ms"], [math.inf if ms is None else ms for ms in latencies])
        for name, found in load["stages_ms"].items():
            values = [ms for ms in mine[f"{name}_ms"].to_pylist() if ms is not None]
            _agree(found, values)
            assert found["mean"] == pytest.approx(np.mean(values))
        missed = sum(ms is None or ms > 30 for ms in latencies)
        assert load["deadline"]["misses"] == missed
        assert load["frames"]["analysed"] == sum(ms is not None for ms in latencies)


def _agree(found: dict[str, Any], values: list[float]) -> None:
    ordered = sorted(values)
    assert found["n"] == len(values)
    for name, p, fewest in (("p50", 50, 2), ("p95", 95, 20), ("p99", 99, 100)):
        wanted = ordered[math.ceil(len(ordered) * p / 100) - 1]
        if len(values) < fewest or math.isinf(wanted):
            assert found[name] is None
        else:
            assert found[name] == wanted
    assert found["max"] == (None if math.isinf(ordered[-1]) else ordered[-1])


def test_a_frame_takes_at_least_as_long_as_its_stages(written: Path) -> None:
    table = read_samples(written / "samples.parquet")
    table = table.filter(pc.is_valid(table["latency_ms"]))
    ms = {n: np.nan_to_num(table[f"{n}_ms"].to_numpy()) for n in ("wait", "face", "motion", "spot")}
    # The next frame's face is looked for while it waits for this one, so the two overlap.
    alone = np.maximum(ms["wait"], ms["face"]) + ms["motion"] + ms["spot"]
    assert (table["latency_ms"].to_numpy() >= alone - 1e-6).all()


def test_the_page_holds_the_verdict_each_span_and_the_course_of_time(written: Path) -> None:
    page = (written / "report.md").read_text(encoding="utf-8")
    report = read_report(written, LIVE_FORMAT)
    assert report["verdict"] in page
    for load in report["loads"]:
        assert f"## {load['name']}" in page
        motion = next(row for row in page.splitlines() if row.startswith("| motion |"))
        assert (
            format_percentile(report["loads"][0]["stages_ms"]["motion"], "p50", interval=True)
            in motion
        )
    assert page.count("| from s |") == 2
    assert "640×480 at 60 fps, recorded as H.264, page open" in page
    assert "| **floor**, the sum of its parts" in page


def slowly(untrained: Path, how: AbstractContextManager[None]) -> tuple[LoadResult, dict[str, Any]]:
    with how:
        measured = measure_load(config(untrained, 1.5), 0, warm_up_s=0.25)
    return measured, compute_figures(measured, None)


def measured_rows(measured: LoadResult) -> pa.Table:
    return measured.table.filter(measured.table["measured"])


def test_a_slowed_stage_shows_as_misses_and_in_its_own_row(untrained: Path) -> None:
    extra_ms = 2e3 / FPS
    measured, found = slowly(untrained, slow_down("motion", extra_ms))
    assert len(measured.table) == measured.snapshot.captured  # no frame is unaccounted for
    stages = found["stages_ms"]
    assert stages["motion"]["p50"] >= extra_ms
    assert stages["spot"]["p50"] < extra_ms
    assert stages["face"]["p50"] < extra_ms
    assert stages["motion"]["mean"] == max(s["mean"] for n, s in stages.items() if n != "wait")
    assert found["deadline"]["share"] > 0.9
    assert not found["keeps_up"]
    # Two frames come in the time of one: the wait grows, until the program leaves frames out.
    assert pc.max(measured.table["wait_ms"]).as_py() >= 10 * extra_ms
    said = judge_load(found)
    assert "does not keep up" in said
    assert "motion" in said.partition("on one thread")[2].partition(",")[0]


def test_a_stalled_program_cannot_look_fast(untrained: Path) -> None:
    """Coordinated omission: in a stall of 20 frames' time only one frame is slow by itself, and
    who waited for each result before taking the next frame would see one slow frame."""
    stall_ms = 20e3 / FPS
    measured, found = slowly(untrained, slow_down("face", stall_ms, every=40))
    rows = measured_rows(measured)
    by_itself = sum(ms >= stall_ms for ms in rows["face_ms"].to_pylist())
    assert 1 <= by_itself <= 2
    late = [ms is None or ms >= stall_ms / 4 for ms in rows["latency_ms"].to_pylist()]
    assert sum(late) >= 15 * by_itself
    assert found["deadline"]["longest_streak"] >= 15
    assert found["latency_ms"]["p95"] >= stall_ms / 4
    assert found["stages_ms"]["face"]["p50"] < stall_ms / 4


def test_loads_are_every_rate_at_every_size_from_memory(untrained: Path) -> None:
    found = plan_loads(
        LiveConfig(source="demo", seconds=2), (30.0, 60.0), ((640, 480), (1280, 720))
    )
    assert {(c.width, c.fps) for c in found} == {(w, f) for w in (640, 1280) for f in (30.0, 60.0)}
    assert {c.source for c in found} == {"loop:demo"}
    (camera,) = plan_loads(LiveConfig(source="0", seconds=2), (None,), ((640, 480),))
    assert (camera.source, camera.fps) == ("0", None)
    with pytest.raises(InputError, match="browser"):
        plan_loads(LiveConfig(source="browser", seconds=2), (None,), ((640, 480),))


@pytest.mark.parametrize("text", ["", "30,,60", "fast", "30,30"])
def test_rates_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--fps"):
        parse_rates(text)


@pytest.mark.parametrize("text", ["", "640", "640x", "640x480,640x480", "-1x4"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--size"):
        parse_sizes(text)


def test_what_cannot_work_is_said_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for option, value in (("--seconds", "0.5"), ("--deadline-ms", "-1")):
        command = ["benchmark", f"{option}={value}", "--out", str(tmp_path / "new")]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(InputError, match=option):
            main()
    (tmp_path / "old").touch()
    with pytest.raises(InputError, match="never overwritten"):
        new_folder(tmp_path)
    with pytest.raises(InputError, match=r"report\.json"):
        read_report(tmp_path, LIVE_FORMAT)


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of Linux")
def test_a_browser_of_the_benchmark_cannot_outrank_the_program_even_as_root() -> None:
    def raise_in_child() -> str:
        keep_priorities()
        code = "import os; os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(0, 0) - 5)"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr

    with ThreadPoolExecutor(1) as alone:  # the rest of the tests keep what they may
        assert "PermissionError" in alone.submit(raise_in_child).result()


@pytest.mark.browser
@pytest.mark.skipif(
    not any(shutil.which(name) for name in BROWSERS), reason="needs chromium or google-chrome"
)
def test_with_a_page_open_frames_are_followed_to_the_screen(untrained: Path) -> None:
    measured = measure_load(config(untrained, 2.0), 0, warm_up_s=1.0, around=watch_page)
    stages = compute_figures(measured, None)["stages_ms"]
    assert {"encode", "send", "paint", "painted"} <= set(stages)
    rows = measured_rows(measured)
    seen = rows.filter(pc.is_valid(rows["painted_ms"]))
    assert len(seen) > 5
    format_percentile = sum(
        seen[f"{name}_ms"].to_numpy() for name in ("latency", "encode", "paint")
    )
    # The browser's clock is known to a few ms.
    assert (seen["painted_ms"].to_numpy() > format_percentile - 30).all()
