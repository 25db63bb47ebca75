"""Exports read back, by the formats' own libraries where there are some."""

import codecs
import csv
import json
import os
import re
import sys
import wave
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from spoken import HZ, spoken, tone
from test_recording_recorder import DOCUMENT, frame, noise, recorder, records

import realtime.recording.video_parts as parts
from model.cli import exit_code
from model.errors import InputError
from model.face.aligner import find_faces
from model.lazy_loading import load_entry
from model.records import Event, Frame, ImageU8, Prediction, Stamp, Window
from realtime.export import EXPORTS
from realtime.export.__main__ import main
from realtime.export.csv_parquet import SOUND_COLUMNS
from realtime.export.video import blur_faces
from realtime.recording.recorder import SessionRecorder
from realtime.review.recorded_frames import RecordedFrames
from realtime.sessions.export_rows import EVENT_COLUMNS, find_questions
from realtime.sessions.folder import create_folder
from realtime.sessions.markers import Marker, MarkerKind
from realtime.sessions.reader import Session, open_session

PROBABILITIES = {"negative": 0.2, "positive": 0.7, "surprise": 0.1}


def event(number: int, onset: int, apex: int, offset: int, state: Any = "confirmed") -> Event:
    stamps = [frame(index).stamp for index in (onset, apex, offset)]
    window = Window(*stamps, score=2.5, kind="micro", regions=("brow_inner_left", "chin"))
    prediction = Prediction("positive", PROBABILITIES, {"AU6": 0.6, "AU12": 0.9, "AU4": 0.1}, "x")
    known: Stamp = stamps[2]
    return Event(number, state, window, prediction, "returned", known)


def marker(kind: MarkerKind, name: str, index: int, note: str = "") -> Marker:
    return Marker(kind, name, note, frame(index).stamp.time_s, 0.0, "2026-01-01T00:00:01+00:00")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """3 s at 25 fps with two expressions that overlap, a withdrawn one, two questions, a note with
    what tables trip over, a gap, and sound, of which something is missing too."""
    folder = tmp_path_factory.mktemp("silent") / "Anna"
    made = recorder(folder, **{"camera away": 5})
    for index in [*range(40), *range(45, 75)]:
        made.write(frame(index))
    made.note_events([event(1, 10, 14, 20), event(2, 15, 18, 25), event(3, 30, 33, 36, "early")])
    made.note_events([event(3, 30, 33, 36, "withdrawn")])
    made.mark(marker("question_start", "q1", 5))
    made.mark(marker("question_start", "q2", 12))
    made.mark(marker("question_end", "q2", 60))
    made.mark(marker("mark", "stimulus", 50, 'a "dog",\tor <cat> & more'))
    made.close("end")
    return spoken(folder, tmp_path_factory.mktemp("sessions"))


def export(session: Session, name: str, folder: Path) -> list[Path]:
    files: list[Path] = load_entry(EXPORTS, name, "export")(session, folder)
    return files


