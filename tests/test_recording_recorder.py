"""Recording without a run: what reaches the folder, whatever the disk does."""

import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import accelerated
import av
import numpy as np
import pytest
from fakes import FakeClock

import realtime.recording.recorder as recording
from model.records import Frame, ImageU8, Stamp, Step
from realtime.recording import tables, video_parts
from realtime.recording import write_queue as notes
from realtime.recording.recorder import SessionRecorder
from realtime.review.motion_lanes import read_motion
from realtime.sessions import line_file
from realtime.sessions.crash_safe_video import VideoWriter
from realtime.sessions.folder import SessionFolder, create_folder
from realtime.sessions.frame_table import count_fates, read_ledger
from realtime.sessions.ledger import LedgerLine
from realtime.sessions.line_file import read_lines
from realtime.sessions.markers import Marker, parse_marker
from realtime.sessions.reader import open_session
from realtime.sessions.recover import recover
from realtime.sessions.redact import redact
from realtime.sessions.session_source import SessionSource
from realtime.sessions.video_cut import copy_without, read_pts
from realtime.sources import SourceOptions

DOCUMENT: dict[str, Any] = {
    "format": "fmanet-live-session",
    "version": 1,
    "participant": "P07",
    "started_utc": "2026-01-01T00:00:00+00:00",
    "video": {"codec": "ffv1", "lossless": True},
    "camera": {"width": 64, "height": 48, "lossless": True},
    "config": {},
}


def noise(index: int, width: int = 64, height: int = 48) -> ImageU8:
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)


def frame(index: int, width: int = 64, height: int = 48) -> Frame:
    """Number `index` of a camera at 25 fps that was switched on 100 s ago."""
    time_s = 100 + index / 25 + 1e-4 / 3
    return Frame(Stamp(index, time_s), noise(index, width, height), time_s + 0.01)


def recorder(path: Path, clock: FakeClock | None = None, **losses: int) -> SessionRecorder:
    now = (clock or FakeClock()).now
    return SessionRecorder(
        create_folder(path), DOCUMENT, clock=lambda: "driver", losses=lambda: losses, now=now
    )


def records(path: Path) -> list[LedgerLine]:
    return list(read_ledger(path / "frames.csv"))


