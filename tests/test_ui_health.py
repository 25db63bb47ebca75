"""The Health tab: its light and words, and the figures it is sent."""

from dataclasses import replace
from types import MappingProxyType

import pytest
from fakes import FakeClock
from fastapi import FastAPI
from fastapi.testclient import TestClient

from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.results.snapshot import Snapshot
from realtime.stream.latency import LatencySummary
from realtime.ui.health import (
    STAGE_NAMES,
    MachineLoad,
    build_health_routes,
    describe_health,
    judge_speed,
)

FAST = LatencySummary(4.0, 6.0, 9.0, 12.0, 15.0, 900)


def snapshot() -> Snapshot:
    session = LiveSession(LiveConfig(source="demo", device="cpu"))
    return replace(
        session.snapshot(),
        state="running",
        fps_measured=50.0,
        captured=900,
        analysed=900,
        frame_to_result=FAST,
        stages=MappingProxyType(dict.fromkeys(("motion", "wait", "face", "paint"), FAST)),
    )


@pytest.mark.parametrize(
    ("changes", "light", "words"),
    [
        ({}, "green", "Keeps up with 50.0 fps: 99 % of results come within 9.0 ms"),
        (
            {"fps_measured": 200.0},
            "amber",
            "1 % of frames take over 9.0 ms (5.0 ms available)",
        ),
        ({"dropped": {"pipeline behind": 7}}, "red", "7 of 900 frames were left out"),
        ({"dropped": {"recorder first": 7}}, "red", "7 of 900 frames were left out"),
        ({"dropped": {"paused": 7}}, "green", "Keeps up"),
        ({"analysed": 3}, "", "Starting"),
        ({"state": "stopped"}, "", "Not running"),
    ],
)
def test_the_light_says_whether_it_keeps_up(
    changes: dict[str, object], light: str, words: str
) -> None:
    found = judge_speed(replace(snapshot(), **changes))  # type: ignore[arg-type]
    assert found[0] == light
    assert words in found[1]


def test_spans_come_in_the_order_of_a_frame_and_only_where_there_are_any() -> None:
    spans = describe_health(snapshot())["spans"]
    order = [STAGE_NAMES[name] for name in ("wait", "face", "motion", "paint")]
    assert [span["words"] for span in spans] == ["frame due → result", *order]
    assert spans[0] == {
        "words": "frame due → result",
        "whole": True,
        "due_ms": 20.0,
        "p50": 4.0,
        "p95": 6.0,
        "p99": 9.0,
        "p999": 12.0,
        "max": 15.0,
        "n": 900,
    }


def test_the_tab_is_sent_the_machine_too() -> None:
    app = FastAPI()
    app.include_router(build_health_routes(LiveSession(LiveConfig(source="demo", device="cpu"))))
    answer = TestClient(app).get("/live/health").json()
    assert answer["verdict"] == "Not running"
    assert answer["memory_mb"] > 10
    assert answer["cores"] is None  # nothing is known before a second has passed
    assert answer["machine_percent"] is None
    assert answer["cores_all"] >= 1
    assert answer["spans"] == []


def test_the_load_is_that_of_a_second_whoever_asks() -> None:
    clock, machine = FakeClock(), [0.0, 0.0]
    load = MachineLoad(clock.now, lambda: (machine[0], machine[1]))
    clock.wait(0.5)
    machine[:] = 1.0, 1.0  # a page that asks at once must not make it 100 %
    assert load.read()["machine_percent"] is None
    clock.wait(1.5)
    machine[:] = 3.0, 8.0
    assert load.read()["machine_percent"] == 37.5
    clock.wait(0.01)
    assert load.read()["machine_percent"] == 37.5
    clock.wait(2.0)  # the system does not count
    assert load.read()["machine_percent"] is None
    assert load.read()["cores"] is not None
