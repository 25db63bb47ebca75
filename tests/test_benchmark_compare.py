"""Two benchmarks: slower, faster, or the same."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import InputError
from model.records import ArrayF64, Frame, Stamp, Step
from realtime.benchmark.compare import WHOLE, compare_reports, compare_series, describe
from realtime.benchmark.report import LIVE_FORMAT, SAMPLES, write_json
from realtime.benchmark.samples import ResultLog, tabulate_frames, write_samples

IMAGE = np.zeros((16, 16, 3), np.uint8)
SECONDS, FPS = 20, 50


def spread(scale: float, seed: int, n: int = SECONDS * FPS) -> ArrayF64:
    return scale * np.random.default_rng(seed).lognormal(1, 0.3, n)


def found(before: ArrayF64, after: ArrayF64) -> dict[float, str]:
    return {r.percent: r.change for r in compare_series("load", WHOLE, before, after, SECONDS, 0.1)}


def test_noise_is_the_same_and_a_clear_change_is_not() -> None:
    before = spread(1, 0)
    assert set(found(before, spread(1, 1)).values()) == {"same"}
    assert set(found(before, spread(1.5, 1)).values()) == {"slower"}
    assert set(found(spread(1.5, 1), before).values()) == {"faster"}


def test_a_change_of_the_tail_alone_is_seen_in_the_tail_alone() -> None:
    after = spread(1, 1)
    after[::8] *= 20
    assert found(spread(1, 0), after) == {50.0: "same", 95.0: "slower", 99.0: "slower"}


def test_frames_that_are_never_analysed_any_more_are_slower() -> None:
    after = spread(1, 1)
    after[::5] = math.inf
    changes = found(spread(1, 0), after)
    assert changes[95.0] == changes[99.0] == "slower"
    assert set(found(after, after).values()) == {"same"}


def test_too_few_values_say_nothing() -> None:
    assert compare_series("load", "flow", spread(1, 0, 5), spread(9, 1, 5), SECONDS, 0.1) == []


def write(folder: Path, done_after_ms: float, **changed: Any) -> Path:
    """A benchmark of one load, whose frames take about that long."""
    folder.mkdir()
    log = ResultLog()
    for index, ms in enumerate(spread(done_after_ms, 3)):
        frame = Frame(Stamp(index, index / FPS), IMAGE, index / FPS)
        log.add(Step(frame, None, None, None, (), {"face": float(ms)}), waited_ms=1.0)
        log.rows[index]["latency_ms"] = float(ms)
    write_samples(folder / SAMPLES, [tabulate_frames(log, 0, 0.0)])
    load = {"name": "one", "source": "demo", "width": 640, "height": 480, "fps_asked": FPS}
    load |= {"seconds": SECONDS, **changed}
    facts = {"machine": changed.get("machine", "this")}
    write_json(folder, LIVE_FORMAT, {"facts": facts, "loads": [load]})
    return folder


def test_two_folders_are_compared_span_by_span(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", 1.0), write(tmp_path / "b", 2.0)
    shutil.copytree(a, tmp_path / "again")
    same = compare_reports(a, tmp_path / "again")
    assert {r.ratio for r in same} == {1.0}
    assert "not slower" in describe(same, 0.1)
    slower = compare_reports(a, b)
    assert {r.span for r in slower if r.change == "slower"} == {WHOLE, "face"}
    assert {r.change for r in slower if r.span == "wait"} == {"same"}
    assert all(r.low <= r.ratio <= r.high for r in slower)
    assert describe(slower, 0.1).splitlines()[-1].startswith("slower: 6 of 9 ratios")


def test_what_does_not_compare_is_refused(tmp_path: Path) -> None:
    a = write(tmp_path / "a", 1.0)
    with pytest.raises(InputError, match="compare runs of the same machine"):
        compare_reports(a, write(tmp_path / "b", 1.0, machine="that"))
    with pytest.raises(InputError, match="no load in common"):
        compare_reports(a, write(tmp_path / "c", 1.0, width=1280))
    with pytest.raises(InputError, match="cannot be read"):
        compare_reports(a, tmp_path / "none")
    with pytest.raises(InputError, match="--tolerance"):
        compare_reports(a, a, -0.5)
