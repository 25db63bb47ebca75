"""The report's numbers, computed again from the tables that are exported beside it."""

import csv
import re
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fakes import copied
from spoken import spoken
from test_recording_recorder import frame, recorder

from model.errors import InputError
from realtime.export import export
from realtime.review.coding import add_edit, apply_edits
from realtime.review.rates import measure_rates, poisson_interval
from realtime.review.recorded_frames import RecordedFrames
from realtime.review.session_report import make_report, write_session_report
from realtime.review.study_sessions import read_study_session
from realtime.sessions.ledger import LedgerLine, describe_cause
from realtime.sessions.markers import Marker, format_marker
from realtime.sessions.reader import Session, open_session
from realtime.sessions.recover import recover
from realtime.sessions.redact import redact_span
from realtime.sources import open_source

Table = list[dict[str, str]]


class _Reader(HTMLParser):
    """The facts, the tables and the methods of a report, as text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.facts: dict[str, str] = {}
        self.tables: list[list[list[str]]] = []
        self.methods = ""
        self._at = ""
        self._name = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "small" and self.tables:
            self.tables[-1][-1][-1] += " "
        if tag in ("dt", "dd", "td", "th", "p"):
            self._at = "methods" if ("class", "methods") in attrs else tag
            self._name = "" if tag == "dt" else self._name

    def handle_endtag(self, tag: str) -> None:
        if tag in ("dt", "dd", "td", "th", "p"):
            self._at = ""

    def handle_data(self, data: str) -> None:
        if self._at == "dt":
            self._name += data
        elif self._at == "dd":
            self.facts[self._name] = self.facts.get(self._name, "") + data
        elif self._at in ("td", "th"):
            self.tables[-1][-1][-1] += data
        elif self._at == "methods":
            self.methods += data


@pytest.fixture
def session(recorded: Path, tmp_path: Path) -> Session:
    """3.4 s with sound, a pause, losses of several causes, late frames, a span that was deleted,
    and what a coder accepted, rejected and added."""
    (tmp_path / "silent").mkdir()
    (tmp_path / "spoken").mkdir()
    session = spoken(copied(recorded, tmp_path / "silent"), tmp_path / "spoken")
    first, asked = session.markers
    later = replace(asked, time_s=session.zero_s + 1.0)  # so that something is outside it
    session.folder.markers.write_text(f"{format_marker(first)}\n{format_marker(later)}\n")
    found = session.confirmed[0].window
    lost = {found.offset.index + 3, found.offset.index + 4} if found.offset else set()
    with session.folder.frames.open("a", encoding="utf-8") as ledger:
        for index in sorted(lost):
            stamp = session.frames[index].stamp
            line = LedgerLine(index, "dropped", stamp.time_s, cause="recorder behind")
            ledger.write(f"{line.text()}\n")
        last = session.frames[-1].index
        ledger.write(f"{LedgerLine(last + 1, 'missing', cause='camera away', count=7).text()}\n")
        for index in (5, 6, 7):
            ledger.write(f"{LedgerLine(index, 'late').text()}\n")
    redact_span(session.folder.path, 1.2, 1.4)
    session = open_session(session.folder.path)
    (event,) = session.confirmed
    window, prediction = event.window, event.prediction
    assert window.offset is not None
    assert prediction is not None
    span = (window.onset, window.apex, window.offset)
    add_edit(session, "C1", event.number, verdict="accepted", moments=span, label="surprise")
    stamps = [frame.stamp for frame in session.frames if frame.fate == "recorded"]
    for verdict, first in (("accepted", 20), ("rejected", 30), ("accepted", 40)):
        moments = (stamps[first], stamps[first + 2], stamps[first + 5])
        add_edit(session, "C1", None, verdict=verdict, moments=moments, label="positive")
    return apply_edits(session, "C1")


def read(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def tables(session: Session, tmp_path: Path) -> dict[str, Table]:
    """The exported tables, and those of motion and sound that lie in the session."""
    written = [path for path in export(session, ["csv"], tmp_path / "out") if path.suffix == ".csv"]
    found = {path.stem.rpartition("_")[2]: read(path) for path in written}
    return found | {"motion": read(session.folder.motion), "sound": read(session.folder.sound)}


def test_every_number_of_the_report_is_in_the_tables(
    session: Session, tables: dict[str, Table]
) -> None:
    report = _Reader(make_report(session))
    frames = tables["frames"]
    recorded = [row for row in frames if row["fate"] == "recorded"]
    times_s = [float(row["time_s"]) for row in recorded]
    seconds = max(times_s)
    lost: dict[str, int] = {}
    for row in frames:
        if row["fate"] != "recorded":
            lost[row["cause"]] = lost.get(row["cause"], 0) + int(row["count"])
    assert set(lost) == {"recorder behind", "camera away", "redacted on request"}
    unobserved = find_unobserved(frames)
    unobserved_s = sum(to_s - from_s for from_s, to_s in unobserved)
    assert unobserved_s == pytest.approx(0.2 + 2 * 0.04)  # up to the frames that stay
    gone = sum(lost.values())
    share = gone / (gone + len(recorded))
    following_ms = [
        1000 * (float(b["time_s"]) - float(a["time_s"]))
        for a, b in pairwise(recorded)
        if int(b["index"]) == int(a["index"]) + 1
    ]
    median, low, high = np.percentile(following_ms, [50, 5, 95])
    fps = 1000 / np.mean([ms for ms in following_ms if abs(ms - median) < median / 2])
    analysed = [row for row in frames if row["analysis"] in ("analysed", "late")]
    late = sum(row["analysis"] == "late" for row in frames)
    faces = sum(row["brow_inner_left_strength_px"] != "" for row in tables["motion"])
    silent: dict[str, float] = {}
    for row in tables["sound"]:
        span_s = float(row["to_s"]) - float(row["from_s"])
        silent[row["cause"]] = silent.get(row["cause"], 0.0) + span_s
    for row in tables["markers"]:
        if row["kind"] == "redact":
            span_s = float(row["until_s"]) - float(row["time_s"])
            silent["redacted on request"] = silent.get("redacted on request", 0.0) + span_s
    silent_share = sum(silent.values()) / seconds

    facts = report.facts
    assert facts["Length"] == f"{seconds:.1f} s"
    assert facts["Not observed"].startswith(f"{unobserved_s:.1f} s, deleted or paused")
    assert facts["Frames recorded"] == str(len(recorded))
    assert session.document["frames"]["recorded"] == len(recorded)
    assert len(RecordedFrames(session)) == len(recorded)  # what the page counts
    losses = ", ".join(f"{n} {describe_cause(cause)}" for cause, n in lost.items())
    assert facts["Not in the video"] == f"{losses} ({share:.2%})"
    assert facts["Rate"] == f"{fps:.2f} frames per second"
    assert facts["Interval"] == (
        f"{median:.2f} ms; 5th to 95th percentile {low:.2f} to {high:.2f} ms"
    )
    assert facts["Longest gap"] == f"{1000 * np.diff(times_s).max():.0f} ms"
    assert facts["Frames analysed"] == f"{len(analysed)}, {late} of them late"
    assert late >= 3
    assert facts["Face in view"] == f"{faces / len(analysed):.1%} of the analysed frames"
    told = re.fullmatch(r"(.*) \((.*)%\)", facts["Missing of the sound"])
    assert told is not None
    heard = {describe_cause(cause): s for cause, s in silent.items()}
    # Sound is deleted in whole blocks of 50 ms, so a little more than the span.
    amounts = {part.split(" s ")[1]: float(part.split(" s ")[0]) for part in told[1].split(", ")}
    assert amounts == {cause: pytest.approx(s, abs=0.13) for cause, s in heard.items()}
    assert float(told[2]) == pytest.approx(100 * silent_share, abs=4)

    rates, expressions, markers = report.tables
    events = tables["events"]
    assert [row[0] for row in expressions[1:]] == [
        f"{float(row['onset_s']):.2f} s" for row in events
    ]
    assert [row[1] for row in expressions[1:]] == [
        f"{1000 * float(row['duration_s']):.0f} ms" for row in events
    ]
    assert [row[2:8] for row in expressions[1:]] == [
        [
            row["kind"],
            row["label"] + _share(row["probability"]),
            row["action_units"],
            row["question"],
            row["verdict"],
            row["sentence"],
        ]
        for row in events
    ]
    assert [row[0] for row in markers[1:]] == [
        f"{float(row['time_s']):.2f} s"
        if not row["until_s"]
        else f"{float(row['time_s']):.2f} to {float(row['until_s']):.2f} s"
        for row in tables["markers"]
    ]
    assert [row[1] for row in markers[1:]] == ["Marker", "Question starts", "Deleted"]
    _check_rates(rates, tables, seconds, unobserved_s)

    methods = report.methods
    assert f"at {fps:.2f} frames per second" in methods
    assert f"percentile of the intervals {low:.2f} to {high:.2f} ms" in methods
    assert f"for {seconds:.1f} s" in methods
    assert f"{unobserved_s:.1f} s that were deleted since or paused do not count" in methods
    assert f"{gone} frames ({share:.2%}) are not in it" in methods
    assert f"in {faces / len(analysed):.1%} of {len(analysed)} analysed frames" in methods
    verdicts = [row["verdict"] for row in events]
    assert (verdicts.count("accepted"), verdicts.count("added")) == (1, 2)
    assert "1 accepted, 0 rejected, 2 added, 0 left as found" in methods


def _share(probability: str) -> str:
    if not probability:
        return ""
    percent = 100 * float(probability)
    return " > 99 %" if percent >= 99.5 else f" {percent:.0f} %"


def find_unobserved(frames: Table) -> list[tuple[float, float]]:
    """Return the gaps of the video in which something was deleted, by the exported table."""
    found, before_s, missed = [], 0.0, False
    for row in sorted(frames, key=lambda row: int(row["index"])):
        if row["fate"] == "recorded":
            found += [(before_s, float(row["time_s"]))] if missed else []
            before_s, missed = float(row["time_s"]), False
        missed |= row["cause"] in ("redacted on request", "paused")
    return found


def _check_rates(
    rates: list[list[str]], tables: dict[str, Table], seconds: float, deleted_s: float
) -> None:
    (asked,) = (row for row in tables["markers"] if row["kind"] == "question_start")
    question_s = seconds - float(asked["time_s"]) - deleted_s  # it was deleted in the question
    lengths = {
        "q1": question_s,
        "outside questions": seconds - question_s - deleted_s,
        "whole session": seconds - deleted_s,
    }
    groups = rates[0][2:]
    assert groups == ["micro", "macro", "positive", "surprise"]
    assert [row[0] for row in rates[1:]] == list(lengths)
    for name, length, *cells in rates[1:]:
        span_s = lengths[name]
        assert length == f"{span_s:.1f} s"
        inside = [
            row
            for row in tables["events"]
            if name == "whole session" or (row["question"] or "outside questions") == name
        ]
        for group, cell in zip(groups, cells, strict=True):
            count = sum(group in (row["kind"], row["label"]) for row in inside)
            low, high = poisson_interval(count)
            per_min = [60 * value / span_s for value in (count, low, high)]
            assert cell == "{} {:.2f} ({:.2f}–{:.2f})".format(count, *per_min)


@pytest.mark.parametrize(
    ("deleted", "answer_s", "outside_s"),
    [
        ((0.0, 0.5), 1.41, 0.99 - 0.52),  # the first frames, up to the next
        ((1.5, 1.7), 1.41 - 0.24, 0.99),
        ((2.0, 9.0), 1.96 - 0.99, 0.99),  # the last frames: the session ends earlier
    ],
)
def test_what_was_deleted_counts_as_observed_in_no_rate(
    tmp_path: Path, deleted: tuple[float, float], answer_s: float, outside_s: float
) -> None:
    made = recorder(tmp_path / "P07")
    for index in range(61):  # 25 fps: 0 to 2.4 s
        made.write(frame(index))
    made.mark(Marker("question_start", "q1", "", frame(25).stamp.time_s - 0.01, 0.0, ""))
    made.close("end")
    redact_span(tmp_path / "P07", *deleted)
    session = open_session(tmp_path / "P07")
    rates = {name: rate["micro"].seconds for name, rate in measure_rates(session).items()}
    whole_s = answer_s + outside_s
    expected = {"q1": answer_s, "outside questions": outside_s, "whole session": whole_s}
    assert rates == pytest.approx(expected)


def test_nothing_leaves_a_session_before_its_deletion_is_finished(
    session: Session, tmp_path: Path
) -> None:
    start_s = session.zero_s + 0.5
    with session.folder.markers.open("a", encoding="utf-8") as file:
        file.write(format_marker(Marker("redact", "", "", start_s, 0.0, "", start_s + 0.2)) + "\n")
    folder = session.folder.path
    for leave in (
        lambda: open_session(folder),  # as exports do
        lambda: write_session_report(folder, tmp_path / "early", None),
        lambda: read_study_session(folder, None),
        lambda: open_source(str(folder)),
        lambda: redact_span(folder, 0.0, 0.1),
    ):
        with pytest.raises(InputError, match="session recover"):
            leave()
    assert not (tmp_path / "early").exists()
    recover(session.folder)
    with closing(open_source(str(folder))) as source:
        assert all(frame.stamp.time_s != pytest.approx(start_s + 0.1, abs=0.1) for frame in source)
    assert list(export(open_session(folder), ["csv"], tmp_path / "early"))
