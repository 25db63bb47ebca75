"""The parts of a session's folder on their own."""

import errno
import json
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_recording_recorder import DOCUMENT, frame, recorder
from test_spotting_baseline_file import INFO, measured_on

from model.cli import exit_code
from model.errors import InputError
from model.records import Event, Prediction, Stamp, Window
from realtime.protocol_keys import Keys
from realtime.recording.camera_check import load_camera_report
from realtime.recording.check_list import make_check_list
from realtime.recording.plan import RecordPlan
from realtime.recording.protocol import load_protocol
from realtime.results.event_lines import format_event, parse_event
from realtime.results.value_checks import FURTHEST_MS, FURTHEST_S, MAX_WHOLE
from realtime.session import main
from realtime.sessions import frame_table
from realtime.sessions.audit import TERMINAL
from realtime.sessions.clock_anchors import take_anchor
from realtime.sessions.coder_edits import (
    CoderStep,
    Edit,
    format_edit,
    format_step,
    parse_edit,
    parse_step,
)
from realtime.sessions.exported_copies import note_copies
from realtime.sessions.folder import FORMAT, SessionFolder, create_folder
from realtime.sessions.frame_table import Places, read_ledger
from realtime.sessions.ledger import LEDGER_HEADER, LedgerLine, parse_line
from realtime.sessions.line_file import (
    LineFile,
    append_lines,
    blank_lines,
    read_lines,
    whole_lines,
)
from realtime.sessions.markers import Marker, MarkerKind, format_marker, parse_marker
from realtime.spotting.baseline_file import Baseline

times = st.floats(-FURTHEST_S, FURTHEST_S)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=",\n"))
stamps = st.builds(Stamp, st.integers(0, 2**40), times)
lines = st.builds(
    LedgerLine,
    index=st.integers(0, 2**40),
    fate=st.sampled_from(["recorded", "dropped", "missing", "redacted", "analysed", "late"]),
    time_s=st.none() | times,
    received_s=st.none() | times,
    clock=st.sampled_from(["", "driver", "receipt"]),
    part=st.none() | st.integers(1, 99),
    pts_ms=st.none() | st.integers(0, FURTHEST_MS),
    cause=words,
    count=st.integers(1, 10**6),
).filter(lambda line: line.fate != "recorded" or None not in (line.time_s, line.part, line.pts_ms))
shares = st.dictionaries(st.text(), st.floats(0, 1), max_size=3)
events = st.builds(
    Event,
    number=st.integers(0, MAX_WHOLE),
    state=st.sampled_from(["early", "confirmed", "withdrawn"]),
    window=st.builds(
        Window,
        stamps,
        stamps,
        st.none() | stamps,
        times,
        st.sampled_from(["micro", "macro"]),
        st.tuples(st.text()),
        st.dictionaries(st.text(), st.tuples(times, times), max_size=2),
    ),
    prediction=st.none() | st.builds(Prediction, st.text(), shares, shares, st.text()),
    reason=st.text(),
    known_at=stamps,
    emitted_s=times,
    flows=st.none(),
    crops=st.just(()),
).filter(
    lambda event: (
        event.state != "confirmed"
        or (event.prediction is not None and event.window.offset is not None)
    )
)
markers = st.builds(
    Marker,
    kind=st.sampled_from(["mark", "question_start", "redact"]),
    name=st.text(),
    note=st.text(),
    time_s=times,
    monotonic_s=times,
    utc=st.just("2026-01-01T00:00:00+00:00"),
    until_s=st.none() | times,
)


@pytest.mark.parametrize(
    ("baseline", "good", "words"),
    [
        (None, False, "none yet: measure one on the Calibrate tab"),
        (Baseline.default(), False, "it does not say whose it is"),
        (measured_on(""), False, "it does not say whose it is"),
        (measured_on("P08"), False, "of P08, not of P07"),
        (measured_on("P07"), True, "of P07"),
    ],
)
def test_a_baseline_is_checked_for_whose_it_is(
    baseline: Baseline | None, good: bool, words: str, tmp_path: Path
) -> None:
    checks = make_check_list(RecordPlan(tmp_path / "s", "P07"), INFO, baseline, 1e12)
    (check,) = (check for check in checks if check.name == "baseline")
    assert check.good == good
    assert check.text.startswith(words)


