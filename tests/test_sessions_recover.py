"""Recordings that were cut off, wherever that was."""

import random
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest
from kills import loss, record_and_kill
from test_recording_recorder import frame, recorder, records

import realtime.recording.video_parts as parts
from model.errors import InputError
from realtime.review.recorded_frames import RecordedFrames
from realtime.sessions.folder import SessionFolder
from realtime.sessions.ledger import FROM_VIDEO, LOST_AT_CUT
from realtime.sessions.markers import Marker, format_marker
from realtime.sessions.reader import open_session
from realtime.sessions.recover import recover
from realtime.sessions.session_source import SessionSource
from realtime.sessions.video_cut import copy_without, read_pts
from realtime.sources import SourceOptions


def cut_off(path: Path, frames: int = 30) -> SessionFolder:
    """A session that looks as if its program had been killed."""
    made = recorder(path)
    for index in range(frames):
        made.write(frame(index))
    made.close("end")
    folder = SessionFolder(path)
    folder.write_document(folder.read_document() | {"state": "recording"})
    return folder


def spoil(video: Path, pictures: Iterable[int]) -> None:
    """Change a few bytes in the middle of these pictures."""
    with av.open(str(video)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = bytearray(video.read_bytes())
    for number in pictures:
        at = data.index(packets[number]) + len(packets[number]) // 2
        data[at : at + 4] = bytes(byte ^ 0xFF for byte in data[at : at + 4])
    video.write_bytes(data)


def agree(folder: SessionFolder) -> None:
    listed = Counter((r.part, r.pts_ms) for r in records(folder.path) if r.fate == "recorded")
    assert listed == Counter((p, ms) for p in folder.parts() for ms in read_pts(folder.video(p)))
    assert not listed or max(listed.values()) == 1


@pytest.mark.parametrize("seed", range(8))
def test_ledger_and_video_agree_wherever_they_were_torn(tmp_path: Path, seed: int) -> None:
    folder = cut_off(tmp_path / "s")
    moments = random.Random(seed)
    for file in (folder.video(1), folder.frames):
        data = file.read_bytes()
        file.write_bytes(data[: moments.randrange(len(data) + 1)])
    recover(folder)
    agree(folder)
    assert [r.index for r in records(folder.path)] == sorted(
        {r.index for r in records(folder.path)}
    )
    assert open_session(folder.path).document["state"] == "recovered"
    before = {path.name: path.read_bytes() for path in folder.path.glob("*.csv")}
    again = recover(folder)
    assert (again.lost, again.unlisted) == (0, 0)
    assert before == {path.name: path.read_bytes() for path in folder.path.glob("*.csv")}


@pytest.mark.parametrize("damaged", [1, 2, 7, 29, 30])
def test_what_lies_before_a_damaged_end_is_kept(tmp_path: Path, damaged: int) -> None:
    """As a disk leaves it that had written some blocks of the end, and not others."""
    folder = cut_off(tmp_path / "s")
    video = folder.video(1)
    spoil(video, range(30 - damaged, 30))
    video.write_bytes(video.read_bytes()[:-1])  # the power went before it was closed
    done = recover(folder)
    assert (done.frames, done.lost) == (30 - damaged, damaged)
    agree(folder)


def test_a_picture_that_was_damaged_on_the_disk_is_a_jump(tmp_path: Path) -> None:
    """FFmpeg's decoder hands it out as a good one."""
    folder = cut_off(tmp_path / "s")
    recover(folder)
    spoil(folder.video(1), [5])
    with closing(SessionSource(str(folder.path), SourceOptions())) as source:
        assert [one.stamp.index for one in source] == [n for n in range(30) if n != 5]
        assert source.status().unusable == {"damaged": 1}
    with closing(RecordedFrames(open_session(folder.path))) as pictures:
        with pytest.raises(InputError, match="cannot be decoded"):
            pictures.frame(5)
        assert np.array_equal(pictures.frame(6).image, frame(6).image)


def test_frames_that_were_lost_are_named(tmp_path: Path) -> None:
    folder = cut_off(tmp_path / "s")
    data = folder.video(1).read_bytes()
    folder.video(1).write_bytes(data[: len(data) // 2])
    done = recover(folder)
    lost = [r for r in records(folder.path) if r.cause == LOST_AT_CUT]
    assert 0 < done.lost == len(lost) == 30 - done.frames
    assert [r.index for r in lost] == list(range(done.frames, 30))
    assert all(r.time_s is not None for r in lost)


def test_pictures_without_a_line_get_one(tmp_path: Path) -> None:
    folder = cut_off(tmp_path / "s")
    text = folder.frames.read_text().splitlines(keepends=True)
    folder.frames.write_text("".join(text[:21]) + text[21][:9])
    done = recover(folder)
    assert (done.frames, done.unlisted, done.lost) == (30, 10, 0)
    agree(folder)
    told = [r for r in records(folder.path) if r.cause == FROM_VIDEO]
    times = [r.time_s for r in told if r.time_s is not None]
    assert times == pytest.approx([frame(index).stamp.time_s for index in range(20, 30)], abs=1e-3)


def test_a_redaction_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    folder = cut_off(tmp_path / "s")
    start_s = frame(20).stamp.time_s
    with folder.markers.open("a") as file:
        file.write(format_marker(Marker("redact", "", "", start_s, 0.0, "", start_s + 9)) + "\n")
    assert recover(folder).redactions == 1
    assert len(read_pts(folder.video(1))) == 20
    assert {r.fate for r in records(folder.path)[20:]} == {"redacted"}
    agree(folder)


def test_a_session_that_was_cut_off_is_not_opened_before_that(tmp_path: Path) -> None:
    folder = cut_off(tmp_path / "s")
    with pytest.raises(InputError, match="recover"):
        open_session(folder.path)
    with pytest.raises(InputError, match="not a session"):
        recover(SessionFolder(tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
@pytest.mark.parametrize(("seed", "fps"), [(0, "30"), (1, "60")])
def test_a_killed_program_loses_half_a_second_at_most(
    tmp_path: Path, untrained: Path, seed: int, fps: str
) -> None:
    after_s = random.Random(seed).uniform(0.2, 1.5)
    small = ["--width", "320", "--height", "240", "--fps", fps]
    small += ["--classifier", str(untrained)]
    killed_s = record_and_kill(tmp_path / "s", after_s, *small)
    lost = loss(tmp_path / "s", killed_s)
    assert lost.buffered_s <= 0.5
    assert lost.unlisted == 0
    assert open_session(tmp_path / "s").document["state"] == "recovered"


def test_parts_that_were_closed_are_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_S", 0.4)
    folder = cut_off(tmp_path / "s")
    assert folder.parts() == [1, 2, 3]
    last = folder.video(3)
    last.write_bytes(last.read_bytes()[:-100])
    before = [folder.video(part).stat().st_ino for part in folder.parts()]
    recover(folder)
    agree(folder)
    after = [folder.video(part).stat().st_ino for part in folder.parts()]
    assert before[:2] == after[:2]
    assert before[2] != after[2]


def test_a_video_that_cannot_be_read_now_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "empty.mkv").touch()
    assert read_pts(tmp_path / "empty.mkv") == []
    (tmp_path / "held.mkv").mkdir()
    with pytest.raises((IsADirectoryError, PermissionError)):  # the latter on Windows
        read_pts(tmp_path / "held.mkv")
    with pytest.raises((IsADirectoryError, PermissionError)):  # the latter on Windows
        copy_without(tmp_path / "held.mkv", lambda _: True, lambda *_: True)
