"""One table of many sessions."""

import csv
import json
import math
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fakes import copied

from model.cli import exit_code
from realtime import table
from realtime.review.motion_lanes import read_motion
from realtime.review.quality import measure_quality
from realtime.review.rates import Rate, measure_rates
from realtime.review.study_rates import FEWEST_PEOPLE, measure_study_rates
from realtime.review.study_sessions import StudySession, read_study_session
from realtime.sessions.export_rows import event_rows
from realtime.sessions.exported_copies import forget_copies, known_copies
from realtime.sessions.folder import SessionFolder
from realtime.sessions.reader import measure_fps, open_session


def session_of(participant: str, counts: dict[str, int], minutes: float) -> StudySession:
    rates = {group: Rate(count, 60 * minutes) for group, count in counts.items()}
    facts = {"participant": participant, "session": f"{participant}_1"}
    return StudySession(facts, {"whole session": rates}, (), ())


def join(monkeypatch: pytest.MonkeyPatch, *arguments: object, workers: int = 1) -> int | str | None:
    command = ["fmanet table", *map(str, arguments), "--jobs", str(workers)]
    monkeypatch.setattr(sys, "argv", command)
    return exit_code(table.main)


@pytest.fixture
def study(recorded: Path, tmp_path: Path) -> Path:
    """Sessions of P07, P08 and 09, one damaged, one copied twice, one cut off."""
    folder = tmp_path / "sessions"
    for name in ("P07", "P08", "09", "again", "torn", "damaged"):
        path = copied(recorded, tmp_path / "copies").rename(tmp_path / "one")
        document = json.loads((path / "session.json").read_text())
        document["participant"] = name if name in ("P08", "09") else "P07"
        if name == "torn":
            document["state"] = "torn"
        (path / "session.json").write_text(json.dumps(document))
        folder.mkdir(exist_ok=True)
        path.rename(folder / name)
        shutil.rmtree(tmp_path / "copies")
    (folder / "damaged" / "session.json").write_text("{")
    return folder


