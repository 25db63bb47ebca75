"""Whatever fails, at every stage and in every state: the run ends and says why, no thread stays
alive, and the recording is whole."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from staged import TIMEOUT_S, Footage, Known, Viewer, read_footage, stage

import realtime.live_threads as run
import realtime.recording.recorder_thread as recording
import run_live
from model.errors import InputError, describe_error
from model.inference.naming import Naming
from model.records import Frame
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.live_threads import StillAliveError
from realtime.perception.pipeline import Pipeline, open_pipeline
from realtime.recording.plan import RecordPlan
from realtime.recording.video_parts import VideoParts
from realtime.results.clips import Clips
from realtime.results.results import Results
from realtime.sessions.crash_safe_video import VideoWriter
from realtime.sessions.folder import SessionFolder, lock_session
from realtime.sessions.line_file import LineFile
from realtime.sessions.reader import open_session
from realtime.sessions.recover import recover
from realtime.spotting.motion import Motion
from realtime.spotting.spotter import Spotter

THREADS = {"capture", "pipeline", "recorder", "sound", "lsl", "face", "classify", "clips"}

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class BrokenError(Exception):
    """What is made to happen."""


@pytest.fixture(scope="module")
def footage(expression_clip: Path) -> tuple[Frame, ...]:
    return read_footage(expression_clip)


@pytest.fixture(autouse=True)
def _ready(
    footage: tuple[Frame, ...], untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    stage(footage, untrained, monkeypatch)
    yield
    assert not THREADS & {thread.name for thread in threading.enumerate()}


ANALYSIS: dict[str, tuple[type, str]] = {
    "aligner": (Known, "align"),
    "motion": (Motion, "push"),
    "spotter": (Spotter, "push"),
    "last decisions": (Spotter, "finish"),
    "classifier": (Naming, "__call__"),
    "clips": (Clips, "keep"),
    "results": (Results, "add"),
    "last results": (Results, "add_last"),
    "viewer": (Viewer, "take"),
}
SOURCE: dict[str, tuple[type, str]] = {"source": (Footage, "hand_over")}
CLOSING: dict[str, tuple[type, str]] = {
    "engine's close": (Pipeline, "close_engine"),
    "source's close": (Footage, "close"),
    "source's interrupt": (Footage, "interrupt"),
}
RECORDER: dict[str, tuple[type, str]] = {
    "video": (VideoWriter, "write"),
    "ledger": (LineFile, "write"),
    "video's close": (VideoParts, "close"),
    "ledger's close": (LineFile, "close"),
}
STAGES = ANALYSIS | SOURCE | CLOSING | RECORDER


def break_at(stage: str, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """From when the returned flag is set on, `stage` fails; what closes closes, and then fails."""
    owner, name = STAGES[stage]
    works: Callable[..., Any] = getattr(owner, name)
    armed = threading.Event()

    def fails(*args: Any, **kwargs: Any) -> Any:
        if armed.is_set() and (name == "close" or stage in CLOSING):
            works(*args, **kwargs)
        if armed.is_set():
            raise BrokenError(stage)
        return works(*args, **kwargs)

    monkeypatch.setattr(owner, name, fails)
    return armed


def live(untrained: Path, plan: RecordPlan | None = None) -> LiveConfig:
    return LiveConfig(source="footage", classifier=str(untrained), record=plan)


RECORDED = [(stage, True) for stage in STAGES]
UNRECORDED = [(stage, False) for stage in STAGES if stage not in RECORDER]


@pytest.mark.parametrize("state", ["running", "paused", "stopping"])
@pytest.mark.parametrize(("stage", "recorded"), RECORDED + UNRECORDED)
def test_a_failure_ends_the_run_and_leaves_the_recording_whole(
    stage: str,
    state: str,
    recorded: bool,
    untrained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = RecordPlan(tmp_path / "s", "P07", codec="ffv1") if recorded else None
    viewer = Viewer()
    armed = break_at(stage, monkeypatch)
    session = LiveSession(live(untrained, plan), lambda step: viewer.take(step))
    session.start()
    (source,) = Footage.opened
    source.send()
    assert viewer.reached.wait(TIMEOUT_S)
    assert source.empty.wait(TIMEOUT_S)
    stopping = threading.Thread(target=session.stop)
    if state == "paused":
        session.pause()
    armed.set()
    if state == "stopping":
        stopping.start()
        assert source.interrupted.wait(TIMEOUT_S)
    else:
        source.sent.put(None)
    viewer.go_on.set()
    if stage in RECORDER:
        assert session.wait(TIMEOUT_S)
    else:
        with pytest.raises(BrokenError, match=stage):
            session.wait(TIMEOUT_S)
    if state == "stopping":
        stopping.join(TIMEOUT_S)
    session.stop()
    if stage in RECORDER:
        told = session.recording()
        assert told is not None
        assert f"BrokenError: {stage}" in told.failure
    assert f"BrokenError: {stage}" in session.snapshot().message
    if recorded:
        armed.clear()  # to read it
        if stage in RECORDER:
            assert SessionFolder(tmp_path / "s").read_document()["state"] == "torn"
            recover(SessionFolder(tmp_path / "s"))
        found = open_session(tmp_path / "s")
        said = found.document["ended"] + found.document["failure"]
        assert f"BrokenError: {stage}" in said
        fates = [frame.fate for frame in found.frames]
        assert stage in RECORDER or fates == ["recorded"] * len(Footage.frames)
        lock_session(tmp_path / "s")()  # nobody holds it any more


@pytest.mark.parametrize("stage", ["open_pipeline", "warm_up", "open_recording", "pipeline_config"])
def test_a_failure_while_it_begins_leaves_nothing_open(
    stage: str, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Event()
    monkeypatch.setattr(Footage, "close", lambda source: closed.set())

    def fails(*args: Any, **kwargs: Any) -> Any:
        raise BrokenError("out of memory\nand more that nobody reads")

    session = LiveSession(live(untrained))
    with monkeypatch.context() as broken:
        if stage == "warm_up":  # which the pipelines of these tests are opened without
            broken.setattr(run, "open_pipeline", open_pipeline)
        broken.setattr(Pipeline if stage == "warm_up" else run, stage, fails)
        with pytest.raises(BrokenError):
            session.start()
    assert closed.is_set()
    assert session.snapshot().state == "failed"
    assert session.snapshot().message == "BrokenError: out of memory"
    session.start()  # it works again
    assert session.snapshot().state == "running"
    session.stop()


@pytest.mark.parametrize("name", ["capture", "pipeline", "recorder"])
def test_a_thread_that_cannot_be_made_leaves_nothing_open(
    name: str, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def fails(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    session = LiveSession(live(untrained, RecordPlan(tmp_path / "s", "P07")))
    monkeypatch.setattr(threading.Thread, "start", fails)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        session.start()
    assert SessionFolder(tmp_path / "s").read_document()["state"] == "complete"
    assert SessionFolder(tmp_path / "s").read_document()["ended"]
    lock_session(tmp_path / "s")()


def test_a_document_that_cannot_be_written_at_last_is_told_and_let_go(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = LiveSession(live(untrained, RecordPlan(tmp_path / "s", "P07")))
    session.start()

    def fails(folder: SessionFolder, document: object) -> None:
        raise BrokenError("no JSON")

    with monkeypatch.context() as broken:
        broken.setattr(SessionFolder, "write_document", fails)
        session.stop()
    told = session.recording()
    assert told is not None
    assert "BrokenError: no JSON" in told.failure
    lock_session(tmp_path / "s")()


def test_a_listener_that_fails_is_told_and_the_recording_goes_on(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fails(*args: object) -> None:
        failed.set()
        raise BrokenError("not UTF-8")

    monkeypatch.setattr(recording.MarkerStream, "listen", fails)
    plan = RecordPlan(tmp_path / "s", "P07", lsl_markers="PsychoPy")
    with LiveSession(live(untrained, plan)) as session:
        assert failed.wait(TIMEOUT_S)
        Footage.opened[0].send()
        assert session.results.latest_step(None, TIMEOUT_S)
        assert session.snapshot().message == "markers from LSL failed: BrokenError: not UTF-8"
    document = open_session(tmp_path / "s").document
    assert document["state"] == "complete"
    assert "markers from LSL failed" in document["ended"]


def test_a_thread_that_does_not_end_is_named_once_and_left_behind(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "JOIN_S", 0.05)
    monkeypatch.setattr(run, "DRAIN_S", 0.05)
    viewer = Viewer()
    plan = RecordPlan(tmp_path / "s", "P07")
    session = LiveSession(live(untrained, plan), lambda step: viewer.take(step))
    session.start()
    Footage.opened[0].send()
    assert viewer.reached.wait(TIMEOUT_S)
    left = next(thread for thread in threading.enumerate() if thread.name == "pipeline")
    with pytest.raises(StillAliveError, match="still alive after stop: pipeline"):
        session.stop()
    assert open_session(tmp_path / "s").document["ended"] == "stopped"
    session.stop()  # it was named
    session.start()
    analysed = session.snapshot().analysed
    viewer.go_on.set()
    left.join(TIMEOUT_S)
    assert not left.is_alive()
    assert session.snapshot().analysed == analysed == 0, "what it still did went nowhere"
    assert session.results.events() == ()
    session.stop()


def test_another_start_says_what_was_left_behind(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "JOIN_S", 0.05)
    monkeypatch.setattr(run, "DRAIN_S", 0.05)
    viewer = Viewer()
    session = LiveSession(live(untrained), lambda step: viewer.take(step))
    session.start()
    Footage.opened[0].send()
    assert viewer.reached.wait(TIMEOUT_S)
    left = next(thread for thread in threading.enumerate() if thread.name == "pipeline")
    session.switch("footage:again")
    assert session.snapshot().state == "running"
    assert session.snapshot().message == "threads still alive after stop: pipeline"
    viewer.go_on.set()
    left.join(TIMEOUT_S)
    session.record(None)
    assert session.snapshot().message == ""
    session.stop()


def test_the_first_error_is_the_one_that_is_told(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has failed may fail again when it is closed."""
    analysis = break_at("aligner", monkeypatch)
    closing = break_at("engine's close", monkeypatch)
    session = LiveSession(live(untrained))
    session.start()
    analysis.set()
    closing.set()
    Footage.opened[0].send()
    with pytest.raises(BrokenError, match=r"^aligner$"):
        session.wait(TIMEOUT_S)
    assert session.snapshot().message == "BrokenError: aligner"
    session.stop()


