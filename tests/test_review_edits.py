"""A coder's edits: undone, redone, made blind, with labels and action units of the coder's own."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_review_coding import as_found, client_of, moments, session

from model.errors import InputError
from model.records import Stamp
from realtime.export import export
from realtime.results.event_lines import format_event
from realtime.results.sentences import describe_in_all
from realtime.review.agreement import agree, describe_agreement
from realtime.review.blind_coding import measure_blindness
from realtime.review.coding import (
    add_edit,
    apply_edits,
    end_blind,
    list_coders,
    list_expressions,
    read_coder,
    redo_edit,
    undo_edit,
)
from realtime.review.motion_lanes import read_motion
from realtime.review.quality import measure_quality
from realtime.review.session_report import describe_methods, make_report
from realtime.sessions.coder_edits import (
    CoderStep,
    Edit,
    format_edit,
    format_step,
    parse_step,
    read_history,
)
from realtime.sessions.export_rows import event_rows
from realtime.sessions.line_file import LineFile
from realtime.sessions.reader import Session, open_session
from realtime.sessions.recover import recover
from realtime.sessions.redact import redact_span

__all__ = ["session"]


def judged(session: Session, coder: str, label: str, **more: Any) -> Edit:
    number, span = session.confirmed[0].number, as_found(session)
    return add_edit(session, coder, number, verdict="accepted", moments=span, label=label, **more)


def test_every_edit_is_undone_and_redone_in_order(session: Session) -> None:
    number = session.confirmed[0].number
    file = session.folder.edits("C1")

    def state() -> list[tuple[int, str, str]]:
        return [(e.number, e.verdict, e.label) for e in list_expressions(session, "C1")]

    states = [state()]
    for label in ("anger", "fear"):
        judged(session, "C1", label)
        states.append(state())
    early = moments(session, 2, 4, 6)
    add_edit(session, "C1", None, verdict="open", moments=early, label="", note="a yawn")
    states.append(state())
    assert states[-1] == [(-1, "open", ""), (number, "accepted", "fear")]
    lines = file.read_text().splitlines()
    undone = []
    for earlier in states[-2::-1]:
        undone.append(undo_edit(session, "C1").number)
        assert state() == earlier
    assert undone == [-1, number, number]
    with pytest.raises(InputError, match="nothing to undo"):
        undo_edit(session, "C1")
    assert list_coders(session.folder) == []  # all is taken back
    with pytest.raises(InputError, match="has not reviewed"):
        apply_edits(session, "C1")
    for later in states[1:]:
        redo_edit(session, "C1")
        assert state() == later
    with pytest.raises(InputError, match="nothing to redo"):
        redo_edit(session, "C1")
    assert file.read_text().splitlines()[: len(lines)] == lines  # nothing is lost
    assert len(file.read_text().splitlines()) == len(lines) + 6
    undo_edit(session, "C1")
    judged(session, "C1", "disgust")
    with pytest.raises(InputError, match="nothing to redo"):  # that is the way not taken
        redo_edit(session, "C1")
    undo_edit(session, "C1")
    assert state() == states[2]
    # The number of what was taken back is not given again.
    again = add_edit(session, "C1", None, verdict="open", moments=early, label="")
    assert again.number == -2


def test_a_redaction_never_makes_an_undo_take_back_another_edit(session: Session) -> None:
    judged(session, "C1", "anger", note="secret")
    judged(session, "C1", "fear")
    undo_edit(session, "C1")
    add_edit(session, "C1", None, verdict="open", moments=moments(session, 2, 4, 6), label="x")
    redact_span(session.folder.path, 1.0, 9.0)
    after = open_session(session.folder.path)
    assert "secret" not in after.folder.edits("C1").read_text()
    assert [e.label for e in list_expressions(after, "C1")] == ["x"]
    recover(after.folder)
    assert [e.label for e in list_expressions(after, "C1")] == ["x"]
    span = moments(after, 3, 4, 6)
    edit = add_edit(after, "C1", -1, verdict="open", moments=span, label="y")
    assert edit.serial == 4
    undo_edit(after, "C1")
    assert [e.label for e in list_expressions(after, "C1")] == ["x"]


def test_a_redaction_makes_no_coder_blind_again(session: Session) -> None:
    edit = judged(session, "C1", "anger", note="secret")
    seeing = replace(edit, blind=False, utc="2026-01-01T00:00:00+00:00")  # an earlier version's
    session.folder.edits("C1").write_text(format_edit(seeing) + "\n")
    judged(session, "C2", "anger")
    redact_span(session.folder.path, 1.0, 9.0)
    after = open_session(session.folder.path)
    history = read_coder(after.folder, "C1")
    assert (history.edits, history.sees_program, history.done_utc) == ((), True, seeing.utc)
    assert "secret" not in after.folder.edits("C1").read_text()
    assert not read_coder(after.folder, "C2").sees_program
    lines = after.folder.edits("C1").read_text()
    redact_span(session.folder.path, 1.0, 9.0)
    assert after.folder.edits("C1").read_text() == lines
    early = moments(after, 2, 4, 6)
    assert not add_edit(after, "C1", None, verdict="open", moments=early, label="").blind


def test_edits_of_earlier_versions_are_read_and_stay(session: Session) -> None:
    edit = judged(session, "C1", "positive")
    path = session.folder.edits("C1")
    values = json.loads(path.read_text())
    path.write_text(
        json.dumps(
            {k: v for k, v in values.items() if k not in ("action_units", "serial", "blind")}
        )
        + "\n"
    )
    (old,) = list_expressions(session, "C1")
    assert old == replace(edit, serial=0, blind=False)
    assert str(measure_blindness(read_coder(session.folder, "C1"))) == "not blind"
    with pytest.raises(InputError, match="nothing to undo"):
        undo_edit(session, "C1")
    judged(session, "C1", "surprise")
    undo_edit(session, "C1")
    assert list_expressions(session, "C1") == (old,)


@given(st.lists(st.sampled_from(["edit", "undo", "redo", "done"]), max_size=30))
def test_undo_and_redo_follow_a_pile_of_states(acts: list[str]) -> None:
    """Against a model: all states so far, and how far back one is."""
    at = Stamp(1, 1.0)
    lines: list[str] = []
    states: list[int] = [0]
    place = floor = 0
    for serial, act in enumerate(acts, 1):
        history = read_history(lines)
        assert history.edits[-1].serial == states[place] if states[place] else not history.edits
        assert (history.last is not None) == (place > floor)
        assert bool(history.undone) == (place < len(states) - 1)
        if act == "edit":
            edit = Edit("C", "x", 1, "open", at, at, at, "", serial=serial)
            lines.append(format_edit(edit))
            states[place + 1 :] = [serial]
            place += 1
        elif act == "done":
            lines.append(format_step(CoderStep("C", "x", "done")))
            del states[place + 1 :]
            floor = place
        elif act == "undo" and history.last:
            lines.append(format_step(CoderStep("C", "x", "undo", history.last.serial)))
            place -= 1
        elif act == "redo" and history.undone:
            lines.append(format_step(CoderStep("C", "x", "redo", history.undone[-1].serial)))
            place += 1


def test_a_blind_coder_is_sent_nothing_that_the_program_named(session: Session) -> None:
    (event,) = session.confirmed
    prediction = replace(
        event.prediction,
        label="contented",
        probabilities={"contented": 0.8765},
        action_units={"AU12": 0.9},
    )
    client = client_of(session)
    frames = len(session.frames)
    LineFile(session.folder.events).write(format_event(replace(event, prediction=prediction)))
    who = {"coder": "C1", "frames": frames}
    span = "onset=40&apex=42&offset=45"

    def answers(coder: str) -> list[str]:
        paths = (
            f"coding?coder={coder}",
            f"motion?start_s=0&end_s=3&bins=9&coder={coder}",
            f"report.html?coder={coder}",
            "replay/40-42-45/replay.json",
        )
        found = [client.get(f"/live/review/P07/{path}").text for path in paths]
        export = {"to": "csv", "coder": coder}
        return [*found, client.post("/live/review/P07/export", json=export).text]

    def tells(text: str) -> bool:
        return any(word in text for word in ("contented", "0.8765", "AU12", "score", "_events"))

    first = client.get("/live/review/P07/coding?coder=C1").json()
    assert (first["blind"], first["expressions"][0]["label"]) == (True, "")
    assert first["expressions"][0]["program"] is None
    assert not any(map(tells, answers("C1")))
    assert json.loads(answers("C1")[1]) == {"over": None}
    assert "first press Done" in answers("C1")[2]
    edit = {**who, "number": event.number, "onset": 40, "apex": 42, "offset": 45, "label": ""}
    refused = client.post("/live/review/P07/edit", json={**edit, "verdict": "accepted"}).json()
    assert "needs a label" in refused["error"]
    noted = client.post("/live/review/P07/edit", json={**edit, "verdict": "open", "note": "?"})
    assert not tells(noted.text)
    assert noted.json()["expressions"][0]["label"] == ""
    for step in ("undo", "redo"):
        assert not tells(client.post(f"/live/review/P07/{step}", json=who).text)
    # Nor is who enters no code, and has not asked to look.
    assert not any(map(tells, answers("")))
    assert "first press Show them without coding" in answers("")[2]
    # Another coder's end, or someone who looks without a code, changes nothing for this one.
    client.post("/live/review/P07/done", json={**who, "coder": "C2"})
    looked = client.get("/live/review/P07/coding?coder=&look=true").json()
    assert looked["expressions"][0]["label"] == "contented"
    assert not any(map(tells, answers("C1")))
    assert not tells(client.get("/live/review/P07/coding?coder=C1&look=true").text)
    shown = client.post("/live/review/P07/done", json=who).json()
    assert (shown["blind"], shown["can_undo"]) == (False, False)
    assert shown["expressions"][0]["label"] == "contented"  # the coder had not named it
    assert shown["expressions"][0]["program"] == {
        "label": "contented",
        "probability": 0.8765,
        "action_units": ["AU12"],
        "sentences": describe_in_all(replace(event, prediction=prediction)),
        "score": event.window.score,
        "me_probability": event.window.me_probability,
    }
    told = answers("C1")
    assert json.loads(told[1])["over"]
    assert "contented" in told[2]
    assert "_events" in told[4]
    assert "has 87 frames" in client.get(f"/live/review/P07/frame/99.jpg?{span}").text


def test_it_is_told_whether_a_coder_was_blind(session: Session) -> None:
    def told(coder: str) -> tuple[str, str]:
        coded = apply_edits(session, coder)
        report = make_report(coded)
        found = re.search(rf"reviewed by {coder} \((.*?)\)", report)
        assert found is not None
        quality = measure_quality(coded, read_motion(session.folder), None)
        return found[1], describe_methods(coded, quality)

    judged(session, "C1", "anger")
    assert told("C1")[0] == "blind, not done yet"
    end_blind(session, "C1")
    end_blind(session, "C1")
    lines = session.folder.edits("C1").read_text().splitlines()
    assert [bool(parse_step(line)) for line in lines] == [False, True]
    short, methods = told("C1")
    assert short == "blind"
    assert "labels, probabilities, scores and measured motion hidden, knowing only when" in methods
    add_edit(
        session,
        "C1",
        None,
        verdict="accepted",
        moments=moments(session, 2, 4, 6),
        label="fear",
    )
    short, methods = told("C1")
    assert short == "1 of 2 expressions blind"
    assert "hidden in 1 of 2 expressions, and shown in the others: 1 accepted" in methods
    judged(session, "C1", "fear")
    assert told("C1")[0] == "not blind"
    undo_edit(session, "C1")
    assert told("C1")[0] == "1 of 2 expressions blind"
    end_blind(session, "C2")
    assert list_coders(session.folder) == ["C1"]  # to look is not to review
    judged(session, "C2", "fear")
    assert "seeing its labels: 1 accepted" in told("C2")[1]
    rows = dict(describe_agreement(agree(session, "C1", "C2")))
    assert rows["Coded"] == "C1 1 of 2 expressions blind; C2 not blind"
    by_number = {row["event"]: row["blind"] for row in event_rows(apply_edits(session, "C1"))}
    assert by_number == {-1: "no", session.confirmed[0].number: "yes"}
    assert [row["blind"] for row in event_rows(session)] == [""]
    add_edit(
        session,
        "C3",
        session.confirmed[0].number,
        verdict="open",
        moments=as_found(session),
        label="",
        action_units=["AU4"],
    )
    (row,) = event_rows(apply_edits(session, "C3"))
    assert (row["action_units_by"], row["blind"]) == ("coder", "")  # the label is the program's


def test_an_edit_that_changes_nothing_is_not_made(session: Session) -> None:
    """Else accepting again, after the end of blind coding, would count as not blind."""
    judged(session, "C1", "a smirk", action_units=["AU4", "AU12L"])
    end_blind(session, "C1")
    before = session.folder.edits("C1").read_bytes()
    again = judged(session, "C1", "A smirk", action_units=["AU12L", "AU4"])
    assert (again.label, again.blind) == ("a smirk", True)
    assert session.folder.edits("C1").read_bytes() == before
    assert not judged(session, "C1", "a smirk", action_units=["AU4"]).blind
    # One that is as the program found it is accepted all the same.
    found = list_expressions(session, "C2", look=True)[0].label
    assert judged(session, "C2", found).verdict == "accepted"
    assert len(session.folder.edits("C2").read_text().splitlines()) == 1


def test_labels_and_action_units_of_a_coder_are_kept(session: Session) -> None:
    number, span = session.confirmed[0].number, as_found(session)
    program = next(event_rows(session))
    assert program["action_units_by"] == "program"
    edit = judged(session, "C1", " Anger ", action_units=["AU12L", "AU4"])
    assert (edit.label, edit.action_units) == ("anger", ("AU4", "AU12L"))
    assert judged(session, "C1", "Zornig", action_units=["AU4"]).label == "zornig"
    undo_edit(session, "C1")
    (row,) = event_rows(apply_edits(session, "C1"))
    assert (row["label"], row["action_units"], row["action_units_by"]) == (
        "anger",
        "AU4 AU12L",
        "coder",
    )
    judged(session, "C2", "anger", action_units=[])
    (row,) = event_rows(apply_edits(session, "C2"))
    assert (row["action_units"], row["action_units_by"]) == ("", "coder")
    judged(session, "C3", "anger")
    (row,) = event_rows(apply_edits(session, "C3"))
    assert (row["action_units"], row["action_units_by"]) == (program["action_units"], "program")
    early = moments(session, 2, 4, 6)
    for units, by in ((None, ""), (["AU4"], "coder")):  # the program knows nothing of what C3 adds
        add_edit(
            session, "C3", None, verdict="accepted", moments=early, label="fear", action_units=units
        )
        rows = {row["event"]: row for row in event_rows(apply_edits(session, "C3"))}
        assert rows[min(rows)]["action_units_by"] == by
    for wrong in (["12"], ["AU12B"], ["AU0"], ["AU4", "AU4L"], ["=AU4"]):
        with pytest.raises(InputError, match="action unit"):
            judged(session, "C1", "anger", action_units=wrong)
    with pytest.raises(InputError, match="needs a label"):
        add_edit(session, "C4", number, verdict="accepted", moments=span, label="")


def test_every_table_has_the_labels_and_action_units_of_the_coder(
    session: Session, tmp_path: Path
) -> None:
    judged(session, "C1", "a smirk", action_units=["AU12L", "AU4"])
    coded = apply_edits(session, "C1")
    files = list(export(coded, ["csv", "parquet", "elan", "bids", "boris"], tmp_path / "out"))

    def find(end: str) -> Path:
        return next(path for path in files if path.name.endswith(end))

    with find("_events.csv").open(newline="", encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    expected = {
        "label": "a smirk",
        "action_units": "AU4 AU12L",
        "action_units_by": "coder",
        "blind": "yes",
    }
    assert expected.items() <= row.items()
    (packed,) = pq.read_table(find("_events.parquet")).to_pylist()
    assert expected.items() <= packed.items()
    described = json.loads(find("_columns.json").read_text())["events"]
    assert expected.keys() <= described.keys()
    values = [value.text for value in ET.parse(find(".eaf")).iter("ANNOTATION_VALUE")]
    assert {"a smirk", "AU4 AU12L"} <= set(values)
    behaviors = [line.split("\t")[2:4] for line in find("_boris.tsv").read_text().splitlines()]
    assert ["a smirk", "AU4|AU12L"] in behaviors
    with find("_events.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    (shown,) = (row for row in rows if row["trial_type"] == "micro")
    assert (shown["value"], shown["action_units"], shown["action_units_by"], shown["blind"]) == (
        "a smirk",
        "AU4 AU12L",
        "coder",
        "yes",
    )


def test_an_answer_has_one_expression_if_the_page_knows_the_others(session: Session) -> None:
    client = client_of(session)
    number, places = session.confirmed[0].number, len(session.frames)
    who = {"coder": "C1", "frames": places}
    first = client.get("/live/review/P07/coding?coder=C1").json()
    added = {"number": None, "verdict": "open", "onset": 2, "apex": 4, "offset": 6, "label": ""}
    answer = client.post(
        "/live/review/P07/edit", json={**who, **added, "known": first["known"]}
    ).json()
    assert "expressions" not in answer
    assert answer["changed"]["number"] == answer["number"] < 0
    # Another page of the same coder, which has not seen that:
    one = next(one for one in first["expressions"] if one["number"] == number)
    kept = {key: one[key] for key in ("number", "onset", "apex", "offset")}
    edit = {**who, **kept, "verdict": "accepted", "label": "fear", "known": first["known"]}
    other = client.post("/live/review/P07/edit", json=edit).json()
    assert {one["number"] for one in other["expressions"]} == {number, answer["number"]}
    undone = client.post("/live/review/P07/undo", json={**who, "known": other["known"]}).json()
    assert (undone["changed"]["number"], undone["changed"]["verdict"]) == (number, "open")
    undone = client.post("/live/review/P07/undo", json={**who, "known": undone["known"]}).json()
    assert (undone["changed"], undone["number"]) == (None, answer["number"])
    assert undone["known"] == session.folder.edits("C1").stat().st_size
