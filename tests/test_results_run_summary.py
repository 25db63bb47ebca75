"""The summary: every field that is promised, plain JSON, nothing overwritten."""

import json
from pathlib import Path

import pytest

from model.errors import InputError
from model.records import Event, EventState, Prediction, Stamp, Window
from realtime.config import LiveConfig
from realtime.results.results import Results
from realtime.results.run_summary import (
    check_new,
    config_record,
    event_record,
    summarise_run,
    write_summary,
)
from realtime.results.snapshot import take_snapshot
from realtime.sources import SourceStatus
from realtime.stream.counters import CaptureCounter


def event(number: int, state: EventState) -> Event:
    window = Window(Stamp(3, 0.1), Stamp(6, 0.2), Stamp(12, 0.4), 2.0)
    probabilities = {"negative": 0.25, "positive": 0.75}
    prediction = Prediction("positive", probabilities, {"AU12": 0.9}, "fmanet")
    return Event(number, state, window, prediction, "", Stamp(13, 0.45))


def document() -> dict[str, object]:
    captured = CaptureCounter()
    for index in range(31):
        captured.take(Stamp(index, index / 30))
    captured.pause_frames = 2
    results = Results()
    results.drop("pipeline behind", 3)
    status = SourceStatus("ended", "", 31, 30.0, {"buffer full": 4}, {"damaged": 1})
    snapshot = take_snapshot(
        results.counts(),
        captured,
        status,
        config=LiveConfig(),
        info=None,
        state="ended",
        run=1,
        message="",
        fps_measured=captured.fps(),
        device="cpu",
        engine="PyTorch, FP32",
    )
    events = [event(0, "withdrawn"), event(1, "confirmed"), event(2, "early")]
    return summarise_run(snapshot, events, LiveConfig(auth=("user", "secret")), truth=())


def test_it_has_what_is_promised() -> None:
    summary = document()
    assert summary["frames"] == {
        "captured": 31,
        "analysed": 0,
        "with_face": 0,
        "dropped": {"pipeline behind": 3, "paused": 2, "buffer full": 4, "damaged": 1},
    }
    assert summary["fps_measured"] == pytest.approx(30)
    assert summary["events"] == [
        {
            "onset_s": 0.1,
            "apex_s": 0.2,
            "offset_s": 0.4,
            "kind": "micro",
            "me_probability": None,
            "label": "positive",
            "probabilities": {"negative": 0.25, "positive": 0.75},
            "action_units": {"AU12": 0.9},
        }
    ]
    latency = summary["latency_ms"]
    assert isinstance(latency, dict)
    assert latency["frame_to_result"].keys() == {"p50", "p95", "p99", "p999", "max", "n"}
    assert latency["decision"].keys() == latency["frame_to_result"].keys()
    assert latency["stages"] == {}
    versions = summary["versions"]
    assert isinstance(versions, dict)
    assert {"python", "numpy", "ai-edge-litert", "fmanet-live"} <= versions.keys()
    assert summary["truth"] == []
    assert "secret" not in json.dumps(summary)


def test_only_a_confirmed_event_is_a_result() -> None:
    with pytest.raises(ValueError, match="not confirmed"):
        event_record(event(0, "early"))


def test_it_is_read_back_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    check_new(path)
    write_summary(path, document())
    assert json.loads(path.read_text("utf-8")) == document()
    with pytest.raises(InputError, match=r"exists.*another name"):
        check_new(path)
    with pytest.raises(InputError, match=r"out\.json"):
        write_summary(path, {})
    assert json.loads(path.read_text("utf-8")) == document()


def test_a_folder_that_is_not_there_is_said_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        check_new(tmp_path / "absent" / "out.json")


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_summary(tmp_path / "out.json", {"fps": float("nan")})


def test_a_cameras_password_is_not_written_down() -> None:
    config = LiveConfig(source="rtsp://admin:secret@192.0.2.7/1")
    assert config_record(config)["source"] == "rtsp://192.0.2.7/1"
    snapshot = take_snapshot(
        Results().counts(),
        CaptureCounter(),
        None,
        config=config,
        info=None,
        state="stopped",
        run=1,
        message="",
        fps_measured=None,
        device="cpu",
        engine="",
    )
    assert snapshot.source == "rtsp://192.0.2.7/1"
