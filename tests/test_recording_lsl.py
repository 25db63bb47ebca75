"""Streams of a recording, read back by real inlets of liblsl."""

import json
import math
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from test_recording_recorder import DOCUMENT, frame, records

from model.errors import InputError
from model.records import Event, Frame, Prediction, Stamp, Window
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.recording.lsl import (
    PROGRAM,
    MarkerStream,
    Streams,
    check_stream,
    import_pylsl,
    measure_correction_s,
    measure_offset_s,
)
from realtime.recording.notebook import Notebook
from realtime.recording.plan import RecordPlan
from realtime.recording.recorder import SessionRecorder
from realtime.sessions.folder import create_folder
from realtime.sessions.markers import Marker
from realtime.sessions.reader import open_session
from realtime.stream.clock import monotonic_s
from realtime.stream.ring import FrameRing

TIMEOUT_S = 30.0


def test_without_pylsl_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(InputError, match=r"\[lsl\]"):
        import_pylsl()


@pytest.fixture
def lsl() -> Any:
    return pytest.importorskip("pylsl", reason="pylsl (extra lsl) is not installed")


def inlet(lsl: Any, session: str, name: str) -> Any:
    found = lsl.resolve_byprop("source_id", f"{PROGRAM}-{session}-{name}", timeout=TIMEOUT_S)
    opened = lsl.StreamInlet(found[0])
    opened.open_stream(TIMEOUT_S)
    return opened


def pulled(opened: Any, count: int) -> list[tuple[list[Any], float]]:
    """Samples, their times on this machine's LSL clock."""
    samples = [opened.pull_sample(TIMEOUT_S) for _ in range(count)]
    shift_s = opened.time_correction(TIMEOUT_S)
    opened.close_stream()
    return [(values, time_s + shift_s) for values, time_s in samples]


def test_what_inlets_hear_is_what_the_ledger_says(lsl: Any, tmp_path: Path) -> None:
    session = uuid4().hex
    streams = Streams(session)
    made = SessionRecorder(
        create_folder(tmp_path / "s"),
        DOCUMENT,
        clock=lambda: "driver",
        losses=dict,
        streams=streams,
    )
    frames, events, markers = (
        inlet(lsl, session, name) for name in ("frames", "events", "markers")
    )
    for index in range(12):
        made.write(frame(index))
    window = Window(frame(2).stamp, frame(4).stamp, frame(6).stamp, 2.0)
    prediction = Prediction("positive", {"positive": 1.0}, {}, "fmanet")
    made.note_events([Event(1, "confirmed", window, prediction, "", frame(7).stamp)])
    made.mark(Marker("question_start", "q1", "", 100.2, 100.2, ""))
    made.mark(Marker("mark", "note", "a dog", 100.3, 100.3, ""))
    made.beat()
    shift_s = measure_offset_s(lsl)
    heard = pulled(frames, 12)
    listed = records(tmp_path / "s")
    assert [values for values, _ in heard] == [[r.index, r.part, r.pts_ms] for r in listed]
    assert [time_s - shift_s for _, time_s in heard] == pytest.approx(
        [r.time_s for r in listed], abs=1e-3
    )
    ((said,), onset_s) = pulled(events, 1)[0]
    told = json.loads(said)
    assert (told["number"], told["state"], told["label"]) == (1, "confirmed", "positive")
    assert onset_s - shift_s == pytest.approx(frame(2).stamp.time_s, abs=1e-3)
    assert told["offset"] - shift_s == pytest.approx(frame(6).stamp.time_s, abs=1e-3)
    words = pulled(markers, 2)
    assert [values for values, _ in words] == [["q1 start"], ["note: a dog"]]
    assert [time_s - shift_s for _, time_s in words] == pytest.approx([100.2, 100.3], abs=1e-3)
    made.close("end")


def test_another_programs_markers_are_taken_in(lsl: Any, untrained: Path, tmp_path: Path) -> None:
    name = f"stimulus {uuid4().hex}"
    outlet = lsl.StreamOutlet(lsl.StreamInfo(name, "Markers", 1, 0, lsl.cf_string, name))
    plan = RecordPlan(tmp_path / "s", "P07", lsl=True, lsl_markers=name)
    config = LiveConfig(
        "demo", fps=10, width=200, height=150, classifier=str(untrained), record=plan
    )
    with LiveSession(config) as session:
        assert outlet.wait_for_consumers(TIMEOUT_S)
        # The inlet opens when it first asks for a sample; what is pushed before is not sent.
        recorder = inlet(lsl, "s", "markers")
        before_s = monotonic_s()
        outlet.push_sample(["face 1"], lsl.local_clock())
        after_s = monotonic_s()
        ((words,), _) = pulled(recorder, 1)[0]
        assert session.recording() is not None
    (marker,) = open_session(tmp_path / "s").markers
    assert words == "face 1: from LSL"
    assert (marker.name, marker.note) == ("face 1", "from LSL")
    assert before_s - 1e-3 <= marker.monotonic_s <= after_s + 1e-3


SENDER = """
import sys
import pylsl
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(sys.argv[1], "Markers", 1, 0, pylsl.cf_string, "x"))
outlet.wait_for_consumers(30)
outlet.push_sample(["hello"])
sys.stdin.read(1)
"""


