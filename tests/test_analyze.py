"""Recordings to tables: the same every time, nothing overwritten, one bad input spoils nothing."""

import csv
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fakes import picture, write_clip
from test_baseline import measured

from model.errors import InputError, SourceError, exit_code
from realtime import analyze
from realtime.analyze import plan
from realtime.baseline import save_baseline
from realtime.config import LiveConfig
from realtime.motion import REGIONS
from realtime.tables import MOTION_COLUMNS, motion_schema


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "blank.mkv"
    write_clip(path, [picture(20 * n) for n in range(8)], [40 * n for n in range(8)])
    return path


def run(monkeypatch: pytest.MonkeyPatch, *options: object) -> int:
    monkeypatch.setattr(sys, "argv", ["analyze", *map(str, options)])
    return exit_code(analyze.main)


def test_a_clip_gives_both_tables_twice_the_same(
    untrained: Path, expression_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for out in ("a", "b"):
        options = (expression_clip, "--classifier", untrained, "--out", tmp_path / out)
        assert run(monkeypatch, *options) == 0
    names = ["expression.events.csv", "expression.motion.parquet"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    motion = pq.read_table(tmp_path / "a" / "expression.motion.parquet")
    assert motion.schema.equals(motion_schema())
    assert motion.column("index").to_pylist() == list(range(87))
    assert motion.column("time_s").to_pylist() == pytest.approx([n / 25 for n in range(87)])
    assert motion.column(f"{REGIONS[0]}_strength_px").null_count == 0
    said = [words for words in motion.column("spotter").to_pylist() if words]
    assert any(words.startswith("closed ") and "× threshold" in words for words in said)
    with (tmp_path / "a" / "expression.events.csv").open(newline="", encoding="utf-8") as file:
        events = list(csv.DictReader(file))
    assert events, "the clip shows an expression"
    for event in events:
        onset_s, apex_s, offset_s = (float(event[f"{m}_s"]) for m in ("onset", "apex", "offset"))
        assert 0 <= onset_s < apex_s < offset_s < 3.5
        assert event["kind"] in ("micro", "macro")
        shares = {name: float(event[f"p_{name}"]) for name in ("negative", "positive", "surprise")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert shares[event["label"]] == max(shares.values())
        named = event["action_units"].split()
        assert named == [unit for unit in named if float(event[f"p_{unit}"]) >= 0.5]


def test_motion_as_csv_says_the_same_as_parquet(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = ("demo", "--seconds", 0.5, "--width", 320, "--height", 240, "--classifier", untrained)
    assert run(monkeypatch, *demo, "--out", tmp_path) == 0
    assert run(monkeypatch, *demo, "--out", tmp_path / "csv", "--motion", "csv") == 0
    with (tmp_path / "csv" / "demo.motion.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = pq.read_table(tmp_path / "demo.motion.parquet").to_pydict()
    assert list(rows[0]) == list(columns) == list(MOTION_COLUMNS)
    assert len(rows) == 15
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            if isinstance(value, float):
                assert float(row[name]) == pytest.approx(value, rel=1e-5, abs=1e-6)
            else:
                assert row[name] == str(value)


def test_without_a_face_there_are_frames_and_no_events(
    untrained: Path,
    tmp_path: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, blank, "--classifier", untrained, "--out", tmp_path / "out") == 0
    assert "no face in any frame" in capsys.readouterr().out
    motion = pq.read_table(tmp_path / "out" / "blank.motion.parquet")
    assert motion.num_rows == 8
    assert motion.column("track").null_count == 8
    table = (tmp_path / "out" / "blank.events.csv").read_text("utf-8")
    assert table.startswith("onset_s,apex_s,offset_s,kind,label,p_negative,")
    assert table.count("\n") == 1


def test_one_bad_input_is_told_and_the_others_go_on(
    untrained: Path,
    tmp_path: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    no_video = tmp_path / "letter.mp4"
    no_video.write_text("Dear reader")
    inputs = ("absent.mp4", no_video, "demo", blank)
    assert run(monkeypatch, *inputs, "--classifier", untrained, "--out", tmp_path / "out") == 2
    told = capsys.readouterr().err
    for words in ("absent.mp4", "letter.mp4", "give --seconds", "3 of 4 inputs"):
        assert words in told
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "blank.events.csv",
        "blank.motion.parquet",
    ]


def test_a_baseline_that_does_not_suit_one_input_does_not_end_the_others(
    untrained: Path,
    tmp_path: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    baseline = measured(kind="file", camera="rest.mp4", width=320, height=240)
    save_baseline(tmp_path / "P07.json", baseline)
    demo = ("demo", "--seconds", 0.3, "--width", 320, "--height", 240, "--classifier", untrained)
    out = tmp_path / "out"
    assert run(monkeypatch, blank, *demo, "--baseline", tmp_path / "P07.json", "--out", out) == 2
    told = capsys.readouterr().err
    assert "measured at 320×240 px" in told
    assert "1 of 2 inputs" in told
    assert (out / "demo.events.csv").exists()


def test_tables_that_cannot_be_written_are_told_in_one_line(
    untrained: Path,
    tmp_path: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "out" / "blank.motion.parquet.partial").mkdir(parents=True)
    options = ("--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, blank, *options) == 2
    assert f"{tmp_path / 'out'} cannot be written: " in capsys.readouterr().err


def test_what_is_there_stays_and_nothing_is_started(tmp_path: Path, blank: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    earlier = out / "blank.motion.csv"
    earlier.write_text("earlier")
    with pytest.raises(InputError, match=r"blank\.motion\.csv exists.*another --out"):
        plan([str(blank)], out, "csv")
    plan([str(blank)], out, "parquet")
    assert earlier.read_text() == "earlier"
    with pytest.raises(InputError, match="not a folder"):
        plan([str(blank)], blank, "csv")


def test_inputs_of_one_name_get_numbers(tmp_path: Path) -> None:
    inputs = ["a/clip.mp4", "b/clip.mov", "c/Clip.avi", "a/clip.mp4", "demo"]
    jobs = plan(inputs, tmp_path, "csv")
    assert [events.name for events, _ in jobs.values()] == [
        "clip.events.csv",
        "clip-2.events.csv",
        "Clip-3.events.csv",
        "demo.events.csv",
    ]


def test_a_live_source_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="live, not a recording"):
        analyze.analyze("browser", tmp_path / "e.csv", tmp_path / "m.csv", LiveConfig())