@given(lines)
def test_a_ledger_line_comes_back_with_every_bit(line: LedgerLine) -> None:
    assert parse_line(line.text()) == line


@given(st.text())
def test_what_is_no_ledger_line_is_none(text: str) -> None:
    found = parse_line(text)
    assert found is None or isinstance(found, LedgerLine)


@given(st.lists(lines.map(LedgerLine.text) | st.text() | st.just(LEDGER_HEADER)), st.booleans())
@example(["0,0x1,,,,,dropped,,1", "1,1_0,,,,,dropped,,1", "2,inf,,,,,dropped,,1"], True)
@example(["0,,,,,,missing,a\rb,1", "1, 2 ,,,,,dropped,,1", "", '2,,,"a,,,dropped,,1'], True)
@example(["3,,,,0,1,dropped,,1", "4,,,,-1,,dropped,,1", "5,,,,,,dropped,,0"], True)
@example(["7,,,,,,analysed,,1", "7,,,,,,late,,1", "7,,,,,,dropped,,1", "6,,,,,,late,,1"], True)
def test_the_ledger_is_read_as_its_lines_say(texts: list[str], whole: bool) -> None:
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "frames.csv"
        path.write_bytes("\n".join([*texts, "" if whole else "cut"]).encode("utf-8", "replace"))
        captures: dict[int, LedgerLine] = {}
        analyses: dict[int, LedgerLine] = {}
        for line in filter(None, map(parse_line, read_lines(path))):
            of_analysis = line.fate in ("analysed", "late", "unanalysed")
            (analyses if of_analysis else captures)[line.index] = line
        found = read_ledger(path)
        assert list(found) == [
            replace(line, analysis=analyses[index].fate if index in analyses else "")
            for index, line in sorted(captures.items())
        ]
        recorded = [line for line in found if line.fate == "recorded"]
        places = Places(found.take(found.recorded))
        last = {(line.part, line.pts_ms): place for place, line in enumerate(recorded)}
        assert all(places.find(*key) == place for key, place in last.items())
        assert places.find(100, 0) is None


def test_a_ledger_of_many_blocks_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_table, "_BLOCK_BYTES", 100)
    path = tmp_path / "frames.csv"
    texts = [LEDGER_HEADER]
    for index in range(50):
        texts += [
            LedgerLine(index, "dropped", 1.0 * index).text(),
            LedgerLine(index, "late").text(),
        ]
    path.write_text("\n".join([*texts, ""]))
    found = read_ledger(path)
    assert [(line.index, line.time_s, line.analysis) for line in found] == [
        (index, 1.0 * index, "late") for index in range(50)
    ]
    assert list(read_ledger(tmp_path / "none")) == []


def test_the_header_is_no_line() -> None:
    assert parse_line(LEDGER_HEADER) is None


@given(events)
def test_an_event_comes_back_with_every_bit(event: Event) -> None:
    line = format_event(event)
    assert "\n" not in line
    assert parse_event(line) == event


@given(markers)
def test_a_marker_comes_back(marker: Marker) -> None:
    line = format_marker(marker)
    assert "\n" not in line
    assert parse_marker(line) == marker


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "3", '{"kind": "mark"}', '{"number": 1}', "[" * 9000, '{"kind": []}']
)
def test_damaged_lines_are_left_out(line: str) -> None:
    assert parse_event(line) is None
    assert parse_marker(line) is None
    assert parse_edit(line) is None
    assert parse_step(line) is None


