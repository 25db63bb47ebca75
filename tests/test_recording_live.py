"""Sessions recorded by the program itself, and read again as a source."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest
from fakes import copied, motion_jpeg, picture, web_server, write_clip

import realtime.analyze as analyze_command
import realtime.live_threads as run
import realtime.recording.notebook as notebook
import run_live
from model.cli import exit_code
from model.errors import InputError, SourceError
from model.records import Frame, Stamp, Step
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.recording.plan import RecordPlan
from realtime.results.results import Results
from realtime.sessions.ledger import parse_line
from realtime.sessions.line_file import read_lines
from realtime.sessions.reader import open_session
from realtime.sessions.redact import redact_span
from realtime.sessions.replay_parity import compare_with_live
from realtime.sessions.session_source import SessionSource
from realtime.sources import SOURCES, SourceInfo, SourceOptions, SourceStatus, open_source
from realtime.spotting.me_probability import HIGHEST, LOWEST
from realtime.stream.clock import monotonic_s

TIMEOUT_S = 60


@pytest.fixture
def source(recorded: Path) -> Iterator[SessionSource]:
    opened = open_source(str(recorded))
    assert isinstance(opened, SessionSource)
    yield opened
    opened.close()


def test_a_session_holds_what_was_seen(recorded: Path, expression_clip: Path) -> None:
    session = open_session(recorded)
    assert {frame.fate for frame in session.frames} == {"recorded"}
    assert {frame.analysis for frame in session.frames} <= {"analysed", "late"}
    assert len(session.confirmed) == 1
    assert [(m.kind, m.name, m.note) for m in session.markers] == [
        ("mark", "stimulus", "a picture of a dog"),
        ("question_start", "q1", ""),
    ]
    document = session.document
    assert document["participant"] == "P07"
    assert document["consent"]["scope"] == "analysis"
    assert document["config"]["source"] == str(expression_clip)
    assert len(document["weights"]["sha256"]) == 64
    assert document["state"] == "complete"
    assert document["ended"] == "end of the source"
    assert [warning.partition(":")[0] for warning in document["warnings"]] == ["baseline"]
    assert session.utc(session.zero_s) is not None


def test_a_session_is_a_source_with_its_own_times(
    recorded: Path, expression_clip: Path, source: SessionSource
) -> None:
    original = open_source(str(expression_clip))
    pairs = list(zip(original, source, strict=True))
    original.close()
    assert all(then.stamp == now.stamp for then, now in pairs)
    assert all(np.array_equal(then.image, now.image) for then, now in pairs)
    assert source.info.kind == "session"
    assert source.info.lossless


def test_a_lossless_recording_gives_what_was_seen_live(source: SessionSource) -> None:
    found = compare_with_live(source, "cpu")
    assert found.live == found.replayed == 1
    assert found.differences == ()
    assert found.cautions == ()


def test_a_damaged_picture_is_a_jump_and_moves_no_other_frame(
    recorded: Path, tmp_path: Path
) -> None:
    folder = copied(recorded, tmp_path)
    video = folder / "video.mkv"
    with av.open(str(video)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = bytearray(video.read_bytes())
    for damaged in (5, 80):
        at, size = data.index(packets[damaged]), len(packets[damaged])
        data[at : at + size] = b"\xff" * size
    video.write_bytes(data)
    with closing(SessionSource(str(folder), SourceOptions())) as source:
        stamps = [frame.stamp for frame in source]
        assert source.status().unusable == {"damaged": 2}
        assert source.status().dropped == {}
    listed = [frame.stamp for frame in open_session(recorded).frames]
    assert stamps == [stamp for stamp in listed if stamp.index not in (5, 80)]
    with closing(SessionSource(str(folder), SourceOptions())) as source:
        found = compare_with_live(source, "cpu")
    assert found.live == found.replayed == 1
    assert not any(" ms" in difference for difference in found.differences)
    assert found.cautions == ("2 pictures in the video are damaged",)


def test_what_was_redacted_is_told_when_it_is_compared(recorded: Path, tmp_path: Path) -> None:
    folder = copied(recorded, tmp_path)
    count = redact_span(folder, 0.2, 0.3)
    counted = open_session(folder).document["frames"]
    assert counted == {"recorded": 87 - count, "dropped": 0, "redacted": count}
    with closing(SessionSource(str(folder), SourceOptions())) as source:
        (caution,) = compare_with_live(source, "cpu").cautions
    assert caution == f"{count} frames were redacted; the live analysis may have used them"


@pytest.mark.parametrize(("spotter", "works"), [("rules", True), ("mine.safetensors", False)])
def test_what_a_learned_scorer_spotted_opens_and_is_not_compared(
    recorded: Path, tmp_path: Path, spotter: str, works: bool
) -> None:
    folder = copied(recorded, tmp_path)
    document = json.loads((folder / "session.json").read_text())
    document["config"]["spotter"] = spotter
    (folder / "session.json").write_text(json.dumps(document))
    with closing(SessionSource(str(folder), SourceOptions())) as source:
        if works:
            assert compare_with_live(source, "cpu").differences == ()
        else:
            with pytest.raises(InputError, match="which this version no longer has"):
                compare_with_live(source, "cpu")


def test_a_changed_event_is_told(
    recorded: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = copied(recorded, tmp_path)
    lines = [json.loads(line) for line in (changed / "events.jsonl").read_text().splitlines()]
    for line in lines:
        line["apex"] = [line["apex"][0] + 1, line["apex"][1] + 0.04]
    (changed / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr(sys, "argv", ["analyze", str(changed), "--compare", "--device", "cpu"])
    assert exit_code(analyze_command.main) == 0
    told = capsys.readouterr().out
    assert "1 expressions live, 1 in the recording, 1 differences" in told
    assert "apex -40.0 ms" in told


def test_a_span_of_a_finished_session_can_be_redacted(recorded: Path, tmp_path: Path) -> None:
    folder = copied(recorded, tmp_path)
    assert redact_span(folder, 1.0, 9.0) == 87 - 25
    session = open_session(folder)
    assert session.events == ()
    assert sum(frame.fate == "redacted" for frame in session.frames) == 87 - 25
    opened = open_source(str(folder))
    assert [frame.stamp.index for frame in opened] == list(range(25))
    opened.close()
    with pytest.raises(InputError, match="end must come after"):
        redact_span(folder, 2.0, 2.0)
    assert redact_span(folder, 0.5, float("inf")) > 0
    last = open_session(folder)
    assert max(f.time_s for f in last.frames if f.time_s is not None) < last.zero_s + 0.5


def test_forgetting_takes_it_from_the_running_session_too(
    untrained: Path, expression_clip: Path, tmp_path: Path
) -> None:
    plan = RecordPlan(tmp_path / "s", "P07")
    config = LiveConfig(source=str(expression_clip), classifier=str(untrained), record=plan)
    with LiveSession(config) as session:
        step = None
        while not session.results.events():
            step = session.results.latest_step(step.frame.stamp.index if step else None, TIMEOUT_S)
            assert step is not None
        for wrong in (0.0, float("nan"), float("inf")):
            with pytest.raises(InputError, match="choose a finite number above 0"):
                session.redact(wrong)
        session.redact(30)
        assert session.results.events() == ()
        assert session.results.history(0.0) == ()
        assert session.wait(TIMEOUT_S)
        assert session.results.events() == ()
    found = open_session(tmp_path / "s")
    assert found.events == ()
    assert {frame.fate for frame in found.frames} == {"recorded", "redacted"}


def first_second(clip: Path, untrained: Path, plan: RecordPlan) -> LiveConfig:
    """Of 25 frames, where nothing has to be found in them."""
    return LiveConfig(source=str(clip), classifier=str(untrained), record=plan, seconds=0.99)


def test_a_wish_that_comes_after_the_recording_is_not_said_to_be_done(
    untrained: Path, expression_clip: Path, tmp_path: Path
) -> None:
    plan = RecordPlan(tmp_path / "s", "P07")
    config = first_second(expression_clip, untrained, plan)
    session = LiveSession(config)
    session.start()
    assert session.wait(TIMEOUT_S)
    session.stop()
    assert session.results.history(0.0)
    with pytest.raises(InputError, match=r"session redact .*s --from 0 --to inf"):
        session.redact(3600)
    assert session.results.history(0.0) == ()  # what is shown needs no recorder
    with pytest.raises(InputError, match="nothing can be marked: the recording has ended"):
        session.mark("stimulus")
    assert redact_span(tmp_path / "s", 0, float("inf")) == 25


class Unplugged:
    """Three frames, a gap in which it was away, three more; then it is gone for good."""

    info = SourceInfo("", "unplugged", "", True, "driver", 64, 48, None, None, True)

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self.lost = 0

    def __iter__(self) -> Iterator[Frame]:
        start_s = monotonic_s()
        for index in (0, 1, 2, 50, 51, 52):
            self.lost = 47 if index >= 50 else 0
            yield Frame(Stamp(index, start_s + index / 25), picture(90 + index), monotonic_s())
        raise SourceError("the cable is cut")

    def status(self) -> SourceStatus:
        return SourceStatus("open", "", 6, None, {"camera away": self.lost}, {})

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_camera_that_goes_away_leaves_a_gap_and_a_whole_session(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "unplugged", f"{__name__}:Unplugged")
    plan = RecordPlan(tmp_path / "s", "P07")
    session = LiveSession(LiveConfig("unplugged", classifier=str(untrained), record=plan))
    session.start()
    with pytest.raises(SourceError, match="cable is cut"):
        session.wait(TIMEOUT_S)
    session.stop()
    found = open_session(tmp_path / "s")
    told = [(f.index, f.fate, f.cause, f.count) for f in found.frames]
    assert told[3] == (3, "missing", "camera away", 47)
    assert [line[0] for line in told if line[1] == "recorded"] == [0, 1, 2, 50, 51, 52]
    assert found.document["ended"] == "the cable is cut"
    assert found.document["state"] == "complete"


def test_a_connection_that_really_ends_is_a_gap_and_the_recording_goes_on(
    untrained: Path, tmp_path: Path
) -> None:
    plan = RecordPlan(tmp_path / "s", "P07")
    with (
        web_server(motion_jpeg(60)) as address,  # it hangs up after 60 pictures
        LiveSession(LiveConfig(address, classifier=str(untrained), record=plan)) as session,
    ):
        source = session.source
        assert source is not None
        index, back = None, 0
        while back < 3:
            step = session.results.latest_step(index, TIMEOUT_S)
            assert step is not None
            index = step.frame.stamp.index
            back += source.status().dropped.get("stream away", 0) > 0
    found = open_session(tmp_path / "s")
    gap = next(i for i, f in enumerate(found.frames) if "stream away" in f.cause)
    assert found.frames[gap].fate == "missing"
    assert found.frames[gap].count >= 1
    recorded = [frame.fate for frame in found.frames]
    assert "recorded" in recorded[:gap]
    assert "recorded" in recorded[gap:]
    assert found.document["state"] == "complete"
    assert any("stream away" in why for *_, why in found.gaps())


def test_a_files_clock_stands_still_while_it_is_paused(
    untrained: Path, expression_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = RecordPlan(tmp_path / "s", "P07", codec="ffv1")
    config = first_second(expression_clip, untrained, plan)
    with LiveSession(config) as session:
        assert session.results.latest_step(None, TIMEOUT_S)
        session.pause()
        with monkeypatch.context() as later:
            later.setattr(notebook, "monotonic_s", lambda: monotonic_s() + 100)
            session.resume()
        assert session.wait(TIMEOUT_S)
    found = open_session(tmp_path / "s")
    assert [marker.kind for marker in found.markers] == ["pause", "resume"]
    assert all(0 <= m.time_s - found.zero_s <= found.seconds for m in found.markers)


def test_a_recording_keeps_what_it_asks_for_from_its_beginning(
    untrained: Path, tmp_path: Path
) -> None:
    config = LiveConfig("demo", fps=10, width=200, height=150, classifier=str(untrained))
    with LiveSession(config) as session:
        with pytest.raises(InputError, match="--least-me-probability 0:"):
            session.ask_for(0.0)
        session.ask_for(HIGHEST)
        session.record(RecordPlan(tmp_path / "s", "P07"))
        with pytest.raises(InputError, match="stop the recording before asking for fewer or more"):
            session.ask_for(LOWEST)
        assert session.config.least_me_probability == HIGHEST
    assert open_session(tmp_path / "s").least_me_probability == HIGHEST


def test_a_recording_ends_with_its_run(untrained: Path, tmp_path: Path) -> None:
    plan = RecordPlan(tmp_path / "s", "P07")
    config = LiveConfig(
        "demo", fps=10, width=200, height=150, classifier=str(untrained), record=plan
    )
    with LiveSession(config) as session:
        with pytest.raises(InputError, match="stop the recording before changing the source"):
            session.switch("demo:rest")
        assert session.recording() is not None
        session.stop()
        session.start()  # for whoever comes next
        assert session.recording() is None
        session.switch("demo:rest")
        assert session.recording() is None
        session.record(RecordPlan(tmp_path / "t", "P08"))
        assert session.recording() is not None
        assert session.config.record is not None
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["s", "t"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_analysis_that_fails_does_not_end_the_recording(
    untrained: Path, expression_clip: Path, tmp_path: Path
) -> None:
    plan = RecordPlan(tmp_path / "s", "P07", codec="ffv1")
    config = first_second(expression_clip, untrained, plan)

    def break_at_the_tenth(step: Step) -> None:
        if step.frame.stamp.index == 9:
            raise ZeroDivisionError("a bug")

    session = LiveSession(config, break_at_the_tenth)
    session.start()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        session.wait(TIMEOUT_S)
    assert session.snapshot().message == (
        "analysis failed: ZeroDivisionError: a bug; the recording goes on"
    )
    session.stop()
    found = open_session(tmp_path / "s")
    assert [frame.fate for frame in found.frames] == ["recorded"] * 25
    kinds = [frame.analysis for frame in found.frames]
    assert set(kinds[:10]) <= {"analysed", "late"}
    assert kinds[10:] == ["unanalysed"] * 15
    assert "ZeroDivisionError" in found.document["ended"]
    assert session.snapshot().dropped["analysis failed"] == 15


class Bursts:
    """A camera of 25 frames a second that hands over what the test sends at once, like a driver
    after a stall."""

    info = SourceInfo("", "bursts", "", True, "receipt", 64, 48, None, None, True)

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self.sent: queue.Queue[Frame | None] = queue.Queue()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.sent.get()) is not None:
            yield frame

    def send(self, indices: range) -> None:
        for n in indices:
            self.sent.put(Frame(Stamp(n, n / 25), picture(n % 200), monotonic_s()))

    def status(self) -> SourceStatus:
        return SourceStatus("open", "", 0, None, {}, {})

    def interrupt(self) -> None:
        self.sent.put(None)

    def close(self) -> None:
        pass


class Told(Results):
    """Says when frame 79 was left out."""

    def __init__(self) -> None:
        super().__init__()
        self.left_out = threading.Event()

    def drop(self, cause: str, frames: int, stamps: tuple[Stamp, ...] = ()) -> None:
        super().drop(cause, frames, stamps)
        if any(stamp.index == 79 for stamp in stamps):
            self.left_out.set()


@pytest.mark.skipif(os.name != "posix", reason="makes a named pipe")
def test_the_recording_comes_before_the_analysis(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk does not answer: forgetting reads a table that is a pipe to which nobody writes."""
    monkeypatch.setitem(SOURCES, "bursts", f"{__name__}:Bursts")
    plan, told = RecordPlan(tmp_path / "s", "P07", codec="ffv1"), Told()
    table = tmp_path / "s" / "edits-C1.jsonl"
    with LiveSession(
        LiveConfig("bursts", classifier=str(untrained), record=plan), results=told
    ) as session:
        source = session.source
        assert isinstance(source, Bursts)
        source.send(range(1))
        assert session.results.latest_step(None, TIMEOUT_S)
        os.mkfifo(table)
        session.redact(1e-6)
        source.send(range(1, 80))
        assert told.left_out.wait(TIMEOUT_S)
        assert "recording first" in session.snapshot().message
        table.write_text("")  # the disk is back
        index, last = 80, session.results.latest_step(None, 0)
        assert last is not None
        while session.results.latest_step(last.frame.stamp.index, 0.02) is None:
            source.send(range(index, index + 1))
            index += 1
            assert index < 1000, "the analysis did not come back"
        assert session.snapshot().message == ""
        source.sent.put(None)
        assert session.wait(TIMEOUT_S)
        left_out = dict(session.snapshot().dropped)
    frames = open_session(tmp_path / "s").frames
    assert [(f.index, f.fate) for f in frames] == [(n, "recorded") for n in range(index)]
    skipped = [f.index for f in frames if f.analysis == "unanalysed"]
    assert set(range(60, 80)) <= set(skipped)
    assert left_out == {"recorder first": len(skipped)}
    ledger = map(parse_line, read_lines(tmp_path / "s" / "frames.csv"))
    told_of = [line.index for line in ledger if line and line.cause == "recorder first"]
    assert told_of == skipped


