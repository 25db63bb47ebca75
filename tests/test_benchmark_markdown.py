"""Targets judged, and documents written, from reports."""

from pathlib import Path
from typing import Any

import pytest

from model.errors import InputError
from realtime.benchmark.markdown import BEGIN, END, markdown, write_into
from realtime.benchmark.targets import START, TARGETS, judged
from realtime.benchmark.verdict import overall

TAIL = {"p50": 4.0, "p95": 6.0, "p99": 8.0, "p999": None, "max": 9.0, "n": 600, "intervals": {}}
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
        "stages_ms": {"wait": {"mean": 0.5}, "face": {"mean": 3.0}, "motion": {"mean": 1.0}},
        "decision_ms": {s: {"look_ahead": FEW, "whole": FEW} for s in ("early", "confirmed")},
        "processor": {"cores": 0.8, "others": 0.0},
        "memory": {"most_mb": 700.0},
        "analysed_per_s": 260.0,
        "keeps_up": not dropped,
    }


def report(*loads: dict[str, Any], page: bool = False, **more: Any) -> dict[str, Any]:
    versions = {"python": "3.11.7", "torch": "2.13.0"}
    facts = {"machine": "4 cores", "system": "Linux", "versions": versions, "at": "2026-01-02T03"}
    facts |= {"commit": "0123456789abcdef+", "command": "python -m realtime.benchmark"}
    alone = {"engine": "PyTorch", **dict.fromkeys(("flow", "classify", "whole"), TAIL)}
    start = {"first": None, "warm": {"first_result_s": 4.0, "imported_s": 2.0}}
    found = {"facts": facts, "page": page, "slowed": None, "model_only_ms": alone, "start": start}
    return {**found, "loads": list(loads), **more}


def met(*reports: dict[str, Any]) -> dict[str, bool | None]:
    return {found.what: found.met for found in judged(reports)}


def test_each_target_is_judged_by_the_load_that_it_speaks_of() -> None:
    assert set(met(report(start=None)).values()) == {None}
    paged = report(load(640, 60), page=True, start=None)
    plain = report(load(640, 60), load(640, 200), load(1280, 60))
    assert set(met(plain, paged).values()) == {True}
    without_page = met(plain)
    assert without_page[TARGETS[0].what] is None
    assert sum(value is True for value in without_page.values()) == 4


def test_a_missed_target_says_what_holds_it() -> None:
    reports = [report(load(640, 200, p99=None, dropped=30), load(1280, 60, dropped=1))]
    found = {f.what: f for f in judged(reports)}
    assert found[TARGETS[1].what].met is False
    assert "p99 ∞ ms, 30 dropped" in found[TARGETS[1].what].measured
    assert "face 3.0" in found[TARGETS[1].what].held_by
    assert found[TARGETS[2].what].met is False


def test_a_run_slowed_on_purpose_judges_nothing_and_a_slow_start_is_told() -> None:
    slowed = report(load(640, 200), slowed={"stage": "face", "ms": 5}, start=None)
    assert set(met(slowed).values()) == {None}
    start = {"first": None, "warm": {"first_result_s": 7.0, "imported_s": 6.0}}
    late = next(f for f in judged([report(start=start)]) if f.what == START)
    assert (late.met, late.held_by) == (False, "6.0 s of it import modules")


def test_figures_go_where_the_document_wants_them(tmp_path: Path) -> None:
    text = markdown([report(load(640, 60)), report(load(640, 60), page=True)])
    assert "| 640×480 at 60 fps, page open | 4.0 | 6.0 | 8.0 | – | 9.0 | 600 |" in text
    assert "commit `0123456789ab` with changes" in text
    assert "not quiet" not in text
    path = tmp_path / "doc.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        write_into(path, text)
        written = path.read_text()
        assert written == f"before\n{BEGIN}\n\n{text}\n{END}\nafter\n"
    path.write_text("no place")
    with pytest.raises(InputError, match="has no place"):
        write_into(path, text)
    with pytest.raises(InputError, match="cannot be read"):
        write_into(tmp_path / "none.md", text)


def test_a_machine_that_was_busy_otherwise_is_told() -> None:
    busy = load(640, 60)
    busy["processor"]["others"] = 2.0
    assert "During 640×480 at 60 fps the machine was not quiet" in markdown([report(busy)])


def test_the_first_sentence_says_what_is_kept_up_with_and_what_is_not() -> None:
    said = overall([load(640, 30), load(640, 60), load(640, 200, dropped=9)], "4 cores")
    assert said.startswith("On 4 cores: keeps up with 60 fps at 640×480 with 8.0 ms p99; ")
    assert "does not keep up with 200 fps at 640×480: a frame needs" in said
    few = load(640, 30)
    few["latency_ms"] = {**TAIL, "p99": None, "n": 60}
    assert "with 6.0 ms p95" in overall([few], "4 cores")
    silent = load(640, 30)
    silent["frames"]["due"] = 0
    silent["keeps_up"] = False
    assert overall([silent], "4 cores") == "On 4 cores: nothing was delivered."
