"""A recorded session looked at again, coded by people, and their agreement."""

import csv
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from accelerated import written_session
from fakes import copied
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from psutil import Process
from starlette.testclient import TestClient
from test_sessions_files import stamps
from test_spotting_baseline_file import measured_on

import realtime.export.__main__ as export_command
import realtime.session as session_command
from model.cli import exit_code
from model.errors import InputError
from model.records import Kind, Stamp
from realtime.export.csv_parquet import format_cell
from realtime.review.agreement import agree
from realtime.review.coding import (
    add_edit,
    apply_edits,
    find_kinds,
    list_expressions,
)
from realtime.review.motion_lanes import LANES, read_motion
from realtime.review.quality import measure_quality
from realtime.review.rates import OUTSIDE, WHOLE_SESSION, measure_rates, poisson_interval
from realtime.review.recorded_frames import RecordedFrames
from realtime.review.session_report import describe_methods, make_report
from realtime.sessions.coder_edits import (
    ACTION_UNIT,
    Edit,
    format_edit,
    parse_edit,
)
from realtime.sessions.folder import SessionFolder
from realtime.sessions.ledger import LedgerLine
from realtime.sessions.line_file import replace_text
from realtime.sessions.reader import Session, open_session
from realtime.sessions.recover import recover
from realtime.sessions.redact import redact_span
from realtime.sources import open_source
from realtime.spotting.baseline_file import as_document
from realtime.ui.open_sessions import OpenSession, SessionStore
from realtime.ui.review import build_review_routes

edits = st.builds(
    Edit,
    coder=st.text(),
    utc=st.text(),
    number=st.integers(-(2**53), 2**53),
    verdict=st.sampled_from(["open", "accepted", "rejected"]),
    onset=stamps,
    apex=stamps,
    offset=stamps,
    label=st.text(),
    note=st.text(),
    action_units=st.none() | st.lists(st.from_regex(ACTION_UNIT, fullmatch=True)).map(tuple),
    serial=st.integers(0, 2**53),
    blind=st.booleans(),
)


@given(edits)
def test_an_edit_comes_back_with_every_bit(edit: Edit) -> None:
    line = format_edit(edit)
    assert "\n" not in line
    assert parse_edit(line) == edit


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"verdict": "accepted"}'])
def test_damaged_edits_are_left_out(line: str) -> None:
    assert parse_edit(line) is None


@pytest.fixture
def session(recorded: Path, tmp_path: Path) -> Session:
    return open_session(copied(recorded, tmp_path))


def moments(session: Session, *places: int) -> tuple[Stamp, Stamp, Stamp]:
    onset, apex, offset = (session.frames[place].stamp for place in places)
    return onset, apex, offset


def as_found(session: Session) -> tuple[Stamp, Stamp, Stamp]:
    window = session.confirmed[0].window
    assert window.offset is not None
    return window.onset, window.apex, window.offset


def test_the_last_word_counts_and_the_originals_stay(session: Session) -> None:
    before = {path.name: path.read_bytes() for path in session.folder.path.iterdir()}
    (found,) = list_expressions(session, "C1")
    assert (found.verdict, found.utc) == ("open", "")
    span = as_found(session)
    add_edit(session, "C1", found.number, verdict="rejected", moments=span, label="negative")
    add_edit(session, "C1", found.number, verdict="accepted", moments=span, label="surprise")
    added = add_edit(
        session,
        "C1",
        None,
        verdict="accepted",
        moments=moments(session, 5, 8, 30),
        label="positive",
    )
    assert added.number == -1
    assert [(e.number, e.verdict, e.label) for e in list_expressions(session, "C1")] == [
        (-1, "accepted", "positive"),
        (found.number, "accepted", "surprise"),
    ]
    assert [e.verdict for e in list_expressions(session, "C2")] == ["open"]
    lines = session.folder.edits("C1").read_text().splitlines()
    assert [json.loads(line)["verdict"] for line in lines] == ["rejected", "accepted", "accepted"]
    assert all(json.loads(line)["utc"] for line in lines)
    after = {path.name: path.read_bytes() for path in session.folder.path.iterdir()}
    del after["edits-C1.jsonl"]
    assert after == before


