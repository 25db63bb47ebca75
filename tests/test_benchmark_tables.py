"""Targets judged, and documents written, from reports."""

from pathlib import Path
from typing import Any

import pytest

from model.errors import InputError
from realtime.benchmark.findings import judge_load
from realtime.benchmark.floor import FLOOR
from realtime.benchmark.tables import BEGIN, END, format_document, write_into
from realtime.benchmark.targets import START, TARGETS, judge_targets

TAIL = {"p50": 4.0, "p95": 6.0, "p99": 8.0, "p999": None, "max": 9.0, "n": 600, "intervals": {}}
FULL = {"frames": 720, "due": 720}
FEW = {"p50": 80.0, "p95": None, "max": 90.0, "n": 4}


def load(width: int, fps: float, *, p99: float | None = 8.0, dropped: int = 0) -> dict[str, Any]:
    return {
        "name": f"{width}×480 at {fps:g} fps",
        "width": width,
        "height": 480,
        "fps": fps,
        "fps_asked": fps,
        "frames": {"due": 600, "analysed": 600 - dropped, "dropped": {"behind": dropped}},
        "latency_ms": {**TAIL, "p99": p99},
        "deadline": {"ms": 1e3 / fps, "misses": dropped, "share": dropped / 600},
        "stages_ms": {
            "wait": {"mean": 0.5},
            "face": {"mean": 3.0},
            "motion": {"mean": 1.0},
            "painted": {**TAIL, "mean": 5.0},
        },
        "step_ms": {**TAIL, "p50": 2.5, "p95": 4.0},
        "decision_ms": {s: {"look_ahead": FEW, "whole": FEW} for s in ("early", "confirmed")},
        "processor": {"cores": 0.8, "others": 0.0},
        "memory": {"most_mb": 700.0},
        "analysed_per_s": 410.0,
        "keeps_up": not dropped,
    }


def report(*loads: dict[str, Any], page: bool = False, **more: Any) -> dict[str, Any]:
    versions = {"python": "3.11.7", "torch": "2.13.0"}
    facts = {"machine": "4 cores", "system": "Linux", "versions": versions, "at": "2026-01-02T03"}
    facts |= {"commit": "0123456789abcdef+", "command": "python -m realtime.benchmark"}
    alone = {"engine": "PyTorch", **dict.fromkeys(("flow", "classify", "whole"), TAIL)}
    start = {"first": None, "warm": {"first_result_s": 4.0, "imported_s": 2.0}}
    found = {"facts": facts, "page": page, "model_only_ms": alone, "start": start}
    return {**found, "loads": list(loads), **more}


def met(*reports: dict[str, Any]) -> dict[str, str]:
    return {what: found for what, _, found, _ in judge_targets(reports)}


def test_each_target_is_judged_by_the_load_that_it_speaks_of() -> None:
    assert set(met(report(start=None)).values()) == {"–"}
    plain = report(*(load(640, fps) for fps in (30, 60, 200)), load(1280, 60), load(1920, 60))
    paged = report(load(640, 60), page=True, start=None)
    recorded = report({**load(640, 60), "recorded": FULL}, page=True, start=None)
    assert set(met(plain, paged, recorded).values()) == {"yes"}
    unseen = {what for what, found in met(plain).items() if found == "–"}
    assert unseen == {target.what for target in TARGETS if target.page}


@pytest.mark.parametrize(
    ("worse", "missed"),
    [
        ({"step_ms": {**TAIL, "p50": 3.1, "p95": 4.0}}, "step p50 ≤ 3 ms"),
        ({"step_ms": {**TAIL, "p50": 2.9, "p95": 4.6}}, "step p50 ≤ 3 ms"),
        ({"step_ms": {**TAIL, "p50": None}}, "step p50 ≤ 3 ms"),
        ({"latency_ms": {**TAIL, "p99": 8.1}}, "p99 ≤ 8 ms"),
        ({"frames": {"due": 9, "dropped": {"behind": 1}}}, "p99 ≤ 8 ms, none dropped"),
        ({"analysed_per_s": 399.0}, "frames a second"),
        ({"decision_ms": {"confirmed": {"whole": {**FEW, "p50": 91.0}}}}, "decision p50"),
    ],
)
def test_each_figure_of_a_target_counts(worse: dict[str, Any], missed: str) -> None:
    found = met(report({**load(640, 60), **worse}))
    assert [value for what, value in found.items() if missed in what and value != "–"] == ["no"]


