"""Recordings to tables: the same every time, nothing overwritten, one bad input spoils nothing."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import av
import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from fakes import copied, picture, write_clip
from test_spotting_baseline_file import measured

from model.cli import exit_code
from model.cluster import code_digest
from model.errors import CheckpointError, SourceError
from model.inference.checkpoint import read_checkpoint, save_checkpoint
from realtime import analysis, analyze
from realtime.analysis_jobs import name_of, plan_jobs
from realtime.config import LiveConfig
from realtime.input_outcomes import run_inputs
from realtime.results.event_tables import MOTION_COLUMNS, motion_schema, write_events
from realtime.sessions.exported_copies import known_copies
from realtime.sessions.folder import SessionFolder
from realtime.sessions.markers import Marker, format_marker
from realtime.sessions.redact import redact_span
from realtime.sources import SOURCES, open_source
from realtime.sources.remote_file import fetched, is_remote, remote_facts
from realtime.spotting.baseline_file import save_baseline
from realtime.spotting.me_probability import AT_BAR, HIGHEST
from realtime.spotting.motion import REGIONS

ROOT = Path(__file__).parent.parent


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "blank.mkv"
    write_clip(path, [picture(20 * n) for n in range(8)], [40 * n for n in range(8)])
    return path


def run(monkeypatch: pytest.MonkeyPatch, *options: object) -> int:
    monkeypatch.setattr(sys, "argv", ["analyze", *map(str, options)])
    try:
        return exit_code(analyze.main)
    except SystemExit as ended:
        return int(ended.code or 0)


def files_of(name: str) -> list[str]:
    """The names of the files of an analysis."""
    tables = [f"events.{ending}" for ending in ("csv", "parquet")]
    tables += [f"motion.{ending}" for ending in ("csv", "parquet")]
    return [f"{name}.{rest}" for rest in ("analysis.json", "columns.json", *tables, "summary.html")]


def test_a_clip_gives_both_tables_twice_the_same(
    untrained: Path, expression_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for out in ("a", "b"):
        options = (expression_clip, "--classifier", untrained, "--out", tmp_path / out)
        assert run(monkeypatch, *options) == 0
    names = files_of("expression")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    motion = pq.read_table(tmp_path / "a" / "expression.motion.parquet")
    assert motion.schema.equals(motion_schema())
    assert motion.column("index").to_pylist() == list(range(87))
    assert motion.column("time_s").to_pylist() == pytest.approx([n / 25 for n in range(87)])
    assert motion.column(f"{REGIONS[0]}_strength_px").null_count == 0
    said = [words for words in motion.column("spotter").to_pylist() if words]
    assert any(words.startswith("closed ") and "× the noise threshold" in words for words in said)
    with (tmp_path / "a" / "expression.events.csv").open(newline="", encoding="utf-8") as file:
        events = list(csv.DictReader(file))
    assert events, "the clip shows an expression"
    for event in events:
        onset_s, apex_s, offset_s = (float(event[f"{m}_s"]) for m in ("onset", "apex", "offset"))
        assert 0 <= onset_s < apex_s < offset_s < 3.5
        assert event["kind"] in ("micro", "macro")
        for moment in ("onset", "apex", "offset"):
            at = motion.column("index").to_pylist().index(int(event[f"{moment}_index"]))
            time_s = motion.column("time_s")[at].as_py()
            assert time_s == pytest.approx(float(event[f"{moment}_s"]), abs=1e-6)
            assert motion.column("track")[at].as_py() == int(event["track"])
        shares = {name: float(event[f"p_{name}"]) for name in ("negative", "positive", "surprise")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert shares[event["label"]] == max(shares.values())
        named = event["action_units"].split()
        assert named == [unit for unit in named if float(event[f"p_{unit}"]) >= 0.5]


@pytest.fixture(scope="module")
def analysed(
    untrained: Path, expression_clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder with the analysis of a clip that shows an expression, pictures and video too. Not
    to be changed."""
    out = tmp_path_factory.mktemp("analysed")
    with pytest.MonkeyPatch.context() as patch:
        options = ("--classifier", untrained, "--pictures", "--video")
        assert run(patch, expression_clip, *options, "--out", out) == 0
    return out


