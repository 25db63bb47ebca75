"""Recordings as the Study tab makes them: without a page, then on one, in a real browser."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from browsing import CHROMIUM, FLAGS, SLOW_MS, in_browser, opened
from playwright.sync_api import Browser, Dialog, Page, Playwright, Route, sync_playwright
from served import serving
from test_ui_page import write_y4m

from model.errors import InputError
from model.synthetic import SyntheticFace
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.recording import recorder
from realtime.recording.camera_check import Check
from realtime.recording.check_list import check_disk_space
from realtime.recording.plan import RecordPlan
from realtime.recording.protocol import load_protocol
from realtime.recording.protocol_editing import EntryError, ProtocolEntries
from realtime.sessions.export_rows import marker_rows
from realtime.sessions.line_file import read_lines
from realtime.sessions.reader import open_session
from realtime.sources.picture_decoding import decode_picture
from realtime.stream.clock import monotonic_s
from realtime.study import Draft, Study
from realtime.ui.study import find_camera_check
from realtime.ui.viewer import choose_badge

PROTOCOL = """
name = "Interview A"
[keys]
s = "stimulus"
[[questions]]
name = "q1"
text = "How did you come here today?"
key = "1"
[[questions]]
name = "q2"
text = "And back?"
"""
TIMEOUT_S = 60


@pytest.fixture
def playwright() -> Iterator[Playwright]:
    """One for each test: what is under way when a browser is killed, or a server falls silent, ends
    with it."""
    with sync_playwright() as started:
        yield started


@pytest.fixture
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


def small_demo(untrained: Path, sessions: Path) -> LiveConfig:
    return LiveConfig(
        "demo", fps=10, width=200, height=150, classifier=str(untrained), sessions=sessions
    )


@pytest.fixture
def live(untrained: Path, tmp_path: Path) -> Iterator[LiveSession]:
    with LiveSession(small_demo(untrained, tmp_path)) as session:
        yield session


def recorded(session: LiveSession, frames: int) -> None:
    """Return once that many frames are in the video."""
    index = None
    while (status := session.recording()) is None or status.frames < frames:
        step = session.results.latest_step(index, TIMEOUT_S)
        assert step is not None
        index = step.frame.stamp.index


def test_the_list_is_red_until_it_is_right(live: LiveSession) -> None:
    study = Study(live, lambda: Check("camera", False, "the rate wavers"))
    state = study.state()
    assert state["missing"] == "enter a participant code, e.g. P07 (no names)"
    with pytest.raises(InputError, match="no names"):
        study.start()
    study.fill_in(Draft(minutes=1e9))  # no code yet, but the disk is too small for any
    red = {check["name"] for check in study.state()["checks"] if not check["good"]}
    assert "disk space" in red
    study.fill_in(Draft(participant="P07"))
    study.take_protocol(PROTOCOL)
    state = study.state()
    assert state["missing"] == ""
    assert state["recording"] is None
    red = {check["name"] for check in state["checks"] if not check["good"]}
    assert red == {"camera", "consent", "baseline"}
    study.fill_in(Draft(participant="P07", consent="analysis"))
    assert "consent" not in {c["name"] for c in study.state()["checks"] if not c["good"]}
    study.fill_in(Draft(participant="P07", consent="analysis", codec="mjpeg"))
    state = study.state()
    assert "JPEGs" in {check["name"] for check in state["checks"] if not check["good"]}
    assert "demo delivers none" in state["missing"]
    study.fill_in(Draft(participant="P07", consent="analysis", audio="a microphone"))
    assert "the consent covers it" in study.state()["missing"]
    study.fill_in(Draft(participant="P07", consent="analysis", minutes=1e9))
    assert "GiB" in study.state()["missing"]
    assert "GiB" in study.state()["form_errors"]["minutes"]
    study.fill_in(Draft(participant="Anna B.", minutes=-1, audio="a microphone", codec="mjpeg"))
    wrong = study.state()["form_errors"]
    assert wrong.keys() == {"participant", "minutes", "consent", "voice", "codec"}
    assert "'Anna B.' is not a valid participant code" in wrong["participant"]
    study.fill_in(Draft(participant="P07", consent="analysis", audio="a microphone", voice=True))
    assert study.state()["form_errors"] == {}
    with pytest.raises(InputError, match="h264, ffv1"):
        study.fill_in(Draft(participant="P07", codec="mp4"))
    with pytest.raises(InputError, match="TOML"):
        study.take_protocol("[keys")


def test_a_recording_is_marked_paused_and_ends(live: LiveSession, tmp_path: Path) -> None:
    study = Study(live, lambda: None)
    study.fill_in(Draft("P07", "analysis", pictures=True, show_labels=True))
    study.take_protocol(PROTOCOL)
    study.start()
    with pytest.raises(InputError, match="stop it first"):
        study.start()
    assert not live.hides_labels
    recorded(live, 2)
    study.press("1", None)
    assert study.state()["protocol"]["open"] == "q1"
    study.press("s", None)
    study.ask("q1", None)
    study.note(" the door fell shut ", None)
    assert study.state()["recording"]["planned_s"] is None
    for wrong in (lambda: study.press("x", None), lambda: study.ask("q3", None)):
        with pytest.raises(InputError, match="protocol has no such"):
            wrong()
    study.pause()
    assert study.state()["recording"]["paused"]
    study.resume()
    assert [said["words"] for said in study.state()["said"]] == [
        *("q1 started", "marked stimulus", "q1 ended", "noted: the door fell shut"),
        *("paused", "resumed"),
    ]
    said = study.state()["said"]
    study.stop()
    assert live.snapshot().state == "running"
    assert live.recording() is None
    assert study.state()["last"]["folder"] == str(tmp_path / "P07")
    session = open_session(tmp_path / "P07")
    assert session.document["consent"]["pictures"]
    assert session.document["labels_shown"]
    assert [warning.partition(":")[0] for warning in session.document["warnings"]] == ["baseline"]
    assert [(m.kind, m.name, m.note) for m in session.markers] == [
        ("question_start", "q1", ""),
        ("mark", "stimulus", ""),
        ("question_end", "q1", ""),
        ("mark", "note", "the door fell shut"),
        ("pause", "", ""),
        ("resume", "", ""),
    ]
    # The log has the times of the tables.
    times_s = [row["time_s"] for row in marker_rows(session)]
    assert sorted(one["at_s"] for one in said) == times_s
    with pytest.raises(InputError, match="there is no recording"):
        study.forget(30)


def test_a_question_is_answered_until_its_end_is_forgotten(live: LiveSession) -> None:
    study = Study(live, lambda: None)
    study.fill_in(Draft("P07", "analysis", minutes=1.5))
    study.take_protocol(PROTOCOL)
    study.start()

    def asked() -> tuple[str, list[str]]:
        protocol = study.state()["protocol"]
        return protocol["open"], protocol["answered"]

    recorded(live, 2)
    assert study.state()["recording"]["planned_s"] == 90
    assert asked() == ("", [])
    study.press("1", None)
    assert asked() == ("q1", [])
    before_s = live.snapshot().seconds
    index = None
    while live.snapshot().seconds <= before_s + 1:
        step = live.results.latest_step(index, TIMEOUT_S)
        assert step is not None
        index = step.frame.stamp.index
    study.ask("q2", None)  # ends the one before it, as in the tables
    assert asked() == ("q2", ["q1"])
    study.ask("q2", None)
    assert asked() == ("", ["q1", "q2"])
    study.forget(0.7)
    assert asked() == ("q1", [])
    study.forget(1000)
    assert asked() == ("", [])
    study.stop()
    last = study.state()["last"]
    assert (last["name"], Path(last["folder"]).name) == ("P07", "P07")


def test_questions_are_those_of_the_recording_when_another_page_changes_the_protocol(
    live: LiveSession,
) -> None:
    study = Study(live, lambda: None)
    study.fill_in(Draft("P07", "analysis", pictures=True))
    study.take_protocol(PROTOCOL)
    study.start()
    recorded(live, 2)
    study.take_protocol('[[questions]]\nname = "z9"\ntext = "For the next person?"\n')
    study.ask("q1", None)
    with pytest.raises(InputError, match="'z9': the protocol has no such question"):
        study.ask("z9", None)
    assert study.state()["protocol"]["open"] == "q1"


def test_a_protocol_is_written_saved_and_chosen(live: LiveSession, tmp_path: Path) -> None:
    study = Study(live, lambda: None)
    assert study.state()["protocol_file"] == ""
    with pytest.raises(EntryError, match="not saved: one field is wrong"):
        study.save_protocol(ProtocolEntries("A", "", [("s", "")], []))
    study.save_protocol(ProtocolEntries("A", "", [("s", "stimulus")], []))
    study.take_protocol(PROTOCOL)
    state = study.state()
    assert (state["protocols"], state["protocol_file"]) == (["a.toml"], "opened")
    study.choose_protocol("a.toml")
    assert study.state()["protocol"]["keys"] == {"s": "stimulus"}
    for wrong in ("b.toml", "../a.toml", "opened"):
        with pytest.raises(InputError, match="no such file"):
            study.choose_protocol(wrong)
    study.fill_in(Draft("P07", "analysis"))
    study.start()
    recorded(live, 1)
    study.choose_protocol("")  # for the next one
    study.press("s", None)
    study.stop()
    assert open_session(tmp_path / "P07").markers[0].name == "stimulus"
    assert study.state()["protocol"]["keys"] == {}


def test_what_one_person_agreed_to_is_not_asked_of_the_next(live: LiveSession) -> None:
    study = Study(live, lambda: None)
    asked = {"pictures": True, "voice": True, "show_labels": True}
    study.fill_in(Draft("P07", "analysis", codec="ffv1", minutes=5, **asked))
    study.start()
    recorded(live, 1)
    study.stop()
    draft = Draft(**study.state()["draft"])
    assert draft == Draft(codec="ffv1", minutes=5)
    assert "participant" in study.state()["missing"]
    study.fill_in(Draft("P08", "analysis"))
    assert study.state()["draft"]["participant"] == "P08"  # what is typed stays


@pytest.mark.parametrize("seconds", [0.0, -1.0, 3600.5, 99_999.0])
def test_no_more_is_forgotten_than_an_hour(live: LiveSession, seconds: float) -> None:
    with pytest.raises(InputError, match="choose more than 0, 3600 at most"):
        Study(live, lambda: None).forget(seconds)


def test_a_marker_has_the_moment_of_its_key(live: LiveSession, tmp_path: Path) -> None:
    live.record(RecordPlan(tmp_path / "s", "P07"))
    recorded(live, 3)
    pressed_s = monotonic_s() - 0.25
    live.mark("pressed", at_s=pressed_s)
    for unbelievable in (pressed_s - 3600, pressed_s + 3600):
        live.mark("unbelievable", at_s=unbelievable)
    asked_s = monotonic_s()
    live.record(None)
    pressed, *others = open_session(tmp_path / "s").markers
    assert pressed.monotonic_s == pytest.approx(pressed_s, abs=1e-6)  # not relative to the uptime
    assert all(pressed_s + 0.25 <= marker.monotonic_s <= asked_s for marker in others)
    assert pressed.time_s < others[0].time_s - 0.2


def test_a_recording_that_cannot_begin_leaves_the_source_running(
    live: LiveSession, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(InputError, match="no permission"):
        live.record(RecordPlan(blocked / "s", "P07"))
    assert live.snapshot().state == "running"
    assert live.config.record is None


def test_of_two_pages_that_record_one_wins_and_the_other_is_told(
    live: LiveSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(live, lambda: None)
    study.fill_in(Draft(participant="P07"))
    both, told = threading.Barrier(2), []

    def click() -> None:
        both.wait(TIMEOUT_S)
        try:
            study.start()
        except InputError as error:
            told.append(str(error))

    clicks = [threading.Thread(target=click) for _ in range(2)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join(TIMEOUT_S)
    assert len(told) == 1
    assert "another page is starting" in told[0] or "stop it first" in told[0]
    assert live.records
    with pytest.raises(InputError, match="stop it first"):
        live.record(RecordPlan(tmp_path / "other", "P08"))
    study.stop()
    with pytest.raises(InputError, match="there is no recording to stop"):
        study.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["P07"]
    assert open_session(tmp_path / "P07").document["state"] == "complete"


def test_without_a_calibrator_there_is_no_verdict() -> None:
    assert find_camera_check(None) is None


def test_the_list_is_there_while_another_page_starts(
    live: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(live, lambda: None)
    study.fill_in(Draft(participant="P07"))
    measured = check_disk_space

    def room_while_another_starts(*asked: Any) -> Check:
        study._speed = None  # as `start` does
        return measured(*asked)

    monkeypatch.setattr("realtime.study.check_disk_space", room_while_another_starts)
    assert "disk speed" in {check["name"] for check in study.state()["checks"]}


def filled_in(page: Page, tmp_path: Path) -> None:
    """Go to the tab and fill in what makes a recording possible."""
    protocol = tmp_path / "protocol.toml"
    protocol.write_text(PROTOCOL, "utf-16")
    page.get_by_role("tab", name="Study").click()
    page.wait_for_selector(".fl-study [data-check=consent][data-good=no]")
    assert page.locator(".fl-study [data-ref=start]").is_disabled()
    protocol.with_name("wrong.toml").write_text("[keys")
    page.set_input_files(".fl-study [data-ref=protocol]", protocol.with_name("wrong.toml"))
    page.wait_for_selector(
        ".fl-study label:has([data-ref=protocol][aria-invalid=true]):has-text('TOML')"
    )
    page.set_input_files(".fl-study [data-ref=protocol]", protocol)
    page.wait_for_selector(".fl-study [data-ref=protocol][aria-invalid=false]")
    page.fill(".fl-study [data-ref=participant]", "P 07")
    page.wait_for_selector(".fl-study label:has([aria-invalid=true]):has-text('no names')")
    page.fill(".fl-study [data-ref=participant]", "P07")
    page.wait_for_selector(".fl-study [data-ref=participant][aria-invalid=false]")
    page.fill(".fl-study [data-ref=consent]", "analysis")
    page.fill(".fl-study [data-ref=minutes]", "5")
    # A style sheet around it once left the box out, and only its words were to be seen.
    box = page.locator(".fl-study [data-ref=pictures]")
    assert box.evaluate("box => getComputedStyle(box).appearance") == "auto"
    page.wait_for_selector(".fl-study [data-check=consent][data-good=yes]")


@in_browser
def test_the_tab_records_marks_and_forgets(
    chromium: Browser, untrained: Path, tmp_path: Path
) -> None:
    config = small_demo(untrained, tmp_path / "sessions")
    size = {"width": 1200, "height": 900}
    with serving(config) as served, opened(chromium, served, viewport=size) as watched:
        page = watched.page
        filled_in(page, tmp_path)
        page.click(".fl-study [data-ref=start]:not([disabled])")
        page.wait_for_selector(".fl-study[data-recording=yes] [data-ref=picture][data-index]")
        page.keyboard.press("1")
        page.wait_for_selector("[data-question=q1][data-open=yes]")
        assert page.locator("[data-question=q1]").get_attribute("data-answered") == "no"
        page.click("[data-question=q2] button")
        page.wait_for_selector("[data-question=q1][data-answered=yes] [aria-label=asked]")
        assert "left" in page.inner_text(".fl-study [data-ref=tape]")
        page.keyboard.press("s")
        page.fill(".fl-study [data-ref=note]", "1 s")  # keys in a field are letters
        page.press(".fl-study [data-ref=note]", "Enter")
        page.wait_for_selector("[data-ref=said] li:nth-child(4)")
        page.click(".fl-study [data-ref=pause]")
        page.wait_for_selector(".fl-study [data-to=resume]")
        page.click(".fl-study [data-ref=pause]")
        page.wait_for_selector(".fl-study [data-to=pause]")
        page.get_by_role("tab", name="Live").click()
        page.wait_for_selector("#live .fl[data-badge=REC]")
        assert served.session.hides_labels  # unless the form says otherwise
        page.get_by_role("tab", name="Study").click()
        recorded(served.session, 5)
        page.fill(".fl-study [data-ref=seconds]", "99999")
        page.click(".fl-study [data-ref=forget]")  # the field says what is wrong
        page.fill(".fl-study [data-ref=seconds]", "30")
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.click(".fl-study [data-ref=forget]")
        page.once("dialog", lambda dialog: dialog.accept())
        page.click(".fl-study [data-ref=forget]")
        page.wait_for_function(
            "document.querySelector('[data-ref=said]').innerText.includes('30 s are deleted')"
        )
        page.once("dialog", lambda dialog: dialog.accept())
        page.click(".fl-study [data-ref=stop]")
        page.wait_for_selector(".fl-study[data-recording=no]")
        page.wait_for_function(
            "document.querySelector('[data-ref=last]').innerText.includes('P07')"
        )
        assert page.input_value(".fl-study [data-ref=consent]") == ""  # the next person's
        assert watched.said == []
    session = open_session(tmp_path / "sessions" / "P07")
    assert [m.kind for m in session.markers] == ["redact"]
    audit = [json.loads(line) for line in read_lines(session.folder.audit)]
    did = ["record", "key", "question", "key", "note", "pause", "resume"]
    assert [line["did"] for line in audit] == [*did, "forget the last 30 s", "stop"]
    assert {line["who"] for line in audit} == {"127.0.0.1"}
    assert "redacted" in {frame.fate for frame in session.frames}


@in_browser
def test_a_protocol_is_edited_and_what_is_wrong_stands_at_its_field(
    chromium: Browser, untrained: Path, tmp_path: Path
) -> None:
    config = small_demo(untrained, tmp_path / "sessions")
    with serving(config) as served, opened(chromium, served) as watched:
        page = watched.page
        filled_in(page, tmp_path)
        page.wait_for_selector("[data-ref=protocol-file] option[value=opened]", state="attached")
        assert page.input_value(".fl-study [data-ref=protocol]") == ""  # can be opened once more
        page.click(".fl-study [data-ref=edit]")
        page.wait_for_selector("dialog [data-field=name]:focus")
        page.keyboard.type(", as typed")
        page.keyboard.press("Enter")  # is not Save
        questions: list[str] = []

        def answer(dialog: Dialog) -> None:
            questions.append(dialog.message)
            dialog.accept() if len(questions) == 2 else dialog.dismiss()

        page.on("dialog", answer)
        page.keyboard.press("Escape")
        page.wait_for_selector(".fl-study dialog[open]")
        page.click(".fl-study dialog header .fl-close")
        page.wait_for_selector(".fl-study dialog:not([open])", state="attached")
        assert questions == ["Close without saving? What you have typed is lost."] * 2
        page.click(".fl-study [data-ref=edit]")
        page.wait_for_selector("dialog [data-field=name]:focus")
        page.click(".fl-study dialog header .fl-close")  # nothing to ask: nothing has changed
        page.wait_for_selector(".fl-study dialog:not([open])", state="attached")
        assert len(questions) == 2
        page.click(".fl-study [data-ref=edit]")
        second = page.locator("[data-rows=questions] li").nth(1)
        assert second.locator("[data-field=text]").input_value() == "And back?"
        second.locator("[data-field=key]").fill("s")
        page.get_by_role("button", name="Save as a new file").click()
        page.wait_for_selector("[data-rows=questions] [data-field=key][aria-invalid=true]:focus")
        assert "s is used twice" in second.inner_text()
        assert page.locator("dialog [aria-invalid=true]").count() == 1
        hint = page.locator(".fl-study [data-ref=hint]")
        assert hint.text_content()
        assert hint.evaluate("hint => getComputedStyle(hint, '::first-letter').textTransform") == (
            "uppercase"
        )
        second.locator("[data-field=key]").fill("2")
        assert page.locator("dialog [aria-invalid=true]").count() == 0
        page.get_by_role("button", name="Add a key").click()
        page.keyboard.type("d")
        page.keyboard.press("Tab")
        page.keyboard.type("disturbance")
        page.get_by_role("button", name="Save as a new file").click()
        page.wait_for_selector(".fl-study dialog:not([open])", state="attached")
        page.wait_for_function(
            "document.querySelector('[data-ref=protocol-file]').value === 'interview-a.toml'"
        )
        assert page.inner_text("[data-ref=protocol-name]") == "Interview A: 2 keys, 2 questions"
        page.click(".fl-study [data-ref=edit]")
        page.locator("[data-rows=keys] [data-field=key]").first.fill("1")
        page.get_by_role("button", name="Save as a new file").click()
        page.wait_for_selector("dialog [aria-invalid=true]")
        assert hint.text_content()
        page.remove_listener("dialog", answer)
        page.once("dialog", lambda dialog: dialog.accept())
        page.keyboard.press("Escape")
        page.wait_for_selector(".fl-study dialog:not([open])", state="attached")
        # It was about the editor. A browser says that a dialog is closed only some time after.
        page.wait_for_selector(".fl-study [data-ref=hint]:empty", state="attached")
    saved = load_protocol(tmp_path / "sessions" / "interview-a.toml")
    assert saved.keys == {"s": "stimulus", "d": "disturbance"}
    assert [question.key for question in saved.questions] == ["1", "2"]


@in_browser
def test_a_server_that_does_not_answer_is_told_until_it_does(
    chromium: Browser, untrained: Path, tmp_path: Path
) -> None:
    config = small_demo(untrained, tmp_path / "sessions")
    with serving(config) as served, opened(chromium, served) as watched:
        page = watched.page
        filled_in(page, tmp_path)
        page.click(".fl-study [data-ref=start]:not([disabled])")
        page.wait_for_selector(".fl-study[data-recording=yes]")
        page.route("**/live/study/**", lambda route: route.abort())
        page.wait_for_selector(".fl-study[data-connection=lost] [data-ref=stop]:disabled")
        assert page.inner_text(".fl-study [data-ref=going]") == "Connection lost"
        hint = page.inner_text(".fl-study [data-ref=hint]")
        assert hint.startswith("Connection lost: the recording may have stopped")
        page.unroute_all()
        page.wait_for_selector(".fl-study:not([data-connection]) [data-ref=stop]:enabled")
        assert page.inner_text(".fl-study [data-ref=going]") == "Recording"
        assert page.inner_text(".fl-study [data-ref=hint]") == ""

        def another_program(route: Route) -> None:  # started anew, it knows of no recording
            state = route.fetch().json() | {"recording": None, "last": None}
            route.fulfill(json=state)

        page.route("**/live/study/state", another_program)
        page.wait_for_selector(".fl-study[data-recording=no]")
        page.wait_for_selector(".fl-study [data-ref=last]:has-text('was cut off')")
        page.wait_for_selector(".fl-study [data-ref=last] button:has-text('Review tab')")


@in_browser
@pytest.mark.skipif(os.name != "posix", reason="kills a group of processes")
def test_the_recording_goes_on_when_the_browser_is_killed(
    playwright: Playwright, untrained: Path, tmp_path: Path
) -> None:
    config = small_demo(untrained, tmp_path / "sessions")
    profile = tmp_path / "profile"
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    with serving(config) as served:
        chromium = subprocess.Popen(
            command, start_new_session=True, stderr=subprocess.PIPE, text=True
        )
        assert chromium.stderr is not None
        told = next(line for line in chromium.stderr if "DevTools listening" in line)
        browser = playwright.chromium.connect_over_cdp(told.split(" on ")[1].strip())
        page = browser.contexts[0].pages[0]
        page.set_default_timeout(SLOW_MS)
        page.goto(served.address)
        filled_in(page, tmp_path)
        page.click(".fl-study [data-ref=start]:not([disabled])")
        page.wait_for_selector(".fl-study[data-recording=yes]")
        recorded(served.session, 3)
        os.killpg(chromium.pid, signal.SIGKILL)
        chromium.wait(TIMEOUT_S)
        chromium.stderr.close()
        status = served.session.recording()
        assert status is not None
        recorded(served.session, status.frames + 5)
        served.session.record(None)
    document = json.loads((tmp_path / "sessions" / "P07" / "session.json").read_text())
    assert document["state"] == "complete"
    assert document["frames"]["recorded"] >= status.frames + 5
    assert document["frames"]["dropped"] == 0


def test_a_recording_that_had_to_end_is_told_loudly(
    live: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(live, lambda: None)
    study.fill_in(Draft(participant="P07", consent="analysis"))
    study.start()
    recorded(live, 3)
    monkeypatch.setattr(recorder, "RESERVE_BYTES", 2**62)  # more than any disk has
    index = None
    while not study.state()["recording"]["failure"]:
        step = live.results.latest_step(index, TIMEOUT_S)
        assert step is not None
        index = step.frame.stamp.index
    state = study.state()["recording"]
    assert "the disk is full" in state["failure"]
    assert live.snapshot().message == state["failure"]
    assert choose_badge(live.snapshot(), "open", live.recording()) == "NOT RECORDING"
    assert choose_badge(live.snapshot(), "open", None, kind="camera") == "LIVE"
    assert choose_badge(live.snapshot(), "open", None, kind="file") == "PLAYING"
    study.stop()
    last = study.state()["last"]
    assert "the disk is full" in last["failure"]
    assert open_session(Path(last["folder"])).document["state"] == "stopped"


@in_browser
def test_a_viewers_camera_is_recorded_without_asking_again(
    playwright: Playwright, untrained: Path, tmp_path: Path
) -> None:
    film = tmp_path / "camera.y4m"
    write_y4m(film, SyntheticFace(seed=5, fps=15, size=(320, 240)), frames=30)
    flags = [*FLAGS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags.append(f"--use-file-for-fake-video-capture={film}")
    config = replace(small_demo(untrained, tmp_path / "sessions"), source="browser")
    size = {"width": 1200, "height": 900}
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    with serving(config) as served, opened(browser, served, viewport=size) as watched:
        page = watched.page
        page.click("[data-ref=share]")
        page.wait_for_selector("#live [data-ref=picture][data-index]")
        filled_in(page, tmp_path)
        page.select_option(".fl-study [data-ref=codec]", "mjpeg")
        page.wait_for_selector(".fl-study [data-check=JPEGs][data-good=yes]")
        page.click(".fl-study [data-ref=start]:not([disabled])")
        page.wait_for_selector(".fl-study[data-recording=yes]")
        recorded(served.session, 5)
        page.once("dialog", lambda dialog: dialog.accept())
        page.click(".fl-study [data-ref=stop]")
        page.wait_for_selector(".fl-study[data-recording=no]")
        page.wait_for_selector(".fl-study [data-ref=picture][data-index]")
        assert page.locator("[data-ref=share]").is_hidden()
        page.click(".fl-study [data-ref=review]")
        page.wait_for_selector(".fl-review[data-open=P07]")
    browser.close()
    session = open_session(tmp_path / "sessions" / "P07")
    assert sum(frame.fate == "recorded" for frame in session.frames) >= 5
    assert {frame.clock for frame in session.frames if frame.fate == "recorded"} == {"browser"}
    warned = {warning.partition(":")[0] for warning in session.document["warnings"]}
    assert "image quality" in warned
    with av.open(str(session.folder.video(1))) as container:
        jpegs = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        assert container.streams.video[0].codec_context.name == "mjpeg"
    assert len(jpegs) == sum(frame.fate == "recorded" for frame in session.frames)
    assert all(decode_picture(jpeg) is not None for jpeg in jpegs)