MOMENTS = (Stamp(1, 0.1), Stamp(2, 0.2), Stamp(3, 0.3))
EVENT = format_event(
    Event(
        1,
        "confirmed",
        Window(*MOMENTS, math.inf, "micro", ("chin",), {"chin": (0, -0.2)}, 0.9),
        Prediction("positive", {"positive": 0.9}, {"AU12": 0.8}, "fmanet"),
        "",
        Stamp(4, 0.4),
    )
)
MARKER = format_marker(Marker("redact", "s", "", 1.0, 2.0, "2026-01-01T00:00:00+00:00", 3.0))
EDIT = format_edit(Edit("C1", "", -1, "open", *MOMENTS, "x", "", ("AU4",), serial=1, blind=True))
STEP = format_step(CoderStep("C1", "", "undo", 1))
WRONG = (None, [], {}, "x", True, math.nan, 10**400, [1, math.inf], [math.inf, 1], [1])


@pytest.mark.parametrize(
    ("line", "parse", "allowed"),
    [
        (
            EVENT,
            parse_event,
            {"regions": ([], {}, "x"), "motion_px": ([], {}), "me_probability": (None,)},
        ),
        (MARKER, parse_marker, {"name": ("x",), "note": ("x",), "utc": ("x",), "until_s": (None,)}),
        (
            EDIT,
            parse_edit,
            dict.fromkeys(("coder", "utc", "label", "note"), ("x",)) | {"action_units": (None, [])},
        ),
        (STEP, parse_step, dict.fromkeys(("coder", "utc"), ("x",))),
    ],
)
def test_a_line_of_which_a_value_is_of_another_kind_is_left_out(
    line: str, parse: Callable[[str], object], allowed: Mapping[str, tuple[object, ...]]
) -> None:
    """`allowed` beside what the line holds: what its field may be, too."""
    assert parse(line) is not None
    whole = json.loads(line)
    texts = dict.fromkeys(("label", "classifier", "reason"), ("x",))
    empty = {name: ({}, []) for name in ("probabilities", "action_units")}
    for name in whole:
        for value in WRONG:
            if value in {**texts, **empty, **allowed}.get(name, ()) and value is not True:
                continue
            if value is whole[name]:
                continue
            if name in ("score", "emitted_s") and value is math.nan:
                continue  # not known
            assert parse(json.dumps({**whole, name: value})) is None, (name, value)


@pytest.mark.parametrize("cell", ["x", "nan", "inf", "1e300", "9" * 400, "9" * 5000])
@pytest.mark.parametrize("column", [0, 1, 2, 4, 5, 8])
def test_a_line_of_the_ledger_with_what_no_recorder_writes_is_left_out(
    cell: str, column: int
) -> None:
    cells = ["7", "1.5", "2.5", "driver", "1", "40", "recorded", "", "1"]
    assert parse_line(",".join(cells)) is not None
    cells[column] = cell
    assert parse_line(",".join(cells)) is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("participant", "../P07", "participant is '../P07': String should match pattern"),
        ("started_utc", "noon", "started_utc: Value error, Invalid isoformat string: 'noon'"),
        ("camera", None, "camera is None: Input should be"),
        ("camera", {"width": 0}, "camera.width is 0: Input should be greater than or equal to 1"),
        ("video", {"audio": {"hz": 0}}, "video.audio.hz is 0: Input should be greater"),
        ("anchors", [{"monotonic_s": 1e300, "utc": ""}], "anchors.1.monotonic_s is 1e+300: Input"),
        ("warnings", ["", 1], "warnings.2 is 1: Input should be a valid string"),
        ("zero_s", "0", "zero_s is '0': Input should be a valid number"),
    ],
)
def test_a_damaged_document_gives_one_line_with_place_and_value(
    field: str, value: object, message: str, tmp_path: Path
) -> None:
    folder = SessionFolder(tmp_path)
    folder.document.write_text(json.dumps(DOCUMENT | {field: value}))
    with pytest.raises(InputError, match=re.escape(f"session.json is damaged: {message}")):
        folder.read_document()


def test_what_a_document_does_not_say_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    folder = SessionFolder(tmp_path)
    folder.write_document(DOCUMENT | {"camera": {"width": 64}})
    document = folder.read_document()
    assert document["camera"].get("height") is None
    for part, name in ((document, "weights"), (document["camera"], "height")):
        with pytest.raises(InputError, match=f"session.json is damaged: it has no '{name}'"):
            part[name]