@pytest.mark.skipif(os.name != "posix", reason="makes a named pipe")
def test_a_stop_waits_for_what_is_written_still(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "bursts", f"{__name__}:Bursts")
    monkeypatch.setattr(run, "JOIN_S", 1.0)
    session = LiveSession(
        LiveConfig("bursts", classifier=str(untrained), record=RecordPlan(tmp_path / "s", "P07"))
    )
    session.start()
    source = session.source
    assert isinstance(source, Bursts)
    source.send(range(3))
    index = None
    while index != 2:
        step = session.results.latest_step(index, TIMEOUT_S)
        assert step is not None
        index = step.frame.stamp.index
    os.mkfifo(tmp_path / "s" / "edits-C1.jsonl")
    session.redact(1e-6)
    with ThreadPoolExecutor(1) as beside:
        stopping = beside.submit(session.stop)
        with pytest.raises(TimeoutError):
            stopping.result(2.0)  # longer than any other thread is waited for
        (tmp_path / "s" / "edits-C1.jsonl").write_text("")
        stopping.result(TIMEOUT_S)
    assert [f.fate for f in open_session(tmp_path / "s").frames] == ["recorded"] * 3


def test_without_a_recording_nothing_can_be_marked(untrained: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mkv", [picture(20 * n) for n in range(4)], [0, 40, 80, 120])
    with LiveSession(LiveConfig(source=str(clip), classifier=str(untrained))) as session:
        assert session.recording() is None
        with pytest.raises(InputError, match="--record"):
            session.mark("stimulus")
        with pytest.raises(InputError, match="--record"):
            session.redact(30)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--record", "s"], "--participant"),
        (["--participant", "P07"], "--record"),
        (["--record", "s", "--participant", "Anna Müller"], "no names"),
        (["--record", "s", "--participant", "P07", "--codec", "mp4"], "h264, ffv1, mjpeg"),
        (["--record", "s", "--participant", "P07", "--codec", "mjpeg"], "choose ffv1"),
        (
            ["--record", "s", "--participant", "P07", "--protocol", "absent.toml"],
            "absent.toml cannot be read",
        ),
        (["--record", "s", "--participant", "P07", "--strict"], "consent"),
        (["--record", "s", "--participant", "P07", "--seconds", "1e9"], "GiB"),
    ],
)
def test_wrong_options_of_a_recording_end_with_one_line_and_2(
    options: list[str],
    words: str,
    untrained: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    program = ["run_live.py", "--headless", "--source", "demo", "--classifier", str(untrained)]
    monkeypatch.setattr(sys, "argv", [*program, *options])
    assert exit_code(run_live.main) == 2
    told = capfd.readouterr().err.splitlines()
    assert words in told[-1]
    assert told[-1].startswith("error: ")
    assert not (tmp_path / "s").exists()


def test_what_is_no_session_cannot_be_compared(
    expression_clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["analyze", str(expression_clip), "--compare"])
    with pytest.raises(SystemExit, match="1"):
        analyze_command.main()
    assert "only sessions can be compared" in capsys.readouterr().err
    with pytest.raises(SourceError, match="not a session"):
        open_source(f"session:{expression_clip.parent}")


@pytest.mark.skipif(os.name != "posix", reason="listens to a terminal as POSIX has it")
def test_what_is_typed_beside_a_recording_is_in_it(untrained: Path, tmp_path: Path) -> None:
    protocol = tmp_path / "protocol.toml"
    protocol.write_text('[keys]\ns = "stimulus"\n')
    command = [sys.executable, "run_live.py", "--headless", "--source", "demo", "--seconds", "2"]
    command += ["--width", "320", "--height", "240", "--classifier", str(untrained)]
    command += ["--record", str(tmp_path / "s"), "--participant", "P07"]
    done = subprocess.run(
        [*command, "--protocol", str(protocol)],
        cwd=Path(run_live.__file__).parent,
        input="s\nthe door fell shut\n",
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "60 frames recorded" in done.stdout
    assert "warning: consent: not recorded" in done.stderr
    session = open_session(tmp_path / "s")
    told = [(m.name, m.note) for m in session.markers]
    assert told == [("stimulus", ""), ("note", "the door fell shut")]