def test_a_moment_is_what_the_other_program_says_however_late(tmp_path: Path) -> None:
    made = SessionRecorder(
        create_folder(tmp_path / "s"), DOCUMENT, clock=lambda: "driver", losses=dict
    )
    ring = FrameRing(6.0, 2**20)
    now_s = monotonic_s()
    ring.append(Frame(Stamp(0, now_s), frame(0).image, now_s))
    book = Notebook(made, ring, lambda: "driver", threading.Event())
    book.add_external("a network was away", now_s - 60)
    book.add_external("a picture is due", now_s + 0.5)
    book.mark("mark", "a key of a browser with a wild clock", "", now_s - 60)
    book.mark("mark", "an\x1b[A arrow", "lone \ud800,\nnext line")
    for nonsense_s in (math.nan, -math.inf, -1e300):
        book.add_external("a clock of no time", nonsense_s)
    book.add_external("a clock of no time", math.inf)
    made.close("end")
    markers = open_session(tmp_path / "s").markers
    assert [0 <= m.time_s - now_s < 60 for m in markers[4:]] == [True] * 4
    assert (markers[3].name, markers[3].note) == ("an�[A arrow", "lone �, next line")
    assert [m.time_s - now_s for m in markers[:2]] == pytest.approx([-60, 0.5])
    assert [m.monotonic_s - now_s for m in markers[:2]] == pytest.approx([-60, 0.5])
    assert 0 <= markers[2].time_s - now_s < 60


def test_a_sender_that_is_gone_holds_nobody_up(lsl: Any) -> None:
    name = f"stimulus {uuid4().hex}"
    with subprocess.Popen([sys.executable, "-c", SENDER, name], stdin=subprocess.PIPE) as sender:
        (found,) = lsl.resolve_byprop("name", name, timeout=TIMEOUT_S)
        opened = lsl.StreamInlet(found)
        sender.kill()
    assert measure_correction_s(lsl, opened, 0.25) == 0.25


class Listening:
    """A `MarkerStream` with its thread, and what it says in order."""

    def __init__(self, spec: str) -> None:
        self.stream = MarkerStream(spec)
        self.said: queue.Queue[str] = queue.Queue()
        self._ended = threading.Event()
        self.raised: list[Exception] = []
        self._thread = threading.Thread(target=self._listen)

    def _listen(self) -> None:
        try:
            self.stream.listen(lambda words, at_s: self.said.put(words), self.said.put, self._ended)
        except RuntimeError as error:
            self.raised.append(error)

    def __enter__(self) -> "Listening":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()


def markers_outlet(lsl: Any, name: str, source_id: str) -> Any:
    return lsl.StreamOutlet(lsl.StreamInfo(name, "Markers", 1, 0, lsl.cf_string, source_id))


def test_two_streams_of_one_name_are_told_apart_by_their_source(lsl: Any) -> None:
    name = f"stimulus {uuid4().hex}"
    one, other = markers_outlet(lsl, name, "screen"), markers_outlet(lsl, name, "other lab")
    with pytest.raises(InputError, match=f"--lsl-markers {name}: 2 LSL streams") as caught:
        check_stream(name)
    assert "screen on" in str(caught.value)
    assert "other lab on" in str(caught.value)
    check_stream(f"{name}@screen")
    with Listening(f"{name}@other lab") as listening:
        assert other.wait_for_consumers(TIMEOUT_S)
        assert not one.have_consumers()
        other.push_sample(["here"])
        assert listening.said.get(timeout=TIMEOUT_S) == "here"
        assert listening.stream.state == ""


def test_a_marker_that_is_no_utf8_is_heard_and_those_after_it_too(lsl: Any) -> None:
    name = f"stimulus {uuid4().hex}"
    outlet = markers_outlet(lsl, name, "x")
    with Listening(name) as listening:
        assert outlet.wait_for_consumers(TIMEOUT_S)
        outlet.push_sample(["für".encode("cp1252")])
        outlet.push_sample(["after"])
        assert [listening.said.get(timeout=TIMEOUT_S) for _ in range(2)] == ["f�r", "after"]


def test_a_sender_that_starts_anew_is_heard_again_and_the_gap_is_told(lsl: Any) -> None:
    name = f"stimulus {uuid4().hex}"
    with Listening(name) as listening:
        assert "no stream" in listening.stream.state
        with subprocess.Popen([sys.executable, "-c", SENDER, name], stdin=subprocess.PIPE) as first:
            assert listening.said.get(timeout=TIMEOUT_S) == "hello"
            assert listening.stream.state == ""
            first.kill()
        assert listening.said.get(timeout=TIMEOUT_S) == "lost: its sender is gone"
        assert "lost" in listening.stream.state
        again = markers_outlet(lsl, name, "x")
        assert again.wait_for_consumers(TIMEOUT_S)
        assert listening.said.get(timeout=TIMEOUT_S).startswith("back after ")
        again.push_sample(["on"])
        assert listening.said.get(timeout=TIMEOUT_S) == "on"


def test_what_fails_in_listening_is_told(lsl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr(lsl, "resolve_byprop", broken)
    with Listening("any") as listening:
        assert listening.said.get(timeout=TIMEOUT_S) == (
            "LSL markers failed: RuntimeError: no network"
        )
    assert "no network" in listening.stream.state
    assert listening.raised
