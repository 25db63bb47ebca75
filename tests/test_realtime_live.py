"""Live sessions on real sources: every frame has a fate, errors surface, threads end."""

import gc
import queue
import threading
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

import realtime.live_threads as run
from model.errors import CheckpointError, InputError, SourceError
from model.records import Event, Frame, Stamp, Step
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.live_threads import StillAliveError
from realtime.perception.pipeline import PipelineConfig, open_pipeline
from realtime.recording.plan import RecordPlan
from realtime.sessions.ledger import PIPELINE_BEHIND
from realtime.sources import SOURCES, SourceInfo, SourceOptions, SourceStatus
from realtime.stream.clock import monotonic_s

TIMEOUT_S = 60
THREADS = {"capture", "pipeline", "face", "classify", "clips"}
BLANK = np.zeros((32, 32, 3), np.uint8)
BLANK.setflags(write=False)


class Scripted:
    """A live source whose frames the test sends. `None` ends it, an error breaks it."""

    opened: "list[Scripted]" = []  # noqa: RUF012 - the test's handle on what the session opened

    def __init__(self, spec: str, options: SourceOptions) -> None:
        del options
        self.sent: queue.Queue[Frame | SourceError | None] = queue.Queue()
        self.deaf = spec == "deaf"
        self.closed = threading.Event()
        self.info = SourceInfo(
            spec, "scripted", "a scripted source", True, "receipt", 32, 32, None, 30.0, True
        )
        self._index = 0
        Scripted.opened.append(self)

    def send(self, frames: int) -> None:
        for _ in range(frames):
            time_s = self._index / 30
            self.sent.put(Frame(Stamp(self._index, time_s), BLANK, time_s))
            self._index += 1

    def __iter__(self) -> Iterator[Frame]:
        while (sent := self.sent.get()) is not None:
            if isinstance(sent, SourceError):
                raise sent
            yield sent

    def status(self) -> SourceStatus:
        return SourceStatus("open", "all is well", self._index, 30.0, {"lost in the cable": 2}, {})

    def interrupt(self) -> None:
        if not self.deaf:
            self.sent.put(None)

    def close(self) -> None:
        self.closed.set()