def test_torn_lines_and_zeros_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    file = LineFile(path, "head")
    file.write("one", "two")
    file.close()
    path.write_bytes(path.read_bytes() + b"\0\0\0\nthree\nto")
    assert list(read_lines(path)) == ["head", "one", "two", "three"]
    again = LineFile(path, "head")
    again.close()
    assert next(read_lines(path)) == "head"
    assert list(read_lines(tmp_path / "absent")) == []


def test_an_anchor_is_the_least_disturbed_of_a_few_readings() -> None:
    monotonic = iter([0.0, 9.0, 10.0, 10.5, 20.0, 21.0, 30.0, 33.0, 40.0, 44.0])
    utc = iter([1e9, 2e9, 3e9, 4e9, 5e9])
    anchor = take_anchor(lambda: next(monotonic), lambda: next(utc))
    assert (anchor.monotonic_s, anchor.within_s) == (10.25, 0.25)
    assert anchor.utc == "2033-05-18T03:33:20.000000+00:00"


PROTOCOL = """
name = "Interview A"
authors = ["A. Meyer", "B. Klein"]
[keys]
s = "stimulus"
[[questions]]
name = "q1"
text = "How did you come here?"
key = "1"
[[questions]]
name = "q2"
text = "And back?"
"""


def test_a_protocol_is_read(tmp_path: Path) -> None:
    path = tmp_path / "protocol.toml"
    path.write_text(PROTOCOL)
    protocol = load_protocol(path)
    assert protocol.keys == {"s": "stimulus"}
    assert [(q.name, q.key) for q in protocol.questions] == [("q1", "1"), ("q2", None)]
    document = json.loads(json.dumps(protocol.document()))
    assert document["name"] == "Interview A"
    assert document["authors"] == ["A. Meyer", "B. Klein"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_protocol_is_read_as_windows_editors_save_it(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "protocol.toml"
    path.write_text(PROTOCOL.replace("stimulus", "Stimulus für alle"), encoding)
    assert load_protocol(path).keys == {"s": "Stimulus für alle"}
    path.write_text(PROTOCOL.replace("stimulus", "für"), "cp1252")
    with pytest.raises(InputError, match="not TOML in UTF-8 or UTF-16"):
        load_protocol(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not TOML"),
        ("nom = 'x'", "nom is 'x': .* a protocol has name"),
        ("keys = 3", "keys is 3: Input should be a valid dictionary"),
        ("authors = 'A. Meyer'", "authors is 'A. Meyer': Input should be a valid tuple"),
        ("[keys]\nss = 'x'", "keys.ss.* is 'ss': .*one character"),
        ("[keys]\ns = 3", "keys.s is 3: Input should be a valid string"),
        ("[keys]\ns = '" + "x\\n" * 999 + "'\nd = ''", "keys.d is ''"),
        ("[[questions]]\nname='a'\ntext='b'\nkey='12'", "questions.1.key is '12': .*one character"),
        ("[[questions]]\nname = 'q1'", "questions.1.text: Field required; .*text, key"),
        ("[keys]\n1 = 'x'\n[[questions]]\nname='a'\ntext='b'\nkey='1'", "used twice"),
        (
            "[[questions]]\nname='a'\ntext='b'\n[[questions]]\nname='a'\ntext='c'",
            "question 'a' is used twice",
        ),
        ("authors = " + "[" * 9000, "nested too deeply"),
        ("name = " + "9" * 5000, "not TOML"),
    ],
)
def test_a_wrong_protocol_gives_one_line_with_place_value_and_remedy(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "protocol.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_protocol(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_a_document_may_hold_any_text(tmp_path: Path) -> None:
    folder = create_folder(tmp_path / "s")
    document = {"format": FORMAT, "version": 1, "failure": "one\u2028two\x85three"}
    folder.write_document(document)
    assert folder.read_document() == document


def test_what_was_agreed_to_is_one_line_of_text() -> None:
    plan = RecordPlan(Path("s"), "P07", consent="analysis\nand \udce9\x1b[A")
    assert plan.consent == "analysis and ��[A"


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.audited: list[tuple[str, str]] = []

    def mark(
        self, name: str, note: str = "", kind: MarkerKind = "mark", at_s: float | None = None
    ) -> float:
        self.told.append((kind, name, note))
        return float(len(self.told))

    def redact(self, seconds: float) -> tuple[float, float]:
        self.told.append(("redact", seconds))
        return 60.0, 60.0 + seconds

    def pause(self) -> None:
        self.told.append(("pause",))

    def resume(self) -> None:
        self.told.append(("resume",))

    def audit(self, who: str, did: str) -> None:
        self.audited.append((who, did))


def test_what_is_typed_is_done(tmp_path: Path) -> None:
    path = tmp_path / "protocol.toml"
    path.write_text(PROTOCOL)
    heard = Heard()
    keys = Keys(load_protocol(path), heard)
    assert keys.type_text("1\ns\n\n1\npause\nresume\nforg") == [
        "q1 started",
        "marked stimulus",
        "q1 ended",
        "paused",
        "resumed",
    ]
    told = keys.type_text("et 30\ncat ran by\nforget me\n")
    assert told[:2] == ["the last 30 s are deleted", "noted"]
    assert "how many seconds" in told[2]
    assert heard.told == [
        ("question_start", "q1", ""),
        ("mark", "stimulus", ""),
        ("question_end", "q1", ""),
        ("pause",),
        ("resume",),
        ("redact", 30.0),
        ("mark", "note", "cat ran by"),
    ]
    assert {who for who, _ in heard.audited} == {TERMINAL}
    done = ["q1 started", "marked stimulus", "q1 ended", "paused", "resumed", *told[:2]]
    assert [did for _, did in heard.audited] == done  # and not what was refused
    for wrong in ("forget", "forget it", "forget -3", "forget nan"):
        with pytest.raises(InputError, match="forget"):
            keys.carry_out(wrong)


def command(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["session", *options])
    return exit_code(main)


def test_a_session_is_deleted_with_a_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, receipt = tmp_path / "s", tmp_path / "receipt.json"
    made = recorder(folder)
    made.write(frame(0))
    made.close("end")
    inside = str(folder / "receipt.json")
    assert command(monkeypatch, "delete", str(folder), "--receipt", inside) == 2
    (folder / "letter.txt").write_text("mine")
    assert command(monkeypatch, "delete", str(folder), "--receipt", str(receipt)) == 2
    assert "letter.txt is not part" in capsys.readouterr().err
    (folder / "letter.txt").unlink()
    report, table = tmp_path / "report.html", tmp_path / "table.csv"
    for copy in (report, table):
        copy.write_text("of P07")
    note_copies(SessionFolder(folder), [report, table])
    names = {file.name for file in folder.iterdir()}
    assert command(monkeypatch, "delete", str(folder), "--receipt", str(receipt)) == 0
    assert not folder.exists()
    assert not report.exists()
    told = capsys.readouterr().out
    assert f"{report}: deleted" in told
    assert f"{table}: not deleted, and may hold" in told
    assert json.loads(receipt.read_text("utf-8"))["exports"] == [str(report), str(table)]
    said = json.loads(receipt.read_text("utf-8"))
    assert said["participant"] == "P07"
    assert {file["name"] for file in said["files"]} == names
    assert "not overwritten" in said["note"]


def test_a_deletion_that_stops_says_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "s"
    made = recorder(folder)
    made.write(frame(0))
    made.close("end")
    files = len(list(folder.iterdir()))
    unlink = Path.unlink

    def held(path: Path, missing_ok: bool = False) -> None:
        if path.name == "markers.jsonl":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", held)
        assert command(patched, "delete", str(folder), "--receipt", str(tmp_path / "1.json")) == 2
    told = capsys.readouterr().err
    assert "markers.jsonl: Permission denied" in told
    assert f"of {files} files are deleted; run the same command with another --receipt" in told
    assert command(monkeypatch, "delete", str(folder), "--receipt", str(tmp_path / "2.json")) == 0
    assert not folder.exists()


def test_a_redaction_that_stops_says_what_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "s"
    made = recorder(folder)
    for index in range(10):
        made.write(frame(index))
    made.close("end")
    in_the_way = folder / "video.mkv.partial"
    in_the_way.mkdir()
    assert command(monkeypatch, "redact", str(folder), "--from", "0.1", "--to", "0.2") == 2
    told = capsys.readouterr().err
    assert f"then finish with fmanet session recover {folder}" in told
    assert "room" not in told
    in_the_way.rmdir()
    assert command(monkeypatch, "recover", str(folder)) == 0
    assert "1 redactions were interrupted" in capsys.readouterr().out


def test_commands_work_on_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recorder(tmp_path / "s")
    for index in range(10):
        made.write(frame(index))
    made.close("end")
    folder = str(tmp_path / "s")
    assert command(monkeypatch, "redact", folder, "--from", "0.1", "--to", "0.2") == 0
    assert "3 frames deleted" in capsys.readouterr().out
    assert command(monkeypatch, "recover", folder) == 0
    assert "7 frames in the video, 0 lost" in capsys.readouterr().out
    assert command(monkeypatch, "recover", str(tmp_path)) == 2


@pytest.mark.skipif(os.name != "posix", reason="Windows does not hold folders")
def test_what_is_being_recorded_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recorder(tmp_path / "s")
    made.write(frame(0))
    assert command(monkeypatch, "recover", str(tmp_path / "s")) == 2
    assert "is being recorded" in capsys.readouterr().err
    made.close("end")
    assert command(monkeypatch, "recover", str(tmp_path / "s")) == 0


def test_the_report_of_a_camera_check_is_an_item_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "camera.json"
    document = {"format": "fmanet-live camera", "version": 1, "verdict": "good enough"}
    for light, good in (("green", True), ("amber", True), ("red", False)):
        path.write_text(json.dumps({**document, "light": light}))
        assert load_camera_report(path).good == good
    for wrong in ("{}", "[]", "{", json.dumps({**document, "version": 2, "light": "green"})):
        path.write_text(wrong)
        with pytest.raises(InputError, match=r"camera\.json"):
            load_camera_report(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_camera_report(tmp_path / "absent.json")


def test_blanked_lines_are_gone_and_the_others_stay_where_they_were(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    before = b"index,word\n1,one\n2,secret\n3,three\n4,torn"
    path.write_bytes(before)
    append_lines(path, ["5,five"])
    blank_lines(path, lambda row: row[0] not in "24")
    assert list(read_lines(path)) == ["index,word", "1,one", "3,three", "5,five"]
    (whole,) = whole_lines(path, 2**20)
    assert whole.split() == [b"index,word", b"1,one", b"3,three", b"5,five"]
    after = path.read_bytes()
    assert b"secret" not in after
    assert all(after.index(word) == before.index(word) for word in (b"1,one", b"3,three"))
    blank_lines(path, lambda row: "e" not in row, since=after.index(b"3,three"))
    assert list(read_lines(path)) == ["index,word", "1,one"]


@pytest.mark.parametrize("goes_first", [True, False])
def test_what_a_power_cut_leaves_of_a_blanked_line_is_not_another_line(
    goes_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        LedgerLine(n, "recorded", n / 25, n / 25, "driver", 1, 40 * n).text() for n in (122, 123)
    ]
    path = tmp_path / "frames.csv"
    path.write_text("\n".join([LEDGER_HEADER, *rows, ""]))
    old = path.read_bytes()

    def cut(handle: int) -> None:
        raise OSError(errno.EIO, "the power is cut")

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(OSError, match="power"):
        blank_lines(path, lambda row: not row.startswith("123"))
    new = path.read_bytes()
    assert len(new) == len(old)
    for at in range(len(old)):  # either half may have reached the disk
        path.write_bytes(new[:at] + old[at:] if goes_first else old[:at] + new[at:])
        found = [line.text() for line in read_ledger(path)]
        assert found in (rows, rows[:1])
        (whole,) = whole_lines(path, 2**20)
        assert {*whole.split()} <= {*old.split()}