def test_the_methods_count_every_verdict(session: Session) -> None:
    number, span = session.confirmed[0].number, as_found(session)

    def add(coder: str, last: int) -> None:
        added = moments(session, 5, 8, last)
        add_edit(session, coder, None, verdict="accepted", moments=added, label="positive")

    def methods(coder: str) -> str:
        coded = apply_edits(session, coder)
        quality = measure_quality(coded, read_motion(session.folder), None)
        return describe_methods(coded, quality)

    add_edit(session, "C1", number, verdict="rejected", moments=span, label="negative")
    unlabelled = moments(session, 50, 53, 56)
    add_edit(session, "C1", None, verdict="open", moments=unlabelled, label="unclear")
    add("C1", 30)
    add("C1", 40)
    add("C2", 30)
    assert "0 accepted, 1 rejected, 2 added, 0 left as found" in methods("C1")
    assert "0 accepted, 0 rejected, 1 added, 1 left as found" in methods("C2")


def lasting(session: Session, seconds: float, fps: float, kind: Kind) -> Session:
    """`session` with one expression of that length."""
    (event,) = session.confirmed
    frames = round(seconds * fps)
    onset, apex, offset = (Stamp(30 + n, 1 + n / fps) for n in (0, 5, frames))
    window = replace(event.window, onset=onset, apex=apex, offset=offset, kind=kind)
    return replace(session, events=(replace(event, number=1, window=window),))


def test_to_accept_an_expression_is_not_to_rename_it(session: Session) -> None:
    # One frame more than half a second at 30 fps: still a micro-expression to the spotter.
    found = lasting(session, 16 / 30, 30, "micro")
    window = found.confirmed[0].window
    for coder in ("C1", "C2"):
        add_edit(found, coder, 1, verdict="accepted", moments=as_found(found), label="positive")
        assert [event.window.kind for event in apply_edits(found, coder).events] == ["micro"]
    assert agree(found, "C1", "C2").frames.value == 1
    later = replace(window.apex, index=window.apex.index + 1, time_s=window.apex.time_s + 1 / 30)
    span = (window.onset, later, as_found(found)[2])
    add_edit(found, "C1", 1, verdict="accepted", moments=span, label="positive")
    assert find_kinds(found, list_expressions(found, "C1")) == {1: "micro"}


@pytest.mark.parametrize(
    ("frames", "fps", "kind"),
    [
        *((14, 30, "micro"), (15, 30, "micro"), (16, 30, "micro"), (17, 30, "macro")),
        *((30, 60, "micro"), (31, 60, "micro"), (32, 60, "macro"), (100, 200, "micro")),
    ],
)
def test_what_was_moved_goes_by_its_length(
    session: Session, frames: int, fps: float, kind: str
) -> None:
    for rounded in (False, True):  # to a container's milliseconds
        times = [1 + n / fps for n in (0, 5, frames)]
        times = [round(time_s, 3) for time_s in times] if rounded else times
        span = [Stamp(30 + n, time_s) for n, time_s in zip((0, 5, frames), times, strict=True)]
        onset, apex, offset = span
        number = session.confirmed[0].number
        moved = (onset, apex, offset)
        add_edit(session, "C1", number, verdict="accepted", moments=moved, label="positive")
        assert find_kinds(session, list_expressions(session, "C1")) == {number: kind}


def test_a_moment_that_is_not_in_the_video_stays_where_it_was_found(recorded: Path) -> None:
    opened = OpenSession(recorded)
    between = Stamp(200, (opened.pictures.times_s[7] + opened.pictures.times_s[8]) / 2)
    shown = opened.pictures.nearest(between.time_s)
    assert opened.moment(shown, between) == between
    assert opened.moment(9, between) == opened.moment(9, None) == opened.pictures.stamp(9)
    opened.pictures.close()


def test_what_cannot_be_said_is_refused(session: Session) -> None:
    number, span = session.confirmed[0].number, as_found(session)
    for coder in ("", "Anna Müller", "../x"):
        with pytest.raises(InputError, match=r"enter your coder code|is not a valid code"):
            add_edit(session, coder, number, verdict="accepted", moments=span, label="positive")
    with pytest.raises(InputError, match="no event of that number"):
        add_edit(session, "C1", 99, verdict="accepted", moments=span, label="positive")
    backwards = (span[2], span[1], span[0])
    with pytest.raises(InputError, match="must be in this order"):
        add_edit(session, "C1", number, verdict="accepted", moments=backwards, label="positive")
    with pytest.raises(InputError, match="label"):
        add_edit(session, "C1", number, verdict="accepted", moments=span, label=" ")
    with pytest.raises(InputError, match="its coders: none"):
        apply_edits(session, "C1")
    assert session.folder.coders() == []