def test_every_frame_is_in_the_video_and_in_the_ledger(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    for index in range(12):
        made.write(frame(index))
    made.close("end")
    found = records(tmp_path / "s")
    assert [r.stamp for r in found] == [frame(index).stamp for index in range(12)]
    assert {(r.fate, r.clock, r.part) for r in found} == {("recorded", "driver", 1)}
    assert [r.pts_ms for r in found] == read_pts(tmp_path / "s" / "video.mkv")
    assert [r.pts_ms for r in found] == [40 * index for index in range(12)]
    with av.open(str(tmp_path / "s" / "video.mkv")) as container:
        for index, picture in enumerate(container.decode(video=0)):
            assert np.array_equal(picture.to_ndarray(format="rgb24"), noise(index))
    document = SessionFolder(tmp_path / "s").read_document()
    assert document["state"] == "complete"
    assert document["zero_s"] == frame(0).stamp.time_s
    assert document["frames"] == {"recorded": 12, "dropped": 0, "redacted": 0}


def test_what_is_not_in_the_video_is_in_the_ledger_with_its_cause(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s", **{"camera away": 3})
    made.write(frame(0))
    made.write(frame(6), [frame(4).stamp, frame(5).stamp])
    made.note_unanalysed([frame(6).stamp], "pipeline behind")
    made.note_step(Step(frame(0), None, None, None, (), {}), frame(0).received_s + 0.1)
    made.close("end")
    told = [(r.index, r.fate, r.cause, r.count, r.analysis) for r in records(tmp_path / "s")]
    assert told == [
        (0, "recorded", "", 1, "analysed"),
        (1, "missing", "camera away", 3, ""),
        (4, "dropped", "recorder behind", 1, ""),
        (5, "dropped", "recorder behind", 1, ""),
        (6, "recorded", "", 1, "unanalysed"),
    ]


def test_a_result_that_comes_too_late_is_called_late(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    made.write(frame(0))
    made.note_step(Step(frame(0), None, None, None, (), {}), frame(0).received_s + 0.6)
    made.close("end")
    assert records(tmp_path / "s")[0].analysis == "late"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a number stands for")
def test_the_loss_of_power_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the disk, and that it is there: a new name is in its folder only once that is
    synced after it."""
    synced: list[tuple[str, list[str]]] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        synced.append((path, os.listdir(path) if os.path.isdir(path) else []))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    clock = FakeClock()
    made = recorder(tmp_path / "s", clock)
    assert synced[0] == (str(tmp_path), ["s"])
    for index in range(3):
        made.write(frame(index))
    folder = SessionFolder(tmp_path / "s")
    in_folder = [names for path, names in synced if path == str(folder.path)]
    files = {"session.json", "frames.csv", "motion.csv"}
    files |= {"events.jsonl", "markers.jsonl", "audit.jsonl"}
    assert set(in_folder[-1]) == files | {"video.mkv"}
    synced.clear()
    clock.now_s += recording.SYNC_S
    made.beat()
    assert [path for path, _ in synced][:1] == [str(folder.frames)]
    assert {Path(path).name for path, _ in synced} == files - {"session.json"} | {"video.mkv"}
    made.close("end")


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_only_its_owner_looks_into_a_session(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        made = recorder(tmp_path / "s")
        for index in range(12):
            made.write(frame(index))
        made.close("end")
        folder = SessionFolder(tmp_path / "s")
        written = {path: path.stat().st_mode & 0o777 for path in folder.path.iterdir()}
        assert {folder.video(1), folder.frames, folder.document} < set(written)
        assert set(written.values()) == {0o600}
        for path in written:  # as versions before this one made them
            path.chmod(0o644)
        redact(folder, frame(3).stamp.time_s, frame(5).stamp.time_s)
        rewritten = (folder.video(1), folder.frames, folder.motion, folder.events, folder.markers)
        assert {path.stat().st_mode & 0o777 for path in rewritten} == {0o600}
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(mask)
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_another_size_begins_another_part(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    sizes = [(64, 48)] * 3 + [(33, 21)] * 2 + [(64, 48)]
    for index, size in enumerate(sizes):
        made.write(frame(index, *size))
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    assert [r.part for r in records(tmp_path / "s")] == [1, 1, 1, 2, 2, 3]
    assert [read_pts(folder.video(part)) for part in folder.parts()] == [
        [0, 40, 80],
        [120, 160],
        [200],
    ]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        made = recorder(tmp_path / "s")
        made.close("end")
        names.append(Path(made.status().folder).name)
    assert names == ["s", "s-2", "s-3"]


def test_clocks_are_tied_together_again_every_minute(tmp_path: Path) -> None:
    clock = FakeClock()
    made = recorder(tmp_path / "s", clock)
    for _ in range(13):
        clock.now_s += 10
        made.beat()
    made.close("end")
    assert len(SessionFolder(tmp_path / "s").read_document()["anchors"]) == 1 + 2 + 1


def test_the_last_seconds_can_be_forgotten_while_it_records(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    for index in range(20):
        made.write(frame(index))
        made.note_step(Step(frame(index), None, None, None, (), {}), frame(index).received_s)
    start_s, end_s = frame(10).stamp.time_s, frame(21).stamp.time_s
    made.mark(Marker("mark", "secret", "", start_s + 0.1, 0.0, ""))
    made.mark(Marker("mark", "before", "", start_s - 0.1, 0.0, ""))
    made.mark(Marker("redact", "", "", start_s, 0.0, "", end_s))
    for index in range(20, 26):  # two of them were captured before it was asked for
        made.write(frame(index))
        made.note_step(Step(frame(index), None, None, None, (), {}), frame(index).received_s)
    status = made.status()
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    # The page, the document and the ledger count the same.
    assert (status.frames, status.dropped, status.redacted) == (14, 0, 12)
    counted = {"recorded": 14, "dropped": 0, "redacted": 12}
    assert folder.read_document()["frames"] == count_fates(read_ledger(folder.frames)) == counted
    assert recover(folder).frames == 14
    assert folder.read_document()["frames"] == counted
    fates = [(r.fate, r.time_s is None, r.analysis) for r in records(tmp_path / "s")]
    kept, gone = ("recorded", False, "analysed"), ("redacted", True, "")
    assert fates == [kept] * 10 + [gone] * 12 + [kept] * 4
    assert [len(read_pts(folder.video(part))) for part in folder.parts()] == [10, 4]
    assert "secret" not in folder.markers.read_text()
    assert "before" in folder.markers.read_text()
    rows = [row.partition(",")[0] for row in read_lines(folder.motion)]
    assert rows == ["index", *map(str, range(10)), *map(str, range(22, 26))]


def test_forgetting_after_hours_touches_no_more_than_after_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_parts, "PART_S", 1.0)
    monkeypatch.setattr(tables, "AHEAD_S", 1.0)
    read: list[str] = []

    def reading(path: Path, since: int = 0) -> Iterator[str]:
        for line in read_lines(path, since):
            read.append(line)
            yield line

    monkeypatch.setattr(line_file, "read_lines", reading)
    made = recorder(tmp_path / "s")
    folder = SessionFolder(tmp_path / "s")
    for index in range(250):  # ten parts
        made.write(frame(index, 16, 16))
        made.note_step(accelerated.step(index), frame(index).received_s)
    made.beat()
    before = {path: path.read_bytes() for path in (folder.frames, folder.motion)}
    files = {path: path.stat().st_ino for path in before}
    made.mark(Marker("redact", "", "", frame(240).stamp.time_s, 0.0, "", frame(245).stamp.time_s))
    made.beat()
    made.close("end")
    assert len(read) < 2 * 25 * 4  # the frames of up to four parts, each with its analysis
    for path, text in before.items():
        assert path.stat().st_ino == files[path]
        assert path.read_bytes()[: len(text) // 2] == text[: len(text) // 2]
    assert [r.index for r in records(folder.path) if r.fate == "redacted"] == [*range(240, 246)]
    assert len(read_motion(folder).times_s) == 250 - 6
    for part in folder.parts()[:-1]:
        assert len(read_pts(folder.video(part))) == 25


def test_a_marker_that_comes_late_is_forgotten_with_its_moment(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    for index in range(20):
        made.write(frame(index))
    start_s, end_s = frame(10).stamp.time_s, frame(21).stamp.time_s
    made.mark(Marker("redact", "", "", start_s, 0.0, "", end_s))
    made.beat()
    made.mark(Marker("mark", "ANSWER: secret", "from LSL", start_s + 0.2, 0.0, ""))
    made.mark(Marker("mark", "a word before", "from LSL", start_s - 0.2, 0.0, ""))
    made.mark(Marker("redact", "", "", start_s, 0.0, "", end_s - 0.1))  # which tells nothing
    made.close("end")
    markers = filter(None, map(parse_marker, read_lines(tmp_path / "s" / "markers.jsonl")))
    assert [(m.kind, m.name) for m in markers] == [
        ("redact", ""),
        ("mark", "a word before"),
        ("redact", ""),
    ]


def test_a_disk_that_stands_still_costs_notes_not_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "MAX_NOTES", 10)
    made = recorder(tmp_path / "s")
    made.write(frame(0))
    for _ in range(15):  # the recorder's thread is held up meanwhile
        made.note_unanalysed([frame(0).stamp], "pipeline behind")
    made.mark(Marker("mark", "stimulus", "", 100.0, 0.0, ""))
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    assert folder.read_document()["notes_lost"] == 5
    assert "stimulus" in folder.markers.read_text()


def test_whatever_goes_wrong_is_told_and_what_is_written_is_kept(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    made.write(frame(0))
    made.mark(Marker("mark", "no moment", "", float("nan"), 0.0, ""))  # JSON has no NaN
    made.write(frame(1))
    made.write(frame(2))
    status = made.status()
    assert "ValueError" in status.failure
    assert (status.frames, status.dropped) == (2, 1)
    made.close("end")
    document = SessionFolder(tmp_path / "s").read_document()
    assert (document["state"], document["failure"]) == ("torn", status.failure)
    recover(SessionFolder(tmp_path / "s"))
    assert [r.index for r in records(tmp_path / "s") if r.fate == "recorded"] == [0, 1]


def failing(path: Path) -> SessionRecorder:
    """Twenty frames, and a marker at which the next beat fails."""
    made = recorder(path)
    for index in range(20):
        made.write(frame(index))
    made.mark(Marker("mark", "no moment", "", float("nan"), 0.0, ""))  # JSON has no NaN
    return made


def last_ten() -> Marker:
    return Marker("redact", "", "", frame(10).stamp.time_s, 0.0, "", frame(30).stamp.time_s)


def ten_are_gone(path: Path) -> bool:
    folder = SessionFolder(path)
    assert [r.fate for r in records(path)] == ["recorded"] * 10 + ["redacted"] * 10
    assert len(read_pts(folder.video(1))) == 10
    (marker,) = filter(None, map(parse_marker, read_lines(folder.markers)))
    return marker == last_ten()


def test_what_is_to_be_forgotten_after_a_failure_is_deleted_too(tmp_path: Path) -> None:
    made = failing(tmp_path / "s")
    made.beat()
    failure = made.status().failure
    assert "ValueError" in failure
    assert not made.mark(Marker("mark", "unheard", "", 100.0, 0.0, ""))
    assert made.mark(last_ten())
    made.write(frame(20))  # a run goes on, with frames or without
    assert ten_are_gone(tmp_path / "s")
    assert made.status().failure == failure
    made.close("end")
    assert not made.mark(last_ten())
    assert ten_are_gone(tmp_path / "s")


def test_a_wish_to_forget_survives_the_failure_before_it(tmp_path: Path) -> None:
    made = failing(tmp_path / "s")
    made.mark(Marker("mark", "never written", "", 100.0, 0.0, ""))
    made.mark(last_ten())
    made.write(frame(20))
    made.beat()
    made.close("end")
    assert [r.fate for r in records(tmp_path / "s")][10:] == ["redacted"] * 11
    recover(SessionFolder(tmp_path / "s"))
    assert [r.fate for r in records(tmp_path / "s")][:10] == ["recorded"] * 10


@pytest.mark.parametrize("there_is_room_again", [True, False])
def test_what_cannot_be_deleted_is_told_until_it_is(
    tmp_path: Path, there_is_room_again: bool
) -> None:
    made = recorder(tmp_path / "s")
    for index in range(20):
        made.write(frame(index))
    folder = SessionFolder(tmp_path / "s")
    folder.edits("C1").mkdir()  # which cannot be read as a table
    made.mark(last_ten())
    made.beat()
    assert "NOT deleted yet" in made.status().failure
    assert "recover" in made.status().failure
    if there_is_room_again:
        folder.edits("C1").rmdir()
    made.close("end")
    document = folder.read_document()
    assert document["failure"] == made.status().failure
    assert ("NOT deleted yet" in document["failure"]) != there_is_room_again
    assert document["state"] == "torn"  # so that nobody opens it before it is recovered
    if not there_is_room_again:
        folder.edits("C1").rmdir()
        recover(folder)
    assert ten_are_gone(tmp_path / "s")


FILLS_THE_DISK = """
import sys
from pathlib import Path
from fakes import FakeClock
import test_recording_recorder as t
clock = FakeClock()
made = t.recorder(Path(sys.argv[1]) / "s", clock)
written = 0
while not made.status().failure and written < 2000:
    made.write(t.frame(written, 640, 480))
    written += 1
    clock.now_s += float(sys.argv[2])
made.write(t.frame(written, 640, 480))
made.close("end")
status = made.status()
print(status.frames, status.dropped, status.failure)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize(
    ("beat_s", "reason", "state"),
    [("0.3", "the disk is full", "stopped"), ("0", "No space left on device", "torn")],
    ids=["seen coming", "another program filled it"],
)
def test_a_full_disk_ends_it_and_keeps_what_is_written(
    tmp_path: Path, beat_s: str, reason: str, state: str
) -> None:
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size=44m tmpfs {disk} && "
        f"{sys.executable} -c '{FILLS_THE_DISK}' {disk} {beat_s} && cp -r {disk}/s {kept}"
    )
    if not shutil.which("unshare"):
        pytest.skip("no tmpfs can be mounted here: no unshare")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["tests", "."])},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    frames, dropped, failure = done.stdout.strip().split(" ", 2)
    assert reason in failure
    assert int(frames) > 5
    assert int(dropped) >= 1
    assert SessionFolder(kept).read_document()["state"] in (state, "recording")
    if state == "torn":
        recover(SessionFolder(kept))
    recorded = [r.pts_ms for r in records(kept) if r.fate == "recorded"]
    assert recorded == read_pts(kept / "video.mkv")
    assert int(frames) - 4 <= len(recorded) <= int(frames)