@pytest.mark.parametrize("table", ["events", "motion"])
def test_csv_parquet_and_codebook_say_the_same(analysed: Path, table: str) -> None:
    with (analysed / f"expression.{table}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = pq.read_table(analysed / f"expression.{table}.parquet").to_pydict()
    codebook = json.loads((analysed / "expression.columns.json").read_text("utf-8"))[table]
    assert list(rows[0]) == list(columns) == list(codebook)
    assert all(codebook.values())
    if table == "motion":
        assert list(codebook) == list(MOTION_COLUMNS)
        assert len(rows) == 87
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            if isinstance(value, float):
                assert float(row[name]) == pytest.approx(value, rel=1e-5, abs=1e-6)
            else:
                assert row[name] == ("" if value is None else str(value))


def test_the_summary_has_a_timeline_and_pictures_only_if_asked_for(
    analysed: Path, untrained: Path, blank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (analysed / "expression.summary.html").read_text("utf-8")
    with (analysed / "expression.events.csv").open(newline="", encoding="utf-8") as file:
        events = list(csv.DictReader(file))
    assert page.count("data:image/jpeg") == 3 * len(events)
    assert page.count('class="event"') == len(events)
    assert "100 %" not in page  # a network is never certain
    for event in events:
        assert f"{float(event['onset_s']):.2f} s</td>" in page
    assert "expression.events.parquet" in page
    assert "http" not in page  # it needs nothing from outside
    out = blank.parent / "out"
    assert run(monkeypatch, blank, "--classifier", untrained, "--out", out) == 0
    page = (out / "blank.summary.html").read_text("utf-8")
    assert "data:image" not in page
    assert "<p>None.</p>" in page


def test_the_annotated_video_names_the_expression_on_its_frames(
    analysed: Path, expression_clip: Path
) -> None:
    with (analysed / "expression.events.csv").open(newline="", encoding="utf-8") as file:
        event = next(csv.DictReader(file))
    with av.open(str(analysed / "expression.annotated.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert not container.streams.audio
    with closing(open_source(str(analysed / "expression.annotated.mp4"))) as video:
        drawn = [(frame.stamp.time_s, frame.image) for frame in video]
    with closing(open_source(str(expression_clip))) as video:
        plain = [(frame.stamp.time_s, frame.image) for frame in video]
    assert [time_s for time_s, _ in drawn] == pytest.approx([time_s for time_s, _ in plain])
    onset = int(event["onset_index"])
    before, named = (
        np.abs(drawn[n][1].astype(int) - plain[n][1]).max(axis=2) for n in (onset - 1, onset)
    )
    assert (before > 60).sum() > 100  # outline and regions
    assert (named > 60).sum() > (before > 60).sum() + 500  # and the name


def test_files_of_an_analysis_are_private(analysed: Path) -> None:
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in analysed.iterdir()} == {0o600}


def test_pictures_of_a_session_need_its_consent(
    recorded: Path,
    tmp_path: Path,
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = copied(recorded, tmp_path / "P07")
    options = (session, "--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, *options, "--pictures") == 1
    assert "covers no pictures of the face: leave out --pictures" in capsys.readouterr().err
    assert run(monkeypatch, *options) == 0
    copies = {path.name for path in known_copies(SessionFolder(session))}
    assert copies == set(files_of("P07"))  # a redaction finds them


def test_what_is_asked_for_later_needs_to_be_asked_for_again(
    untrained: Path,
    blank: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = (blank, "--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, *options) == 0
    before = results(tmp_path / "out")
    for more in ("--video", "--pictures"):
        kept = results(tmp_path / "out")
        assert run(monkeypatch, *options, more) == 1
        assert "without --pictures or --video: give --again" in capsys.readouterr().err
        assert results(tmp_path / "out") == kept
        assert run(monkeypatch, *options, more, "--again") == 0
        assert run(monkeypatch, *options, more) == 0
        assert "already analysed" in capsys.readouterr().out
        # The video of an earlier analysis does not stay beside tables that found other things.
        assert (tmp_path / "out" / "blank.annotated.mp4").exists() == (more == "--video")
    after = results(tmp_path / "out")
    assert all(after[f"blank.{t}"] == before[f"blank.{t}"] for t in ("events.csv", "motion.csv"))


def test_the_analysis_of_an_earlier_version_counts_as_done(
    untrained: Path,
    blank: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = (blank, "--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, *options) == 0
    for ending in ("events.parquet", "motion.csv", "columns.json", "summary.html"):
        (tmp_path / "out" / f"blank.{ending}").unlink()
    before = results(tmp_path / "out")
    assert run(monkeypatch, *options) == 0
    assert "already analysed" in capsys.readouterr().out
    assert results(tmp_path / "out") == before


def test_a_session_is_known_again_whatever_is_noted_in_its_folder(
    recorded: Path,
    tmp_path: Path,
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = copied(recorded, tmp_path / "P07")
    options = (session, "--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, *options) == 0
    (session / "edits-C1.jsonl").write_text("")
    assert run(monkeypatch, *options) == 0
    assert "already analysed" in capsys.readouterr().out


def test_what_is_deleted_during_an_analysis_does_not_come_back(
    recorded: Path,
    tmp_path: Path,
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = copied(recorded, tmp_path / "P07")

    def write_events_late(*arguments: object, **options: object) -> None:
        redact_span(session, 1.5, 3.0)
        write_events(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(analysis, "write_events", write_events_late)
    options = (session, "--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, *options) == 1
    assert "changed meanwhile: analyse it again" in capsys.readouterr().err
    assert results(tmp_path / "out") == {}


def test_nothing_is_written_of_a_session_before_its_deletion_is_finished(
    recorded: Path,
    tmp_path: Path,
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = copied(recorded, tmp_path / "P07")
    with (session / "markers.jsonl").open("a", encoding="utf-8") as file:
        file.write(format_marker(Marker("redact", "", "", 0.0, 0.0, "", 1e9)) + "\n")
    options = (session, "--classifier", untrained, "--out", tmp_path / "out", "--video")
    assert run(monkeypatch, *options) == 1
    assert "first finish it" in capsys.readouterr().err
    assert results(tmp_path / "out") == {}


def test_a_copy_that_could_not_be_finished_is_noted(
    recorded: Path, tmp_path: Path, untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = copied(recorded, tmp_path / "P07")

    def fill_disk(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(analysis, "write_record", fill_disk)
    options = (session, "--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, *options, "--video") == 2
    copies = {path.name for path in known_copies(SessionFolder(session))}
    assert "P07.annotated.mp4" in copies
    assert copies == set(results(tmp_path / "out"))


@pytest.mark.parametrize("spec", ["{}/video.mkv", "loop:{}"])
def test_a_part_of_a_session_is_refused(
    spec: str,
    recorded: Path,
    tmp_path: Path,
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--classifier", untrained, "--out", tmp_path / "out", "--seconds", 1)
    assert run(monkeypatch, spec.format(recorded), *options) == 1
    assert "give its folder" in capsys.readouterr().err or spec.startswith("loop")
    assert results(tmp_path / "out") == {}


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
    assert table.startswith(
        "onset_s,apex_s,offset_s,onset_index,apex_index,offset_index,track,kind,me_probability,"
        "label,p_negative,"
    )
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
    assert run(monkeypatch, *inputs, "--classifier", untrained, "--out", tmp_path / "out") == 1
    table = capsys.readouterr().err.partition("3 of 4 inputs failed:\n")[2].splitlines()
    for line, spec, why in zip(
        table, inputs, ("no such file", "not a video", "give --seconds"), strict=False
    ):
        assert line.split()[0] == str(spec)
        assert why in line
    assert len(table) == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files_of("blank")


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
    assert run(monkeypatch, blank, *demo, "--baseline", tmp_path / "P07.json", "--out", out) == 1
    told = capsys.readouterr().err
    assert "measured at 320×240 px" in told
    assert "1 of 2 inputs failed" in told
    assert (out / "demo.events.csv").exists()


def test_tables_that_cannot_be_written_are_told_in_one_line(
    untrained: Path,
    tmp_path: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "out" / f"blank.motion.parquet.{os.getpid()}.partial").mkdir(parents=True)
    options = ("--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, blank, *options) == 2
    assert f"{tmp_path / 'out'} cannot be written: " in capsys.readouterr().err


def broken(*args: object) -> None:
    raise ZeroDivisionError("a bug")


def test_a_bug_met_in_one_input_shows_its_trace_and_the_others_go_on(
    untrained: Path,
    tmp_path: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(SOURCES, "bug", f"{__name__}:broken")
    options = ("--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, "bug", blank, *options) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "1 of 2 inputs failed:\n  bug  ZeroDivisionError: a bug" in told
    assert (tmp_path / "out" / "blank.events.csv").exists()


def test_a_title_that_is_no_utf8_costs_nothing(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(
        tmp_path / "shift-jis.avi", [picture(90)] * 3, [0, 33, 67], codec="mpeg4", title="XXXXXX"
    )
    clip.write_bytes(clip.read_bytes().replace(b"XXXXXX", bytes.fromhex("836583588367")))
    options = ("--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, clip, *options) == 0
    assert pq.read_table(tmp_path / "out" / "shift-jis.motion.parquet").num_rows == 3


def results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_what_was_done_before_is_skipped_and_said(
    untrained: Path,
    tmp_path: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    options = ("--classifier", untrained, "--out", out)
    assert run(monkeypatch, blank, *options) == 0
    first = results(out)
    second = write_clip(tmp_path / "second.mkv", [picture(90)] * 3, [0, 40, 80])
    capsys.readouterr()
    assert run(monkeypatch, blank, second, *options) == 0
    told = capsys.readouterr().out
    assert (
        f"{blank}: already analysed, see {out / 'blank.events.csv'}; --again analyses it again"
        in told
    )
    assert "second.mkv: 64×48" in told
    assert {name: results(out)[name] for name in first} == first

    moved = blank.rename(tmp_path / "moved")  # known by its content, not by where it lies
    blank.parent.joinpath("other").mkdir()
    moved.rename(tmp_path / "other" / "blank.mkv")
    assert run(monkeypatch, tmp_path / "other" / "blank.mkv", *options) == 0
    assert "already analysed" in capsys.readouterr().out

    assert run(monkeypatch, second, *options, "--rotate", 90) == 1
    assert "was made with another rotate: give --again to replace it" in capsys.readouterr().err

    record = out / "second.analysis.json"  # as a version wrote it that had a learned spotter
    record.write_text(record.read_text().replace('"rules"', '"mine.safetensors"'))
    assert run(monkeypatch, second, *options) == 1
    assert "was made with another spotter: give --again to replace it" in capsys.readouterr().err
    assert run(monkeypatch, second, *options, "--rotate", 90, "--again") == 0
    record = json.loads((out / "second.analysis.json").read_text("utf-8"))
    assert record["options"]["rotate"] == 90
    assert record["notes"][-1] == "turned by 90°"
    assert "turned by 90°" in record["source"]


def test_another_input_of_the_name_gets_a_number_and_nothing_is_lost(
    untrained: Path, tmp_path: Path, blank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    options = ("--classifier", untrained, "--out", out)
    out.mkdir()
    (out / "blank.events.csv").write_text("earlier")  # of what, nothing says
    assert run(monkeypatch, blank, *options) == 0
    write_clip(blank, [picture(90)] * 3, [0, 40, 80])
    assert run(monkeypatch, blank, *options, "--again") == 0
    assert (out / "blank.events.csv").read_text() == "earlier"
    rows = [pq.read_table(out / f"blank-{n}.motion.parquet").num_rows for n in (2, 3)]
    assert rows == [8, 3]


@pytest.mark.parametrize("step", ["_frames", "write_events", "_report"])
def test_what_a_killed_process_left_is_replaced_when_its_job_runs_again(
    step: str, untrained: Path, tmp_path: Path, blank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (str(blank), "--classifier", str(untrained), "--out", str(tmp_path / "out"))
    config = LiveConfig(classifier=str(untrained))
    (job,) = plan_jobs([str(blank)], tmp_path / "out", config)
    code = f"""
import os
from realtime import analysis, analyze
analysis.{step} = lambda *_, **__: os._exit(9)
analyze.main()
"""
    for run_again in (
        lambda: analysis.analyze(job, config),  # as a cluster does, which knows nothing of the end
        lambda: run(monkeypatch, *options),
    ):
        killed = subprocess.run([sys.executable, "-c", code, *options], check=False)
        assert killed.returncode == 9
        left = results(tmp_path / "out").keys()
        assert any(name.endswith(".partial") for name in left) == (step == "_frames")
        assert ("blank.motion.csv" in left) == (step != "_frames")
        run_again()
        assert sorted(results(tmp_path / "out")) == files_of("blank")
        assert json.loads((tmp_path / "out" / "blank.analysis.json").read_text())["failure"] == ""
        shutil.rmtree(tmp_path / "out")


def test_other_weights_of_the_same_name_are_refused(
    untrained: Path, tmp_path: Path, blank: Path
) -> None:
    weights = tmp_path / "mine.safetensors"
    for suffix in (".safetensors", ".onnx", ".json"):
        shutil.copyfile(untrained.with_suffix(suffix), weights.with_suffix(suffix))
    config = LiveConfig(classifier=str(weights))
    (job,) = plan_jobs([str(blank)], tmp_path / "out", config)
    checkpoint, arrays = read_checkpoint(weights)
    save_checkpoint(weights, replace(checkpoint, command="another"), arrays)
    with pytest.raises(CheckpointError, match=r"has other weights in .*: copy the file"):
        analyze.analyze(job, config)
    assert not (tmp_path / "out").exists()


def test_what_another_version_analysed_is_said(
    untrained: Path,
    tmp_path: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = (blank, "--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, *options) == 0
    path = tmp_path / "out" / "blank.analysis.json"
    record = json.loads(path.read_text("utf-8"))
    assert record["program"] == code_digest()
    for program, said in (
        ({"program": "another"}, "already analysed by another version of this program, see"),
        ({}, "already analysed, see"),  # by a version that did not note it
    ):
        del record["program"]
        record |= program
        path.write_text(json.dumps(record))
        capsys.readouterr()
        assert run(monkeypatch, *options) == 0
        assert said in capsys.readouterr().out


def test_what_broke_off_is_tried_again(
    untrained: Path, tmp_path: Path, blank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    options = ("--classifier", untrained, "--out", out)
    assert run(monkeypatch, blank, *options) == 0
    record = out / "blank.analysis.json"
    record.write_text(record.read_text("utf-8").replace('"failure": ""', '"failure": "a disk"'))
    assert run(monkeypatch, blank, *options) == 0
    assert json.loads(record.read_text("utf-8"))["failure"] == ""


def test_the_folder_for_results_is_none_of_the_inputs(
    untrained: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, blank, "--classifier", untrained, "--out", blank) == 2
    assert "not a folder" in capsys.readouterr().err


def test_inputs_of_one_name_get_numbers(tmp_path: Path) -> None:
    inputs = ["a/clip.mp4", "b/clip.mov", "c/Clip.avi", "a/clip.mp4", "demo"]
    jobs = plan_jobs(inputs, tmp_path, LiveConfig())
    assert [job.events.name for job in jobs] == [
        "clip.events.csv",
        "clip-2.events.csv",
        "Clip-3.events.csv",
        "demo.events.csv",
    ]


def test_a_live_source_is_no_recording(tmp_path: Path) -> None:
    (job,) = plan_jobs(["browser"], tmp_path, LiveConfig())
    with pytest.raises(SourceError, match="live, not a recording"):
        analysis.analyze(job, LiveConfig())


def test_two_at_once_give_what_one_after_the_other_gives(
    untrained: Path,
    expression_clip: Path,
    blank: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    inputs = (expression_clip, tmp_path / "absent.mkv", blank)
    printed = {}
    for jobs in ("1", "2"):
        options = (*inputs, "--classifier", untrained, "--out", tmp_path / jobs, "--jobs", jobs)
        options += ("--video", "--pictures")
        assert run(monkeypatch, *options) == 1
        out, err = capfd.readouterr()
        assert "1 of 3 inputs failed" in err
        assert err.count("error: source") == 1
        printed[jobs] = out.replace(str(tmp_path / jobs), "OUT")
    assert printed["1"] == printed["2"]
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    inputs_done = ("blank", "expression")
    files = [file for name in inputs_done for file in (*files_of(name), f"{name}.annotated.mp4")]
    assert names == sorted(files)
    assert names == sorted(path.name for path in (tmp_path / "2").iterdir())
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_process_that_is_ended_costs_its_own_input_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    work = [
        ("a", partial(print, "a is done")),
        ("b", partial(os._exit, 9)),
        ("c", partial(print, "c is done")),
    ]
    with pytest.raises(SystemExit):
        run_inputs(work, 2)
    out, err = capfd.readouterr()
    assert out.splitlines() == ["a is done", "c is done"]
    assert "1 of 3 inputs failed" in err
    assert "its process was ended, as when memory is short" in err


def test_no_process_is_no_number_of_processes(
    blank: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, blank, "--out", tmp_path / "out", "--jobs", 0) == 2
    assert "--jobs 0: choose 1 or more" in capsys.readouterr().err


def test_an_analysis_from_before_there_was_this_choice_is_still_good(
    untrained: Path,
    blank: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = (blank, "--classifier", untrained, "--out", tmp_path / "out")
    assert run(monkeypatch, *options) == 0
    (record,) = (tmp_path / "out").glob("*.analysis.json")
    document = json.loads(record.read_text())
    assert document["options"].pop("face") == "largest"
    assert document["options"].pop("language") == "en"
    assert document["options"].pop("least_me_probability") == AT_BAR
    record.write_text(json.dumps(document))
    assert run(monkeypatch, *options) == 0
    assert "already analysed" in capsys.readouterr().out
    assert run(monkeypatch, *options, "--face", "left") == 1
    assert "made with another face" in capsys.readouterr().err
    assert run(monkeypatch, *options, "--language", "de") == 1
    assert "made with another language" in capsys.readouterr().err
    assert run(monkeypatch, *options, "--least-me-probability", HIGHEST) == 1
    assert "made with another least_me_probability" in capsys.readouterr().err


def test_a_recording_in_a_storage_gives_what_its_file_gives(
    untrained: Path, expression_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = fsspec.filesystem("memory")
    storage.put_file(str(expression_clip), "/bucket/expression.mkv")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    for name, spec in (("here", expression_clip), ("there", "memory://bucket/expression.mkv")):
        options = (spec, "--classifier", untrained, "--video", "--out", tmp_path / name)
        assert run(monkeypatch, *options) == 0
    assert list(scratch.iterdir()) == []
    for name in [*files_of("expression"), "expression.annotated.mp4"]:
        if name != "expression.analysis.json":
            here, there = ((tmp_path / out / name).read_bytes() for out in ("here", "there"))
            assert here == there, name
    record = json.loads((tmp_path / "there" / "expression.analysis.json").read_text("utf-8"))
    assert record["input"]["spec"] == "memory://bucket/expression.mkv"
    config = LiveConfig(classifier=str(untrained))
    (job,) = plan_jobs([str(spec)], tmp_path / "there", config, video=True)
    assert job.done
    storage.pipe_file("/bucket/expression.mkv", b"another")  # is another input of the same name
    (job,) = plan_jobs([str(spec)], tmp_path / "there", config, video=True)
    assert (job.done, job.name) == (False, "expression-2")


_ENCODES = """
import sys
from pathlib import Path
import cv2
import numpy as np
from model.records import Frame, Stamp
from realtime.export.annotated_video import write_annotated
noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)
picture = cv2.GaussianBlur(noise, (0, 0), 3)
moved = (np.roll(picture, n * n // 5, axis=1) for n in range(87))
frames = (Frame(Stamp(n, n / 25), image, 0.0) for n, image in enumerate(moved))
write_annotated(Path(sys.argv[1]), frames, {}, [])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="fills memory by an option of glibc")
def test_an_annotated_video_does_not_depend_on_what_was_in_memory(tmp_path: Path) -> None:
    written = []
    for fill in (0, 1):
        path = tmp_path / f"{fill}.mp4"
        tuned = f"glibc.malloc.mmap_threshold=1073741824:glibc.malloc.perturb={fill}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "GLIBC_TUNABLES": tuned}
        subprocess.run([sys.executable, "-c", _ENCODES, path], env=environment, check=True)
        written.append(path.read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("memory://bucket/none.mkv", "memory://bucket/none.mkv: there is no such file"),
        ("memory://bucket", "memory://bucket is a folder: give a file"),
        ("memory://bucket/P07/video.mkv", "belongs to a session: copy the whole folder"),
        ("memory://bucket/no.mkv", "memory://bucket/no.mkv: not a video"),
        ("zip://a.mkv::memory://bucket/broken.zip", "cannot be fetched: File is not a zip file"),
        ("s3://bucket/P07.mkv", "cannot be fetched: Install s3fs to access S3"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(
    spec: str,
    words: str,
    untrained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    storage = fsspec.filesystem("memory")
    for name in ("P07/video.mkv", "P07/session.json", "no.mkv", "broken.zip"):
        storage.pipe_file(f"/bucket/{name}", b"x")
    if spec.startswith("s3:") and find_spec("s3fs") is not None:
        pytest.skip("s3fs is installed")
    assert run(monkeypatch, spec, "--classifier", untrained, "--out", tmp_path / "out") == 1
    (said, *_) = capsys.readouterr().err.splitlines()
    assert words in said


class _Refusing(fsspec.AbstractFileSystem):
    """A storage that repeats the address that it refuses, as many do."""

    protocol = "refusing"

    def info(self, path: str, **options: object) -> dict[str, object]:
        raise OSError(f"401 for {path} at https://user:hunter2@host/it?token=hunter2")


def test_no_password_is_in_the_error_of_a_storage() -> None:
    fsspec.register_implementation("refusing", _Refusing, clobber=True)
    spec = "zip://a.mkv::refusing://user:hunter2@host/all of it.zip?token=hunter2"
    with pytest.raises(SourceError, match="401 for host/all of it") as refused, fetched(spec):
        pass
    assert "hunter2" not in str(refused.value)
    assert "a.mkv::refusing://host/all of it.zip" in str(refused.value)


def test_a_password_in_an_address_is_in_no_message_and_no_file(
    untrained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--classifier", untrained, "--out", tmp_path / "out")
    for spec in (
        "http://user:hunter2@127.0.0.1:1/P07.mp4?token=hunter2",
        "memory://user:hunter2@bucket/none.mkv?token=hunter2",
        "http://user:hunter2@127.0.0.1:1",
    ):
        assert "hunter2" not in name_of(spec)
        assert run(monkeypatch, spec, *options) == 1
        assert run(monkeypatch, spec, "--compare") == 1
    said = capsys.readouterr()
    assert "127.0.0.1" in said.err
    assert "hunter2" not in said.out + said.err


def test_a_file_of_another_owner_is_the_same_recording(blank: Path) -> None:
    facts = dict(fact.split(" ", 1) for fact in remote_facts(blank.as_uri()))
    assert int(facts["size"]) == blank.stat().st_size
    assert float(facts["mtime"]) == pytest.approx(blank.stat().st_mtime)
    assert not {"uid", "gid", "mode"} & facts.keys()


def test_a_folder_for_copies_that_is_missing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec.filesystem("memory").pipe_file("/bucket/some.mkv", b"x")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(SourceError, match="set TMPDIR"), fetched("memory://bucket/some.mkv"):
        pass


def test_a_folder_that_cannot_be_looked_at_for_a_session_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = fsspec.filesystem("memory")
    storage.pipe_file("/bucket/some.mkv", b"x")

    def lose_connection(*_: object) -> bool:
        raise ConnectionError("connection lost")

    monkeypatch.setattr(type(storage), "exists", lose_connection)
    with pytest.raises(SourceError, match="connection lost"), fetched("memory://bucket/some.mkv"):
        pass


@pytest.mark.parametrize(
    ("spec", "remote", "name"),
    [
        ("s3://bucket/a b/P07.mp4", True, "P07"),
        ("zip://in/P07.mp4::s3://bucket/all.zip", True, "P07"),
        ("simplecache::https://host/P07.mp4?token=1", True, "P07"),
        ("https://host/P07.mp4", False, "P07"),
        ("rtsp://host/P07", False, "P07"),
        ("network:https://host/P07.mp4", False, "P07"),
        ("https://host/P07?token=a.b", False, "P07"),
        ("https://user:word@host", False, "host"),
        ("unheard-of://host/P07.mp4", False, "P07"),
        ("P07.mp4", False, "P07"),
    ],
)
def test_an_address_that_ffmpeg_does_not_read_is_fetched(
    spec: str, remote: bool, name: str
) -> None:
    assert is_remote(spec) == remote
    assert name_of(spec) == name