def test_what_a_coder_left_can_be_exported(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, (onset, apex, offset) = session.confirmed[0].number, as_found(session)
    moved = session.frames[apex.index + 1].stamp
    add_edit(
        session, "C1", number, verdict="accepted", moments=(onset, moved, offset), label="surprise"
    )
    add_edit(
        session,
        "C1",
        None,
        verdict="accepted",
        moments=moments(session, 5, 8, 30),
        label="positive",
    )
    rejected = add_edit(
        session,
        "C1",
        None,
        verdict="accepted",
        moments=moments(session, 5, 8, 30),
        label="positive",
    )
    add_edit(
        session,
        "C1",
        rejected.number,
        verdict="rejected",
        moments=moments(session, 5, 8, 30),
        label="positive",
    )
    folder = session.folder.path
    options = ["--to", "csv", "elan", "bids", "boris", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["export", str(folder), *options, "--coder", "C1"])
    assert exit_code(export_command.main) == 0
    (table,) = (tmp_path / "out").glob("*_C1_events.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["verdict"], row["kind"], row["label"]) for row in rows] == [
        ("added", "macro", "positive"),
        ("accepted", "micro", "surprise"),
    ]
    assert float(rows[1]["apex_s"]) == pytest.approx(moved.time_s - session.zero_s, abs=1e-6)
    assert rows[0]["score"] == rows[0]["probability"] == ""
    assert rows[1]["score"] != ""


def test_redaction_and_recovery_reach_the_edits_too(session: Session) -> None:
    number, span = session.confirmed[0].number, as_found(session)
    add_edit(
        session, "C1", number, verdict="accepted", moments=span, label="surprise", note="secret"
    )
    early = moments(session, 2, 4, 6)
    add_edit(session, "C1", None, verdict="accepted", moments=early, label="positive")
    path = session.folder.edits("C1")
    redact_span(session.folder.path, 1.0, 9.0)
    assert "secret" not in path.read_text()
    assert len(path.read_text().splitlines()) == 1
    with path.open("a") as file:
        file.write('{"coder": "C1", "utc"')
    recover(session.folder)
    assert len(path.read_text().splitlines()) == 1


def test_every_frame_can_be_reached_from_any_other(recorded: Path) -> None:
    source = open_source(str(recorded))
    frames = list(source)
    source.close()
    pictures = RecordedFrames(open_session(recorded))
    assert [*map(pictures.stamp, range(len(pictures)))] == [frame.stamp for frame in frames]
    for place in (0, 1, 2, 40, 39, 86, 3, 60, 61, 0):
        found = pictures.frame(place)
        assert found.stamp == frames[place].stamp
        assert np.array_equal(found.image, frames[place].image)
    assert [f.stamp.index for f in pictures.between(-3, 2)] == [0, 1, 2]
    assert pictures.nearest(frames[7].stamp.time_s + 0.01) == 7
    assert pictures.nearest(1e9) == 86
    with pytest.raises(InputError, match="has 87 frames"):
        pictures.frame(87)
    pictures.close()
    assert pictures.frame(5).stamp == frames[5].stamp
    pictures.close()


def test_the_motion_is_there_by_lane(recorded: Path, session: Session) -> None:
    motion = read_motion(session.folder)
    assert motion.over.shape == (87, len(LANES))
    assert motion.with_face.all()
    window = session.confirmed[0].window
    peak_s = motion.times_s[np.argmax(motion.over.max(axis=1))]
    assert abs(peak_s - window.apex.time_s) < 0.1
    binned = motion.bin_peaks(session.zero_s, session.zero_s + session.seconds, 10)
    assert [len(lane) for lane in binned] == [10] * len(LANES)
    most = max(value for lane in binned for value in lane if value is not None)
    assert most == pytest.approx(float(motion.over.max()), abs=1e-3)
    assert motion.bin_peaks(1e6, 1e6 + 1, 2) == [[None, None]] * len(LANES)
    empty = read_motion(SessionFolder(recorded.parent))
    assert empty.over.shape == (0, len(LANES))


@pytest.mark.parametrize("damage", ["a,b\n1,2\n", "\0", "x" * 2000, None])
def test_a_damaged_table_of_motion_is_told_with_the_remedy(
    session: Session, damage: str | None
) -> None:
    session.folder.motion.unlink()
    if damage is None:
        session.folder.motion.mkdir()
        (session.folder.motion / "x").mkdir()
    else:
        session.folder.motion.write_text(damage)
    with pytest.raises(InputError, match=r"motion.csv is damaged \(.*move it away"):
        read_motion(session.folder)
    client = client_of(session)
    asked = client.get("/live/review/P07/motion?start_s=0&end_s=1&look=true").json()
    assert "motion.csv is damaged" in asked["error"]
    assert "\n" not in asked["error"]
    assert client.get("/live/review/P07/session").json()["participant"] == "P07"  # shows the rest


def client_of(session: Session) -> TestClient:
    app = FastAPI()
    app.include_router(build_review_routes(session.folder.path.parent))
    return TestClient(app)


def test_what_the_system_refuses_is_told_on_the_page(session: Session) -> None:
    session.folder.video(1).unlink()
    session.folder.video(1).symlink_to("video.mkv")
    client = client_of(session)
    assert client.get("/live/review/P07/session").json()["participant"] == "P07"
    shown = client.get("/live/review/P07/frame/1.jpg")
    assert (shown.status_code, "video.mkv" in shown.json()["detail"]) == (404, True)
    session.folder.markers.unlink()
    session.folder.markers.mkdir()
    assert "markers.jsonl" in client.get("/live/review/P07/session").json()["error"]
    assert client.get("/live/review/P07/report.html?look=yes").status_code == 404


def test_a_document_that_lacks_something_is_listed_with_what(session: Session) -> None:
    document = session.folder.read_document()
    del document["started_utc"]
    session.folder.write_document(document)
    (listed,) = client_of(session).get("/live/review/sessions").json()["sessions"]
    assert "has no 'started_utc'" in listed["error"]


def test_a_span_is_not_deleted_from_a_damaged_ledger(session: Session) -> None:
    ledger = session.folder.frames
    before = session.folder.video(1).read_bytes()
    row = next(row for row in ledger.read_text().splitlines() if re.match("9,.*,recorded,", row))
    ledger.write_text(ledger.read_text().replace(row, row.replace(",1,", ",one,")))
    with pytest.raises(InputError, match=r"first repair the session with .* recover"):
        redact_span(session.folder.path, 0, 99)
    assert session.folder.video(1).read_bytes() == before
    assert recover(session.folder).redactions == 1
    assert session.folder.parts() == []


def test_what_was_opened_before_a_redaction_is_not_coded_after_it(session: Session) -> None:
    app = FastAPI()
    app.include_router(build_review_routes(session.folder.path.parent))
    client = TestClient(app)
    places = client.get("/live/review/P07/session").json()["frames"]
    said = {"coder": "C1", "number": None, "verdict": "accepted", "label": "positive"}
    said |= {"onset": 40, "apex": 42, "offset": 45}
    redact_span(session.folder.path, 0.5, 0.9)
    answer = client.post("/live/review/P07/edit", json={**said, "frames": places}).json()
    assert "has changed" in answer["error"]
    places = client.get("/live/review/P07/session").json()["frames"]
    answer = client.post("/live/review/P07/edit", json={**said, "frames": places}).json()
    assert answer["number"] == -1


def test_intervals_of_counts_are_garwoods() -> None:
    # Table of exact 95 % limits (Garwood 1936).
    for count, low, high in ((0, 0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)):
        assert poisson_interval(count) == pytest.approx((low, high), abs=1e-4)


def test_rates_are_told_by_question(session: Session) -> None:
    found = measure_rates(session)
    assert list(found) == ["q1", OUTSIDE, WHOLE_SESSION]
    whole = found[WHOLE_SESSION]["micro"]
    assert (whole.count, whole.seconds) == (1, pytest.approx(86 / 25))
    assert whole.per_min == pytest.approx(60 * 25 / 86)
    assert sum(found[name]["micro"].count for name in ("q1", OUTSIDE)) == 1
    low, high = whole.interval_per_min
    assert low < whole.per_min < high


def test_the_report_needs_nothing_and_shows_a_face_only_if_allowed(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = session.folder.path
    monkeypatch.setattr(sys, "argv", ["session", "report", str(folder)])
    assert exit_code(session_command.main) == 0
    path = folder.with_name("P07-report.html")
    text = path.read_text("utf-8")
    assert "<svg" in text
    assert "a picture of a dog" in text
    assert "Rates are given with exact 95 % Poisson intervals" in text
    assert "data:image" not in text
    assert "http" not in text  # nothing is fetched, and nothing is linked
    assert "<script" not in text
    assert exit_code(session_command.main) == 2
    assert "never overwritten" in capsys.readouterr().err
    document = session.folder.read_document()
    document["consent"]["pictures"] = True
    document["protocol"]["name"] = "P<b>"
    session.folder.write_document(document)
    allowed = make_report(open_session(folder))
    assert "baseline: none yet</p>" in allowed  # it is too late for a remedy
    assert "measure one" not in allowed
    assert allowed.count("data:image/jpeg") == 3
    assert "<b>" not in allowed
    assert [f.path for f in Process().open_files() if f.path.startswith(str(folder))] == []


def test_a_report_draws_no_line_where_nothing_is_known(session: Session) -> None:
    def lines(shown: Session) -> list[int]:
        drawn = re.findall(r'<path d="([^"]+)" class="motion"', make_report(shown))
        return [path.count("M") for path in drawn]

    assert lines(session) == [1] * len(LANES)
    redact_span(session.folder.path, 0.5, 1.4)
    assert lines(open_session(session.folder.path)) == [2] * len(LANES)


def test_a_baseline_is_told_as_whose_it_is(session: Session) -> None:
    quality = measure_quality(session, read_motion(session.folder), None)
    document = session.document

    def name_baseline(whose: str | None) -> str:
        baseline = None if whose is None else as_document(measured_on(whose))
        config = {**document["config"], "baseline": baseline}
        return describe_methods(replace(session, document={**document, "config": config}), quality)

    assert "default thresholds, not measured on this participant" in name_baseline(None)
    assert "measured on this participant at rest (/dev/video0 (Fake), 2026-01-02)" in name_baseline(
        "P07"
    )
    assert "measured on another participant, P08 (/dev/video0" in name_baseline("P08")
    assert "measured on a person who is not named" in name_baseline("")


def test_losses_are_told_by_cause(session: Session) -> None:
    first, *others = session.frames
    gone = [
        replace(others[0], fate="dropped", cause="recorder behind", analysis=""),
        replace(others[1], fate="missing", cause="camera away", count=7, time_s=None, analysis=""),
    ]
    lines = [first, *gone, *others[2:]]
    analyses = [LedgerLine(line.index, line.analysis) for line in lines if line.analysis]
    replace_text(session.folder.frames, [line.text() for line in (*lines, *analyses)])
    changed = open_session(session.folder.path)
    quality = measure_quality(changed, read_motion(session.folder), None)
    assert quality.losses == {"recorder behind": 1, "camera away": 7}
    assert quality.loss_share == pytest.approx(8 / (8 + 85))
    assert quality.interval_ms == pytest.approx((40, 40, 40))
    assert quality.analysed == 85
    assert quality.longest_gap_s == pytest.approx(0.12)
    assert "8 frames (8.60%) are not in it" in describe_methods(session, quality)


def test_one_folder_that_is_no_session_hides_no_other(tmp_path: Path) -> None:
    whole = {
        "format": "fmanet-live-session",
        "version": 1,
        "participant": "P1",
        "started_utc": "2026-01-01T12:00:00+00:00",
        "state": "complete",
    }
    documents = {
        b"P1": json.dumps(whole),
        b"deep": "[" * 100_000,
        b"lacking": json.dumps({name: whole[name] for name in ("format", "version")}),
        b"half": json.dumps(whole | {"participant": "\ud800"}),
    }
    if sys.platform == "linux":
        documents[b"no\xfftext"] = json.dumps(whole)
    for name, document in documents.items():
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        folder.mkdir()
        (folder / "session.json").write_text(document)
    app = FastAPI()
    app.include_router(build_review_routes(tmp_path))
    listed = TestClient(app).get("/live/review/sessions").json()["sessions"]
    errors = {one["name"]: one.get("error", "") for one in listed}
    assert len(errors) == len(documents)
    assert errors["P1"] == errors.get("no\ufffdtext", "") == ""
    assert "participant" in errors["half"]
    assert "not JSON" in errors["deep"]
    assert "participant" in errors["lacking"]


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"])
def test_no_word_in_a_csv_is_a_formula(words: str) -> None:
    assert format_cell(words) == f"'{words}"
    assert format_cell(-1.5) == "-1.500000"
    assert format_cell("calm = good") == "calm = good"


def test_review_of_a_long_session_holds_no_object_per_frame(tmp_path: Path) -> None:
    taken: list[tuple[int, int]] = []
    for frames in (2_000, 2_000, 20_000):  # the first pays for what is imported and kept
        folder = written_session(tmp_path / f"{len(taken)}" / "S", frames)
        store = SessionStore(folder.path.parent)
        before = sys.getallocatedblocks()
        opened = store.open("S")
        opened.motion.bin_peaks(0, 1e6, 1000)
        facts = opened.describe()
        taken.append((sys.getallocatedblocks() - before, len(json.dumps(facts))))
        assert facts["frames"] == len(opened.pictures.times_s) == len(opened.motion.times_s)
        assert opened.pictures.nearest(opened.pictures.times_s[-1]) == frames - 1
    (_, (blocks, length), (more_blocks, longer)) = taken
    assert more_blocks - blocks < 2_000  # of 18,000 frames and 30 expressions
    assert longer - length < 100