def test_hours_take_no_more_memory_and_no_frame_is_lost_between_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three hours in accelerated time: a frame every twenty seconds."""
    monkeypatch.setattr(recording, "SYNC_S", 600)  # a disk takes its own time
    clock = FakeClock()
    made = recorder(tmp_path / "s", clock)
    held = []
    tracemalloc.start()
    for index in range(540):
        now_s = 100 + 20 * index + 1e-4 / 3
        made.write(Frame(Stamp(index, now_s), noise(index), now_s))
        made.note_step(Step(frame(0), None, None, None, (), {}), now_s)
        clock.now_s += 20
        if index % 180 == 179:
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    parts = [read_pts(folder.video(part)) for part in folder.parts()]
    assert len(parts) == 3 * 12
    assert {len(part) for part in parts} == {15}
    assert [ms for part in parts for ms in part] == [20_000 * index for index in range(540)]
    source = SessionSource(str(tmp_path / "s"), SourceOptions())
    frames = list(source)
    source.close()
    assert [f.stamp.time_s for f in frames] == [100 + 20 * n + 1e-4 / 3 for n in range(540)]
    assert source.status().dropped == {}
    assert held[2] - held[1] < 200_000  # the pictures of an hour: 1.6 million


@pytest.mark.parametrize(("clock", "waited_s"), [("file", 100.0), ("driver", 0.0)])
def test_moments_after_a_pause_have_the_utc_at_which_they_were_seen(
    tmp_path: Path, clock: str, waited_s: float
) -> None:
    """The clock of a file stands still in a pause; a camera's is the system's and does not."""
    made = SessionRecorder(
        create_folder(tmp_path / "s"), DOCUMENT, clock=lambda: clock, losses=dict, now=lambda: 0.0
    )
    for index in range(10):
        shown = frame(index)
        seen_s = shown.stamp.time_s + (900.0 if index < 5 else 900.0 + waited_s)
        made.write(replace(shown, received_s=seen_s if clock == "file" else shown.received_s))
    made.close("end")
    folder = SessionFolder(tmp_path / "s")
    began_s = frame(0).stamp.time_s + (900.0 if clock == "file" else 0.0)
    anchor = {"monotonic_s": began_s, "utc": "2026-01-01T00:00:00+00:00", "within_s": 0.0}
    folder.write_document(folder.read_document() | {"anchors": [anchor]})
    session = open_session(folder.path)
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    for index in range(10):
        expected_s = index / 25 + (waited_s if index >= 5 else 0.0)
        then = session.utc(frame(index).stamp.time_s)
        assert then is not None
        assert (then - begun).total_seconds() == pytest.approx(expected_s, abs=1e-5)
    before = session.utc(frame(0).stamp.time_s - 1.0)  # what began before the first picture
    assert before is not None
    assert (before - begun).total_seconds() == pytest.approx(-1.0, abs=1e-5)


@pytest.mark.parametrize("codec", ["h264", "ffv1"])
@pytest.mark.parametrize("fps", [25, 60, 120])
def test_other_programs_find_the_rate_that_was_recorded(
    codec: str, fps: int, tmp_path: Path
) -> None:
    writer = VideoWriter(tmp_path / "video.mkv", 64, 48, codec)
    for index in range(2 * fps):
        shown = replace(frame(index), stamp=Stamp(index, index / fps))
        writer.write(shown, round(1000 * index / fps))
    writer.close()
    assert _rate(tmp_path / "video.mkv") == pytest.approx(fps, rel=0.01)
    copy_without(tmp_path / "video.mkv", lambda ms: ms > 1500, lambda begin, _: begin > 1500)
    assert _rate(tmp_path / "video.mkv") == pytest.approx(fps, rel=0.01)


def _rate(path: Path) -> float:
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        assert rate is not None
        return float(rate)


def test_a_long_recording_holds_no_more_than_a_short_one(tmp_path: Path) -> None:
    day = accelerated.Day(tmp_path / "s")
    day.go_on(4_500)  # all that is bounded is full
    before = sys.getallocatedblocks()
    day.go_on(6_000)
    day.look()
    events = 6_000 / accelerated.EVENT_EVERY
    assert sys.getallocatedblocks() - before < 100 * events  # not 6,000 times anything
    day.close()
    session = open_session(tmp_path / "s")
    assert len(session.frames) == 10_500
    assert len(session.events) == len(day.results.events()) == 17
    assert session.frames.analysed.all()  # in time or late