def test_a_frame_that_was_not_recorded_counts() -> None:
    lost = {**load(640, 60), "recorded": {"frames": 719, "due": 720}}
    (row,) = (r for r in judge_targets([report(lost, page=True)]) if "recorded as" in r[0])
    assert row[1:3] == ("p99 8.0 ms, 0 dropped, 719 of 720 recorded", "no")


def test_a_cameras_frames_have_no_speed_of_their_own() -> None:
    found = met(report({**load(640, 60), "analysed_per_s": None}))
    assert [value for what, value in found.items() if "frames a second" in what] == ["–"]


def test_only_what_waits_is_said_to_wait() -> None:
    slow = {**load(640, 60), "step_ms": {**TAIL, "p50": 9.0, "p95": 9.0}}
    (row,) = (r for r in judge_targets([report(slow)]) if "step" in r[0])
    assert row[3] == "a frame needs 4.0 ms (face 3.0, motion 1.0)"


def test_a_missed_target_says_what_holds_it() -> None:
    reports = [report(load(640, 200, p99=None, dropped=30), load(1280, 60, dropped=1))]
    found = {what: rest for what, *rest in judge_targets(reports)}
    measured, met_, held_by = found["640×480 at 200 fps: p99 ≤ 10 ms, none dropped"]
    assert (measured, met_) == ("p99 ∞ ms, 30 dropped", "no")
    assert "face 3.0" in held_by
    assert found["1280×720 at 60 fps: p99 ≤ 12 ms, none dropped"][1] == "no"


def test_a_slow_start_says_what_took_so_long() -> None:
    start = {"first": None, "warm": {"first_result_s": 7.0, "imported_s": 6.0}}
    late = next(row for row in judge_targets([report(start=start)]) if row[0] == START)
    assert late[2:] == ("no", "6.0 s of it import modules")


def test_figures_go_where_the_document_wants_them(tmp_path: Path) -> None:
    text = format_document([report(load(640, 60)), report(load(640, 60), page=True)])
    assert "| 640×480 at 60 fps, page open | 4.0 | 6.0 | 8.0 | – | 9.0 | 600 |" in text
    assert "commit `0123456789ab` with changes" in text
    assert "not quiet" not in text
    assert "floor" not in text
    floor = {name: {**TAIL, "p50": 0.5, "p95": 0.6} for name in (*FLOOR, "OpenCV DIS")}
    known = format_document([report(load(640, 60), floor_ms=floor)])
    assert "| face network | 0.50 | 0.60 | part of it |" in known
    assert "| OpenCV DIS | 0.50 | 0.60 | 0.33 |" in known
    assert "| our frame, 640×480 at 60 fps | 2.5 | 4.0 | 1.67 |" in known
    path = tmp_path / "doc.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        write_into(path, text)
        written = path.read_text()
        assert written == f"before\n{BEGIN}\n\n{text}\n{END}\nafter\n"
    path.write_text("no place")
    with pytest.raises(InputError, match="where the tables belong"):
        write_into(path, text)
    with pytest.raises(InputError, match="cannot be read"):
        write_into(tmp_path / "none.md", text)


def test_a_machine_that_was_busy_otherwise_is_told() -> None:
    busy = load(640, 60)
    busy["processor"]["others"] = 2.0
    assert "During 640×480 at 60 fps the machine was not quiet" in format_document([report(busy)])


def test_a_sentence_says_whether_a_load_is_kept_up_with_and_what_holds_it() -> None:
    assert judge_load(load(640, 60)) == (
        "keeps up with 640×480 at 60 fps: p50 4.0, p99 8.0 ms, 0 % late, none dropped"
    )
    said = judge_load(load(640, 200, dropped=9))
    assert said.startswith("does not keep up with 640×480 at 200 fps: 1.5 % late or dropped (9 ")
    assert said.endswith("or for the processor")
    assert "a frame needs 4.0 ms and has 5.0 (face 3.0, motion 1.0)" in said
    silent = load(640, 30)
    silent["frames"]["due"] = 0
    assert judge_load(silent) == "640×480 at 30 fps: the source delivered nothing"