def test_every_session_is_in_the_table_or_is_left_out_with_why(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "study.parquet"
    assert join(monkeypatch, study, "--out", out) == 0

    rows = pq.read_table(out).to_pylist()
    expected = list(event_rows(open_session(study / "P08")))
    found = [row for row in rows if row["participant"] == "P08"]
    assert expected
    assert [{key: row[key] for key in expected[0]} for row in found] == expected
    # A number is not made of the participant 09.
    assert {row["participant"] for row in rows} == {"09", "P07", "P08"}

    with out.with_name("study-sessions.csv").open(newline="") as file:
        sessions = list(csv.DictReader(file))
    assert [row["participant"] for row in sessions if not row["left_out"]] == ["09", "P07", "P08"]
    session = open_session(study / "P08")  # the numbers are those of the session's own report
    quality = measure_quality(session, read_motion(session.folder), None)
    (row,) = (row for row in sessions if row["participant"] == "P08")
    measured = [quality.seconds, quality.recorded, 0, quality.fps, quality.face_share]
    names = ("seconds", "frames", "lost", "fps", "face")
    assert [float(row[name]) for name in names] == pytest.approx(measured, abs=1e-6)
    why = {Path(row["path"]).name: row["left_out"] for row in sessions if row["left_out"]}
    assert why.keys() == {"again", "torn", "damaged"}  # one of P07's is as good as the other
    assert "same session" in why["again"]
    assert "recover" in why["torn"]
    assert "damaged" in why["damaged"]
    report = out.with_name("study-report.html").read_text("utf-8")
    assert all(name in report for name in ("09", "P07", "P08", "same session", "q1"))
    assert "left out" in capsys.readouterr().err
    files = [path for path in out.parent.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}

    # Whoever forgets something in the session later is told of the table.
    own = next((out / "P08").iterdir())
    others = {out.with_name("study-sessions.csv"), out.with_name("study-report.html")}
    assert set(known_copies(SessionFolder(study / "again"))) == others  # its row says why
    assert set(known_copies(SessionFolder(study / "P08"))) == {own, *others}
    copies = forget_copies(SessionFolder(study / "P08"))
    assert (copies.deleted, set(copies.left)) == ((), {own, *others})  # others are in them, too


def test_processes_read_the_same(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for workers in (1, 2):
        out = tmp_path / f"{workers}.parquet"
        assert join(monkeypatch, study, "--out", out, workers=workers) == 0
    files = [
        path.relative_to(tmp_path / "1.parquet")
        for path in (tmp_path / "1.parquet").rglob("*.parquet")
    ]
    assert files
    for file in files:
        one, two = (tmp_path / f"{workers}.parquet" / file for workers in (1, 2))
        assert one.read_bytes() == two.read_bytes()


def test_nothing_is_overwritten(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study-report.html").write_text("mine")
    assert join(monkeypatch, study, "--out", tmp_path / "study.parquet") == 2
    assert "study-report.html exists" in capsys.readouterr().err
    assert (tmp_path / "study-report.html").read_text() == "mine"
    assert not (tmp_path / "study.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere", "--out", "x.parquet"], "nowhere is not a folder"),
        ([".", "--out", "x.csv"], "must end with .parquet"),
        ([".", "--out", "x.parquet"], "no session and no analysis"),
        ([".", "--out", "x.parquet", "--coder", "a b"], "'a b' is not a valid code: use letters"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert join(monkeypatch, *arguments) == 2
    message = capsys.readouterr().err
    assert problem in message
    assert message.count("\n") == 1


def write_analysis(folder: Path) -> Path:
    """Write the tables of an analysed recording, `clip`, and return its record."""
    folder.mkdir(exist_ok=True)
    (folder / "clip.events.csv").write_text(
        "onset_s,apex_s,offset_s,onset_index,apex_index,offset_index,track,kind,label,"
        "p_negative,p_positive,action_units,p_AU4\n"
        "1.0,1.1,1.25,30,33,38,0,micro,positive,0.25,0.75,AU12,0.1\n"
    )
    (folder / "clip.motion.csv").write_text(
        "index,time_s,track\n0,0.0,0\n1,0.5,\n31,15.5,0\n60,30.0,0\n"
    )
    record = folder / "clip.analysis.json"
    document = {"frames": 3, "dropped": {}, "unusable": {"damaged": 2}, "failure": ""}
    record.write_text(json.dumps(document))
    return record


def test_an_analysis_is_a_session_without_questions(tmp_path: Path) -> None:
    record = write_analysis(tmp_path)

    session = read_study_session(record, None)

    (row,) = session.rows
    assert (row["participant"], session.name) == ("clip", "clip")
    assert (row["onset_s"], row["duration_s"], row["label"]) == (1.0, 0.25, "positive")
    assert (row["probability"], row["p_negative"], row["track"]) == (0.75, 0.25, 0)
    assert (row["action_units"], row["action_units_by"], row["blind"]) == ("AU12", "program", "")
    assert session.facts["lost"] == 2
    assert session.facts["face"] == pytest.approx(3 / 4)
    assert session.facts["fps"] == pytest.approx(2)  # as of a session: a gap does not lower it
    assert session.rates["whole session"]["micro"] == Rate(1, 30.0)


def test_recordings_of_one_name_are_not_called_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_analysis(tmp_path / "a")
    write_analysis(tmp_path / "b")
    assert join(monkeypatch, tmp_path / "a", tmp_path / "b", "--out", tmp_path / "s.parquet") == 0
    message = capsys.readouterr().err
    assert f"{tmp_path / 'a' / 'clip.analysis.json'} has this name: analyse both" in message


def test_whole_milliseconds_and_gaps_do_not_change_the_rate() -> None:
    times_s = np.round(np.arange(61) / 30, 3)  # as most files hold them: 33, 33, 34 ms
    late_s = np.append(times_s, times_s[-1] + [0.1, 0.2])  # the camera is slow for a moment
    assert measure_fps(np.arange(61), times_s) == pytest.approx(30)
    assert measure_fps(np.arange(63), late_s) == pytest.approx(30)
    assert math.isnan(measure_fps(np.arange(0, 122, 2), times_s))  # no two follow each other


def test_rates_of_a_study_are_those_of_its_sessions(recorded: Path) -> None:
    session = open_session(recorded)
    study = measure_study_rates([read_study_session(recorded, None)])
    for name, rates in measure_rates(session).items():
        for group, rate in rates.items():
            assert study[name][group].count == rate.count
            assert study[name][group].per_min == pytest.approx(rate.per_min)


def test_a_participant_counts_once_and_a_missing_label_is_zero() -> None:
    sessions = [
        session_of("P1", {"micro": 2, "surprise": 2}, 1),
        session_of("P1", {"micro": 0}, 1),  # the same person: 1 a minute
        session_of("P2", {"micro": 3}, 1),
    ]
    rates = measure_study_rates(sessions)["whole session"]
    assert (rates["micro"].count, rates["micro"].people) == (5, 2)
    assert rates["micro"].per_min == pytest.approx(2)
    assert rates["surprise"].per_min == pytest.approx(0.5)
    assert rates["micro"].interval_per_min is None  # of two people


def test_the_interval_over_people_covers_their_mean() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(100):
        counts = rng.poisson(rng.gamma(2, 2, 30) * 5)  # people whose true rates differ; mean 4
        sessions = [session_of(f"P{n}", {"micro": int(c)}, 5) for n, c in enumerate(counts)]
        interval = measure_study_rates(sessions)["whole session"]["micro"].interval_per_min
        assert interval is not None
        covered += interval[0] <= 4 <= interval[1]
    assert covered >= 85
    assert len(sessions) >= FEWEST_PEOPLE