def read(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


@pytest.mark.parametrize("name", EXPORTS)
def test_every_export_names_the_participant_by_code_only(
    session: Session, tmp_path: Path, name: str
) -> None:
    files = export(session, name, tmp_path)
    assert files
    for path in files:
        assert "Anna" not in str(path.relative_to(tmp_path))
        if path.suffix != ".parquet":
            # The link to the video has to name the folder that the session lies in.
            text = re.sub(r'MEDIA_URL="[^"]*"', "", path.read_bytes().decode("latin-1"))
            assert "Anna" not in text
            assert str(session.folder.path.parent) not in text
    if name not in ("csv", "parquet"):
        assert "P07" in str(files[0].relative_to(tmp_path))


@pytest.mark.parametrize("name", EXPORTS)
def test_no_export_is_overwritten(
    session: Session,
    tmp_path: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ["export", str(session.folder.path), "--to", name, "--out", str(tmp_path / "out")]
    (tmp_path / "out").mkdir(mode=0o755)  # a folder that others can read
    mask = os.umask(0o022)
    os.umask(mask)
    monkeypatch.setattr(sys, "argv", command)
    assert exit_code(main) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    assert [str(path) for path in before if str(path) in capsys.readouterr().out]
    if os.name == "posix":  # private, as the session is
        # Nothing changes the files afterwards: they were made so.
        assert {path.stat().st_mode & 0o777 for path in before} == {0o600}
        assert os.umask(mask) == mask
    assert exit_code(main) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}


def test_questions_end_where_they_are_ended_or_the_next_begins(session: Session) -> None:
    asked = [(q.name, round(q.start_s, 6), round(q.end_s, 6)) for q in find_questions(session)]
    assert asked == [("q1", 0.2, 0.48), ("q2", 0.48, 2.4)]


def test_csv_and_parquet_say_the_same(session: Session, tmp_path: Path) -> None:
    written = {
        path.name: path for name in ("csv", "parquet") for path in export(session, name, tmp_path)
    }
    for table in ("events", "markers", "frames"):
        (plain,) = (p for name, p in written.items() if name.endswith(f"_{table}.csv"))
        (packed,) = (p for name, p in written.items() if name.endswith(f"_{table}.parquet"))
        rows = read(plain)
        again = pq.read_table(packed).to_pylist()
        assert len(rows) == len(again) > 0
        for row, other in zip(rows, again, strict=True):
            assert row.keys() == other.keys()
            for column, cell in row.items():
                value = other[column]
                if isinstance(value, float):
                    assert float(cell) == pytest.approx(value, abs=1e-6)
                else:
                    assert cell == ("" if value is None else str(value))
    (path,) = (p for name, p in written.items() if name.endswith("_events.csv"))
    rows = read(path)
    first = rows[0]
    assert path.read_bytes().startswith(codecs.BOM_UTF8)  # a spreadsheet program asks for it
    assert [row["event"] for row in rows] == ["1", "2"]
    assert first["onset_s"] == "0.400000"
    assert first["duration_s"] == "0.400000"
    assert (first["label"], first["probability"], first["p_surprise"]) == (
        "positive",
        "0.700000",
        "0.100000",
    )
    assert first["action_units"] == "AU6 AU12"
    assert [row["question"] for row in rows] == ["q1", "q2"]
    (columns,) = (p for name, p in written.items() if name.endswith("_columns.json"))
    assert json.loads(columns.read_text())["events"] == EVENT_COLUMNS | SOUND_COLUMNS
    # It was quiet but for what was said from 1 s on; the first is at 0.4 s to 0.8 s.
    assert float(first["loudness_db"]) == pytest.approx(-63, abs=0.5)
    silent = replace(session, document={**session.document, "video": {"audio": None}})
    (tmp_path / "silent").mkdir()
    path, *_ = export(silent, "csv", tmp_path / "silent")
    assert [row["loudness_db"] for row in read(path)] == ["", ""]


def test_whose_face_and_which_frames_stand_with_each_expression(
    recorded: Path, tmp_path: Path
) -> None:
    session = open_session(recorded)
    events, _, frames, _ = export(session, "csv", tmp_path)
    motion = read(session.folder.motion)
    tracks = {row["index"]: row["track"] for row in motion}
    times = {row["index"]: row["time_s"] for row in read(frames)}
    rows = read(events)
    assert len(rows) == 1
    for row in rows:
        assert row["track"] == tracks[row["apex_index"]] != ""
        for moment in ("onset", "apex", "offset"):
            assert row[f"{moment}_s"] == times[row[f"{moment}_index"]]


def test_the_frames_add_up(session: Session, tmp_path: Path) -> None:
    (path,) = (p for p in export(session, "csv", tmp_path) if p.name.endswith("_frames.csv"))
    rows = read(path)
    assert sum(int(row["count"]) for row in rows) == 75
    assert [row["cause"] for row in rows if row["fate"] == "missing"] == ["camera away"]
    assert len(records(session.folder.path)) == len(rows)


def test_elan_is_read_back_by_pympi(session: Session, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed")
    path, film, sound = export(session, "elan", tmp_path)
    found = elan.Eaf(str(path))
    micro = found.get_annotation_data_for_tier("micro-expressions")
    assert [tuple(part[:3]) for part in micro] == [(400, 800, "positive")]
    # The second one overlaps the first, and ELAN's tiers hold nothing that overlaps.
    second = found.get_annotation_data_for_tier("micro-expressions 2")
    assert [tuple(part[:3]) for part in second] == [(600, 1000, "positive")]
    phases = found.get_annotation_data_for_tier("phases")
    assert (400, 560, "onset to apex") in [tuple(part[:3]) for part in phases]
    asked = found.get_annotation_data_for_tier("questions")
    assert [tuple(part[:3]) for part in asked] == [(200, 480, "q1"), (480, 2400, "q2")]
    notes = found.get_annotation_data_for_tier("markers")
    assert [part[2] for part in notes] == ['stimulus: a "dog",\tor <cat> & more']
    gap = found.get_annotation_data_for_tier("missing video")
    assert [tuple(part[:3]) for part in gap] == [(1560, 1800, "camera away")]
    silent = found.get_annotation_data_for_tier("missing sound")
    assert [tuple(part[:3]) for part in silent] == [(500, 800, "microphone away")]
    video, heard = found.get_linked_files()
    assert tmp_path / video["RELATIVE_MEDIA_URL"] == film
    assert video["MIME_TYPE"] == "video/mp4"
    assert (tmp_path / heard["RELATIVE_MEDIA_URL"]).resolve() == sound
    # As pympi itself links a WAV file.
    found.add_linked_file(sound.name, sound.name)
    assert found.get_linked_files()[-1]["MIME_TYPE"] == heard["MIME_TYPE"]


@pytest.mark.parametrize("name", ["csv", "elan", "bids", "boris"])
def test_what_no_program_can_read_is_replaced_on_its_way_out(name: str, tmp_path: Path) -> None:
    """An arrow key in a terminal, in a session from before such keys were kept out."""
    made = recorder(tmp_path / "s")
    made.write(frame(0))
    made.mark(marker("mark", "no\x1bte", 0, "to\x1b[A\x07 go on"))
    made.mark(marker("question_start", "q\x00", 0))
    made.close("end")
    for path in export(open_session(tmp_path / "s"), name, tmp_path):
        if path.suffix == ".mp4":
            continue
        text = path.read_text("utf-8")
        assert not set(text) & set("\x00\x07\x1b")
        if path.suffix == ".eaf":
            values = [str(element.text) for element in ET.parse(path).iter("ANNOTATION_VALUE")]
            assert "no�te: to�[A� go on" in values


def test_the_sound_is_as_long_as_the_video_and_silent_where_it_is_missing(
    session: Session, tmp_path: Path
) -> None:
    (path,) = export(session, "sound", tmp_path)
    with wave.open(str(path)) as read:
        assert (read.getnchannels(), read.getsampwidth(), read.getframerate()) == (1, 2, HZ)
        assert read.getnframes() / HZ == pytest.approx(session.seconds, abs=1 / HZ)
        samples = np.frombuffer(read.readframes(read.getnframes()), "<i2")
    with av.open(str(path)) as container:
        again = [block.to_ndarray()[0] for block in container.decode(audio=0)]
    assert np.array_equal(np.concatenate(again), samples)
    expected = np.trunc(tone(np.arange(len(samples)) / HZ))
    expected[HZ // 2 : HZ * 8 // 10] = 0
    assert np.array_equal(samples, expected)
    eaf, _ = export(session, "elan", tmp_path)  # links what is there
    links = [link.get("MEDIA_URL") for link in ET.parse(eaf).iter("MEDIA_DESCRIPTOR")]
    assert links[1:] == [path.name]


def test_a_voice_that_nobody_agreed_to_goes_nowhere(session: Session, tmp_path: Path) -> None:
    consent = {**session.document["consent"], "voice": False}
    unheard = replace(session, document={**session.document, "consent": consent})
    with pytest.raises(InputError, match="does not cover sound"):
        export(unheard, "sound", tmp_path)
    eaf, _ = export(unheard, "elan", tmp_path)
    assert [link.get("MIME_TYPE") for link in ET.parse(eaf).iter("MEDIA_DESCRIPTOR")] == [
        "video/mp4"
    ]


def test_a_session_without_sound_has_none_to_export(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    made.write(frame(0))
    made.close("end")
    with pytest.raises(InputError, match="has no sound"):
        export(open_session(tmp_path / "s"), "sound", tmp_path)
    assert not list(tmp_path.glob("*.wav"))


def test_elan_has_nothing_that_its_schema_does_not_know(session: Session, tmp_path: Path) -> None:
    path, *_ = export(session, "elan", tmp_path)
    root = ET.parse(path).getroot()
    order = [child.tag for child in root if child.tag != "TIER"]
    assert order == ["HEADER", "TIME_ORDER", "LINGUISTIC_TYPE"]
    assert [child.tag for child in root[0]] == ["MEDIA_DESCRIPTOR"] * 2 + ["PROPERTY"]
    identities = [a.get("ANNOTATION_ID") for a in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(identities) == len(set(identities)) == int(root[0][-1].text or "")


def test_bids_has_onset_and_duration_first_and_describes_its_columns(
    session: Session, tmp_path: Path
) -> None:
    document = {**session.document, "protocol": {"authors": ["A. Meyer", "B. Klein"]}}
    session = replace(session, document=document)
    table, described, dataset, readme = export(session, "bids", tmp_path)
    assert table.relative_to(tmp_path).as_posix() == (
        "sub-P07/ses-20260101T000000/beh/sub-P07_ses-20260101T000000_task-session_events.tsv"
    )
    lines = [line.split("\t") for line in table.read_text("utf-8").splitlines()]
    assert lines[0][:3] == ["onset", "duration", "trial_type"]
    assert {len(line) for line in lines} == {len(lines[0])}
    assert all(cell for line in lines for cell in line)
    onsets = [float(line[0]) for line in lines[1:]]
    assert onsets == sorted(onsets)
    kinds = [line[2] for line in lines[1:]]
    assert sorted(kinds) == ["mark", "micro", "micro", "question", "question"]
    words = json.loads(described.read_text("utf-8"))
    assert all("Description" in words[column] for column in lines[0])
    assert set(kinds) <= words["trial_type"]["Levels"].keys()
    recording = words["Recording"]
    assert "BEP047" in recording.pop("Draft")
    assert recording == {
        "Suffix": "audiovideo",
        "Files": ["video.mkv"],
        "RecordingDuration": 2.96,
        "Width": 64,
        "Height": 48,
        "VideoCodec": "ffv1",
        "FrameRate": 25.0,  # as the report says: the gap does not lower it
        "AudioCodec": "pcm_s16le",
        "AudioSampleRate": HZ,
        "AudioChannelCount": 1,
        "Device": "room",
    }
    assert words["Description"]  # recommended for the file too
    about = json.loads(dataset.read_text("utf-8"))
    assert about["BIDSVersion"]
    assert about["Authors"] == ["A. Meyer", "B. Klein"]
    assert readme.name == "README"
    assert readme.read_text("utf-8")


def test_a_frame_rate_that_nobody_knows_is_not_in_the_json(tmp_path: Path) -> None:
    made = recorder(tmp_path / "P07")
    for index in range(0, 20, 2):  # no two frames follow each other
        made.write(frame(index))
    made.close("end")
    _, described, *_ = export(open_session(tmp_path / "P07"), "bids", tmp_path / "out")
    assert "NaN" not in described.read_text("utf-8")
    recording = json.loads(described.read_text("utf-8"))["Recording"]
    assert "VideoCodec" in recording
    assert "FrameRate" not in recording


def test_boris_gets_the_five_columns_that_it_pastes(session: Session, tmp_path: Path) -> None:
    (path,) = export(session, "boris", tmp_path)
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    assert {len(row) for row in rows} == {5}
    assert {row[1] for row in rows} == {"P07"}
    assert [(row[0], row[2]) for row in rows] == [
        ("0.200", "q1"),
        ("0.400", "positive"),
        ("0.480", "q1"),
        ("0.480", "q2"),
        ("0.600", "positive 2"),  # it overlaps the first, and would end it
        ("0.800", "positive"),
        ("1.000", "positive 2"),
        ("2.000", "stimulus"),
        ("2.400", "q2"),
    ]
    assert rows[1][3:] == ["AU6|AU12", "micro-expression"]
    assert rows[7][3:] == ["", 'a "dog", or <cat> & more']


def pictures(path: Path) -> Iterator[tuple[int, ImageU8]]:
    with av.open(str(path)) as container:
        for one in container.decode(video=0):
            assert one.time is not None
            yield round(1000 * one.time), one.to_ndarray(format="rgb24")


def test_the_parts_of_a_video_become_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_S", 0.2)
    made = recorder(tmp_path / "s")
    for index in range(12):
        made.write(frame(index))
    made.close("end")
    session = open_session(tmp_path / "s")
    assert session.folder.parts() == [1, 2, 3]
    (video,) = export(session, "video", tmp_path)
    found = list(pictures(video))
    assert [ms for ms, _ in found] == [40 * index for index in range(12)]
    assert all(np.array_equal(image, frame(n).image) for n, (_, image) in enumerate(found))
    eaf, film = export(session, "elan", tmp_path)
    link = ET.parse(eaf).find("HEADER/MEDIA_DESCRIPTOR")
    assert link is not None
    assert link.get("RELATIVE_MEDIA_URL") == film.name
    assert [ms for ms, _ in pictures(film)] == [40 * index for index in range(12)]


@pytest.mark.parametrize("codec", ["h264", "ffv1"])
@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
def test_elan_gets_a_video_that_plays_everywhere(
    codec: str, size: tuple[int, int], tmp_path: Path
) -> None:
    document = {**DOCUMENT, "video": {"codec": codec, "lossless": codec == "ffv1"}}
    made = SessionRecorder(
        create_folder(tmp_path / "s"), document, clock=lambda: "driver", losses=dict
    )
    shown = {}
    for index in (0, 1, 2, 5, 6):
        smooth = cv2.resize(noise(index, 4, 3), size, interpolation=cv2.INTER_CUBIC)
        shown[index] = replace(frame(index), image=np.asarray(smooth, np.uint8))
        made.write(shown[index])
    made.close("end")
    _, film = export(open_session(tmp_path / "s"), "elan", tmp_path)
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (64, 48)
    found = dict(pictures(film))
    assert list(found) == [0, 40, 80, 200, 240]
    for index, then in shown.items():
        assert np.abs(found[40 * index].astype(int) - then.image[:48, :64]).mean() < 6
    before = film.read_bytes()
    export(open_session(tmp_path / "s"), "csv", tmp_path)
    assert film.read_bytes() == before


def test_parts_of_different_sizes_are_not_joined(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    for index in range(4):
        made.write(frame(index, 64 if index < 2 else 32))
    made.close("end")
    for name in ("video", "blurred"):
        with pytest.raises(InputError, match="size"):
            export(open_session(tmp_path / "s"), name, tmp_path)


@pytest.mark.parametrize("name", ["video", "blurred", "crop"])
def test_a_session_without_pictures_has_none_to_export(name: str, tmp_path: Path) -> None:
    recorder(tmp_path / "s").close("end")
    with pytest.raises(InputError, match="no pictures"):
        export(open_session(tmp_path / "s"), name, tmp_path)


def test_a_video_that_cannot_be_read_costs_no_table(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    for index in range(4):
        made.write(frame(index))
    made.close("end")
    session = open_session(tmp_path / "s")
    session.folder.video(1).write_bytes(bytes(1000))
    for name in ("csv", "elan", "bids", "boris"):
        assert export(session, name, tmp_path)
    for name in ("video", "blurred"):
        with pytest.raises(InputError, match="cannot be read"):
            export(session, name, tmp_path)


def test_a_face_that_is_missed_for_a_moment_is_covered_all_the_same(recorded: Path) -> None:
    found = RecordedFrames(open_session(recorded))
    alone = found.frame(0).image
    found.close()
    height, width = alone.shape[:2]
    both = np.concatenate([alone, alone], axis=1)
    half_hidden = both.copy()
    half_hidden[height // 2 :, width:] = 0  # eyes and brows can still be seen
    assert len(find_faces(both)) == 2
    assert len(find_faces(half_hidden)) == 1
    times_s = [0.0, 0.4, 0.8, 1.2]
    images = [both, half_hidden, half_hidden, half_hidden]
    frames = [
        Frame(Stamp(n, time_s), image, 0.0)
        for n, (time_s, image) in enumerate(zip(times_s, images, strict=True))
    ]
    after = list(blur_faces(frames))
    assert [frame.stamp for frame in after] == [frame.stamp for frame in frames]
    eyes = np.s_[height // 4 : height // 2, width + width // 3 : width + 2 * width // 3]
    hidden = [
        not np.array_equal(image[eyes], shown.image[eyes])
        for image, shown in zip(images, after, strict=True)
    ]
    assert hidden == [True, True, False, False]
    # It is found only later: then it was there before, too.
    ends = (half_hidden, half_hidden, half_hidden, both)
    before = list(
        blur_faces(replace(frame, image=image) for frame, image in zip(frames, ends, strict=True))
    )
    assert not np.array_equal(before[2].image[eyes], half_hidden[eyes])


def test_no_face_is_left_in_a_blurred_video_and_nothing_else_in_a_crop(
    recorded: Path, tmp_path: Path
) -> None:
    session = open_session(recorded)
    before = [f.image for f in RecordedFrames(session).between(0, 86)]
    ((path,), (cut,)) = (export(session, name, tmp_path) for name in ("blurred", "crop"))
    after = list(pictures(path))
    assert [ms for ms, _ in after] == [40 * index for index in range(87)]
    for image, (_, shown) in list(zip(before, after, strict=True))[::8]:
        assert find_faces(image)
        assert not find_faces(shown)
        corner = np.abs(image[:40, :40].astype(int) - shown[:40, :40])
        assert corner.mean() < 6  # the rest is as it was, but for H.264
    crops = list(pictures(cut))
    assert len(crops) == 87
    assert {image.shape for _, image in crops} == {(256, 256, 3)}
    assert len(find_faces(crops[40][1])) == 1