@pytest.mark.parametrize("number", [None, signal.SIGTERM])
def test_headless_returns_after_a_failure_and_at_a_signal(
    number: signal.Signals | None, untrained: Path, tmp_path: Path
) -> None:
    """Without `--seconds`, in a process of its own, with an aligner that fails or hangs."""
    ending = "raise RuntimeError('graph failed')" if number is None else "threading.Event().wait()"
    program = (
        "import sys, threading, run_live\n"
        "import realtime.perception.pipeline\n"
        "import realtime.live_threads as threads\n"
        "threads.JOIN_S = threads.DRAIN_S = realtime.perception.pipeline.JOIN_S = 0.2\n"
        "class Failing:\n"
        "    def __init__(self, face): pass\n"
        "    def align(self, frame):\n"
        f"        print('looking', flush=True); {ending}\n"
        "    def warm_up(self): pass\n"
        "realtime.perception.pipeline.FaceAligner = Failing\n"
        "run_live.main()\n"
    )
    options = ["--headless", "--source", "demo", "--classifier", str(untrained)]
    options += ["--fps", "5", "--width", "200", "--height", "150"]
    record = ["--record", str(tmp_path / "s"), "--participant", "P07"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *options, *(record if number else [])],
        cwd=Path(run_live.__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "looking\n"
        if number is not None:
            process.send_signal(number)
        _, told = process.communicate(timeout=TIMEOUT_S)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 1
    if number is None:
        assert "RuntimeError: graph failed" in told
    else:
        assert "threads still alive after stop: pipeline" in told
        assert open_session(tmp_path / "s").document["ended"] == "stopped"


def test_an_error_in_one_line() -> None:
    assert describe_error(InputError("no such file")) == "no such file"
    assert describe_error(ValueError("a\nb")) == "ValueError: a"
    assert describe_error(KeyError()) == "KeyError"