@pytest.fixture(autouse=True)
def _sources(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(SOURCES, "scripted", f"{__name__}:Scripted")
    Scripted.opened.clear()
    yield
    assert not THREADS & {thread.name for thread in threading.enumerate()}


def scripted(untrained: Path, spec: str = "scripted") -> LiveConfig:
    return LiveConfig(source=spec, classifier=str(untrained))


def demo(untrained: Path, seconds: float, *, fps: float = 30) -> LiveConfig:
    return LiveConfig(
        source="demo", width=320, height=240, fps=fps, seconds=seconds, classifier=str(untrained)
    )


def test_a_run_ends_by_itself_and_every_frame_has_a_fate(untrained: Path) -> None:
    steps: list[Step] = []
    with LiveSession(demo(untrained, 2), steps.append) as session:
        assert session.wait(TIMEOUT_S)
        ended = session.snapshot()
    assert ended.state == "ended"
    assert ended.captured == 60
    assert ended.analysed + sum(ended.dropped.values()) == 60
    assert ended.analysed == len(steps) == ended.frame_to_result.n == ended.stages["face"].n
    assert ended.faces == ended.analysed
    assert ended.fps_measured == pytest.approx(30)
    assert ended.seconds == pytest.approx(59 / 30)
    assert [s.frame.stamp.index for s in steps] == sorted({s.frame.stamp.index for s in steps})
    assert session.snapshot().state == "stopped"
    with pytest.raises(FrozenInstanceError):
        ended.captured = 0  # type: ignore[misc]


def test_live_and_inline_find_the_same_events(untrained: Path, expression_clip: Path) -> None:
    steps: list[Step] = []

    def keep(step: Step) -> None:
        """Now and then half a second of frames waits: their faces are found ahead."""
        steps.append(step)
        index = step.frame.stamp.index
        if index % 30 == 10:
            assert session.ring is not None
            reader = session.ring.follow()
            for frame, _ in reader:
                if frame.stamp.index >= index + 15:
                    break
            reader.stop()

    config = LiveConfig(source=str(expression_clip), classifier=str(untrained))
    session = LiveSession(config, keep)
    with session:
        session.wait(TIMEOUT_S)
        found = confirmed(session.results.events())
        clips = {event.number: session.clip(event.number) for event in found}
    pipeline = open_pipeline(PipelineConfig(classifier=str(untrained)))
    again: list[Event] = []
    for step in steps:  # the very frames that were analysed, whatever the machine left out
        again.extend(pipeline.step(step.frame).events)
    again.extend(pipeline.finish(steps[-1].frame.stamp))
    pipeline.close()
    assert found == confirmed(again)
    assert found, "the clip shows an expression"
    for event in found:
        offset = event.window.offset
        assert offset is not None
        times_s = [frame.stamp.time_s for frame in clips[event.number]]
        assert times_s == sorted(times_s)
        assert times_s[0] <= event.window.onset.time_s
        assert offset.time_s <= times_s[-1] <= offset.time_s + 0.5


def confirmed(events: "list[Event] | tuple[Event, ...]") -> list[Event]:
    """Results, in their order, without when they were told."""
    kept = [replace(event, emitted_s=0.0) for event in events if event.state == "confirmed"]
    return sorted(kept, key=lambda event: event.number)


def test_what_breaks_the_capture_reaches_the_caller_after_its_last_frame(untrained: Path) -> None:
    session = LiveSession(scripted(untrained))
    session.start()
    (source,) = Scripted.opened
    source.send(3)
    source.sent.put(SourceError("the cable is cut: plug it in"))
    with pytest.raises(SourceError, match="cable is cut"):
        session.wait(TIMEOUT_S)
    broken = session.snapshot()
    assert (broken.state, broken.message) == ("failed", "the cable is cut: plug it in")
    assert (broken.captured, broken.analysed) == (3, 3)
    assert source.closed.wait(TIMEOUT_S)
    session.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_the_analysis_ends_the_run_and_is_raised(untrained: Path) -> None:
    def fail(step: Step) -> None:
        raise ZeroDivisionError("a bug")

    session = LiveSession(scripted(untrained), fail)
    session.start()
    Scripted.opened[0].send(1)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        session.wait(TIMEOUT_S)
    assert session.snapshot().state == "failed"
    session.stop()


def test_a_slow_viewer_of_the_steps_loses_frames_and_is_told(untrained: Path) -> None:
    first_seen, all_captured = threading.Event(), threading.Event()

    def slow(step: Step) -> None:
        first_seen.set()
        assert all_captured.wait(TIMEOUT_S)

    session = LiveSession(scripted(untrained), slow)
    session.start()
    (source,) = Scripted.opened
    source.send(1)
    assert first_seen.wait(TIMEOUT_S)
    source.send(89)
    source.sent.put(None)
    assert source.closed.wait(TIMEOUT_S), "capture does not wait for the pipeline"
    all_captured.set()
    assert session.wait(TIMEOUT_S)
    session.stop()
    snapshot = session.snapshot()
    assert snapshot.captured == 90
    assert snapshot.analysed == 2, "the first frame, then the newest: one long gap"
    assert dict(snapshot.dropped) == {PIPELINE_BEHIND: 88, "lost in the cable": 2}


def test_a_paused_file_waits_where_it_is(untrained: Path) -> None:
    steps: list[int] = []
    with LiveSession(
        demo(untrained, 20), lambda step: steps.append(step.frame.stamp.index)
    ) as session:
        assert session.results.latest_step(None, TIMEOUT_S)
        session.pause()
        assert session.snapshot().state == "paused"
        last = None
        while (step := session.results.latest_step(last, 0.5)) is not None:
            last = step.frame.stamp.index
        captured = session.snapshot().captured
        assert captured < 600
        assert session.results.latest_step(last, 0.2) is None
        assert session.snapshot().captured == captured
        session.resume()
        assert session.results.latest_step(last, TIMEOUT_S)
        assert session.snapshot().state == "running"
    assert "paused" not in session.snapshot().dropped
    assert last is not None
    assert last + 1 in steps


def test_frames_of_a_paused_camera_are_dropped_and_counted(untrained: Path) -> None:
    with LiveSession(scripted(untrained)) as session:
        (source,) = Scripted.opened
        source.send(1)
        assert session.results.latest_step(None, TIMEOUT_S)
        session.pause()
        source.send(5)
        while session.snapshot().dropped.get("paused") != 5:
            assert session.results.latest_step(0, 0.01) is None
        session.resume()
        source.send(1)
        step = session.results.latest_step(0, TIMEOUT_S)
        assert step is not None
        assert step.frame.stamp.index == 6
    assert (session.snapshot().captured, session.snapshot().analysed) == (7, 2)


def test_only_a_recording_is_searched_and_none_that_is_recorded(
    untrained: Path, expression_clip: Path, tmp_path: Path
) -> None:
    config = LiveConfig(source=str(expression_clip), classifier=str(untrained))
    with LiveSession(config) as session:
        session.seek(1e9)
        assert session.wait(60)
        assert session.results.history(0.0)[0].stamp.time_s == pytest.approx(3.48 - 1.0, abs=0.05)
        session.start()  # from its beginning, as a recording does
        assert session.wait(60)
        assert session.results.history(0.0)[0].stamp.time_s < 0.2
        session.record(RecordPlan(tmp_path / "P07", "P07"))
        with pytest.raises(InputError, match="stop the recording"):
            session.seek(1.0)
    demo = replace(config, source="demo", width=200, height=150)
    with LiveSession(demo) as session, pytest.raises(InputError, match="only a film"):
        session.seek(1.0)


def test_switching_begins_anew_and_a_wrong_source_changes_nothing(untrained: Path) -> None:
    with LiveSession(scripted(untrained)) as session:
        Scripted.opened[0].send(4)
        assert session.results.latest_step(2, TIMEOUT_S)
        before = session.snapshot()
        with pytest.raises(InputError, match="absent"):
            session.switch("absent.mp4")
        assert session.snapshot().state == "running"
        assert session.config.source == "scripted"
        session.switch("scripted:other")
        assert Scripted.opened[0].closed.is_set()
        after = session.snapshot()
        assert (after.run, after.captured, after.analysed) == (before.run + 1, 0, 0)
        Scripted.opened[1].send(1)
        step = session.results.latest_step(3, TIMEOUT_S)
        assert step is not None
        assert step.frame.stamp.index == 0


def test_start_and_stop_may_be_called_at_any_time(untrained: Path) -> None:
    session = LiveSession(scripted(untrained))
    assert (session.snapshot().state, session.ring, session.clip(0)) == ("stopped", None, ())
    session.stop()
    session.pause()
    session.resume()
    assert session.wait(0)
    session.start()
    session.start()
    assert len(Scripted.opened) == 1
    assert not session.wait(0)
    session.stop()
    session.stop()
    assert session.snapshot().state == "stopped"
    session.start()
    assert (len(Scripted.opened), session.snapshot().run) == (2, 2)
    session.stop()


def test_the_garbage_collector_does_not_look_through_what_stays(untrained: Path) -> None:
    with LiveSession(scripted(untrained)):
        assert gc.get_freeze_count() > 50_000
    assert gc.get_freeze_count() == 0


def test_what_is_left_when_it_is_stopped_is_analysed(untrained: Path) -> None:
    seen, go_on = threading.Event(), threading.Event()

    def hold(step: Step) -> None:
        seen.set()
        assert go_on.wait(TIMEOUT_S)

    session = LiveSession(scripted(untrained), hold)
    session.start()
    (source,) = Scripted.opened
    source.send(10)
    assert seen.wait(TIMEOUT_S)
    stopping = threading.Thread(target=session.stop)
    stopping.start()
    assert source.closed.wait(TIMEOUT_S)
    go_on.set()
    stopping.join(TIMEOUT_S)
    snapshot = session.snapshot()
    assert snapshot.captured == snapshot.analysed
    assert "stopped" not in snapshot.dropped


def test_a_backlog_that_takes_too_long_is_dropped_and_counted(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "DRAIN_S", 0.01)
    seen, go_on = threading.Event(), threading.Event()

    def hold(step: Step) -> None:
        seen.set()
        assert go_on.wait(TIMEOUT_S)

    session = LiveSession(scripted(untrained), hold)
    session.start()
    Scripted.opened[0].send(10)
    while session.snapshot().captured < 10:
        session.results.latest_step(0, 0.01)
    assert seen.wait(TIMEOUT_S)
    stopping = threading.Thread(target=session.stop)
    stopping.start()
    assert session._run is not None
    assert session._run._abandoned.wait(TIMEOUT_S)
    go_on.set()
    stopping.join(TIMEOUT_S)
    snapshot = session.snapshot()
    assert (snapshot.captured, snapshot.analysed, snapshot.dropped["stopped"]) == (10, 1, 9)


def test_a_source_that_does_not_end_is_named_and_nobody_waits_for_it(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "JOIN_S", 0.5)
    session = LiveSession(scripted(untrained, "scripted:deaf"))
    session.start()
    with pytest.raises(StillAliveError, match=r"still alive after stop: capture$"):
        session.stop()
    (source,) = Scripted.opened
    source.sent.put(None)
    assert source.closed.wait(TIMEOUT_S)
    session.stop()


def test_models_that_cannot_be_loaded_leave_nothing_behind(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no weights")
    session = LiveSession(LiveConfig(source="scripted", classifier=str(damaged)))
    with pytest.raises(CheckpointError, match="damaged"):
        session.start()
    assert Scripted.opened[0].closed.is_set()
    assert session.snapshot().state == "failed"
    assert "damaged" in session.snapshot().message


def test_viewers_may_look_while_it_runs(untrained: Path) -> None:
    with LiveSession(demo(untrained, 1)) as session:
        seen = -1
        while not session.wait(0):
            step = session.results.latest_step(seen if seen >= 0 else None, 0.05)
            if step is not None:
                assert step.frame.stamp.index > seen
                seen = step.frame.stamp.index
            snapshot = session.snapshot()
            assert snapshot.analysed <= snapshot.captured
            history = session.results.history(-1.0)
            assert all(entry.stamp.time_s <= snapshot.seconds + 1 for entry in history)
        assert session.ring is not None
        latest = session.ring.latest()
        assert latest is not None
        assert monotonic_s() > latest.received_s
