"""The Review tab in a browser: coding, scrubbing, what it tells the coder."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from browsing import IN_BROWSER, Watched, opened, small_demo
from fakes import copied
from playwright.sync_api import Browser, Page, Route
from served import serving
from test_sessions_recover import spoil

from realtime.review.coding import list_expressions, read_coder
from realtime.sessions.markers import Marker, format_marker
from realtime.sessions.reader import open_session

NOTICE = "document.querySelector('.fl-review [data-ref=notice]')"

pytestmark = IN_BROWSER


@contextmanager
def reviewing(chromium: Browser, sessions: Path, untrained: Path) -> Iterator[Watched]:
    """The Review tab over the folder `sessions`."""
    config = replace(small_demo(untrained), fps=5, width=200, height=150, sessions=sessions)
    size = {"width": 1300, "height": 900}
    with serving(config) as served, opened(chromium, served, viewport=size) as watched:
        watched.page.get_by_role("tab", name="Review").click()
        watched.page.wait_for_selector("[data-ref=film][data-place='0']")
        yield watched


@pytest.fixture
def page(chromium: Browser, recorded: Path, untrained: Path, tmp_path: Path) -> Iterator[Page]:
    """The Review tab over a folder with one session in it."""
    copied(recorded, tmp_path / "sessions")
    with reviewing(chromium, tmp_path / "sessions", untrained) as watched:
        yield watched.page
        assert watched.said == []


def test_a_session_is_coded_on_the_page(page: Page, tmp_path: Path) -> None:
    page.keyboard.press("]")
    page.wait_for_selector(".fl-coding li[aria-current=true]")
    page.keyboard.press("Enter")  # nobody has said who codes
    page.wait_for_selector(".fl-review [data-ref=notice]:not([hidden])")
    for coder in ("C1", "C2"):
        page.fill(".fl-review [data-ref=coder]", coder)
        page.press(".fl-review [data-ref=coder]", "Enter")
        page.locator(".fl-review [data-ref=coder]").blur()
        page.wait_for_selector(".fl-coding li[data-verdict=open]")
        page.click(".fl-coding li button")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("a")
        page.select_option(".fl-review [data-ref=label]", "positive")
        page.wait_for_selector(".fl-coding li[data-verdict=accepted]")
    page.select_option(".fl-review [data-ref=label]", "surprise")
    page.wait_for_function("document.querySelector('.fl-coding li b').innerText === 'Surprise'")
    page.keyboard.press("Escape")
    page.locator(".fl-review [data-ref=label]").blur()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("n")
    page.wait_for_selector(".fl-coding li[data-number='-1'][data-verdict=open]")  # no label yet
    page.select_option(".fl-review [data-ref=label]", "positive")
    page.wait_for_selector(".fl-coding li[data-number='-1'][data-verdict=accepted]")
    page.locator(".fl-review [data-ref=label]").blur()
    page.click(".fl-review [data-ref=magnify]")
    page.wait_for_selector(".fl-review .fl-replay[data-ready=yes]")
    page.keyboard.press("Escape")
    page.click(".fl-review [data-ref=compare]")
    page.wait_for_function(
        "document.querySelector('.fl-agree dl')?.innerText.includes('only C2 1')"
    )
    assert page.get_by_role("dialog", name="Agreement").is_visible()
    page.keyboard.press("Escape")
    page.select_option(".fl-review [data-ref=export]", "csv")
    page.wait_for_function(f"{NOTICE}.innerText.includes('C2 codes blind')")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click(".fl-review [data-ref=done]")
    page.wait_for_selector(".fl-review[data-blind=no]")
    page.select_option(".fl-review [data-ref=export]", "csv")
    with page.expect_download() as saved:
        page.click(".fl-review [data-ref=notice] a:text('_events.csv')")
    name = saved.value.suggested_filename
    written = tmp_path / "sessions" / "P07-export" / name
    assert saved.value.path().read_bytes() == written.read_bytes()
    with page.expect_download() as saved:
        page.click(".fl-review [data-ref=notice] a:text('ZIP')")
    with zipfile.ZipFile(saved.value.path()) as packed:
        assert name in packed.namelist()
    with page.expect_popup() as opened:
        page.click(".fl-review [data-ref=report]")
    opened.value.wait_for_load_state()
    assert "reviewed by C2 (blind)" in opened.value.inner_text("body")
    opened.value.close()
    with page.expect_download() as saved:
        page.click(".fl-review [data-ref=notice] a:text('Download')")
    assert "reviewed by C2" in saved.value.path().read_text("utf-8")
    page.click(".fl-review [data-ref=play]")
    place = "document.querySelector('[data-ref=film]').dataset.place"
    at = page.evaluate(place)
    page.wait_for_function(f"Number({place}) > {at} + 3")
    session = open_session(tmp_path / "sessions" / "P07")
    (mine,) = list_expressions(session, "C1")
    assert mine.apex.index == session.confirmed[0].window.apex.index + 1
    assert [(e.number < 0, e.label) for e in list_expressions(session, "C2")][1] == (
        False,
        "surprise",
    )


def test_a_coder_is_blind_until_done(page: Page, tmp_path: Path) -> None:
    first = ".fl-coding li:not([data-number^='-'])"
    label = f'document.querySelector("{first} b")?.innerText'
    page.wait_for_function(f"{label} === 'No label yet'")
    page.fill(".fl-review [data-ref=coder]", "C1")
    page.locator(".fl-review [data-ref=coder]").blur()
    page.wait_for_function(
        "document.querySelector('.fl-review [data-ref=blind]').innerText.includes('C1 codes blind')"
    )
    page.click(f"{first} button")
    assert page.locator(".fl-review [data-ref=program]").is_hidden()
    page.keyboard.press("Enter")  # accept what?
    page.wait_for_function(f"{NOTICE}.innerText.includes('needs a label')")
    page.wait_for_selector(".fl-review [data-ref=label]:focus")
    page.select_option(".fl-review [data-ref=label]", label="Another…")
    page.wait_for_selector(".fl-review [data-ref=own]:focus")
    page.locator(".fl-review [data-ref=own]").blur()  # nothing was typed
    assert page.locator(".fl-review [data-ref=own]").is_hidden()
    assert page.input_value(".fl-review [data-ref=label]") == ""
    page.select_option(".fl-review [data-ref=label]", label="Another…")
    page.wait_for_selector(".fl-review [data-ref=own]:focus")
    page.keyboard.type("a smirk")
    page.keyboard.press("Enter")
    page.wait_for_function(f"{label} === 'A smirk'")
    page.wait_for_selector(f"{first}[data-verdict=accepted]")
    for unit, clicks in (("AU12", 2), ("AU1", 4)):
        for _ in range(clicks):
            page.click(f".fl-units [data-unit={unit}]")
    page.focus(".fl-units [data-unit=AU4]")
    page.keyboard.press("Space")  # a focused button is pressed; the film does not play
    units = "document.querySelector('.fl-review [data-ref=units-words]').innerText"
    page.wait_for_function(f"{units} === 'AU4 AU12L'")
    # Ctrl+Z goes back step by step, Ctrl+Shift+Z forth again.
    page.wait_for_selector(".fl-units [data-unit=AU4]:focus")
    assert page.inner_text(".fl-review [data-ref=play]") == "Play"
    for _ in range(7):
        page.keyboard.press("Control+z")
    page.wait_for_function(f"{units}.startsWith('not coded')")
    page.wait_for_function(f"{label} === 'A smirk'")
    page.keyboard.press("Control+z")
    page.wait_for_function(f"{label} === 'No label yet'")
    assert page.is_disabled(".fl-review [data-ref=undo]")
    for _ in range(8):
        page.keyboard.press("Control+Shift+Z")
    page.wait_for_function(f"{units} === 'AU4 AU12L'")
    page.wait_for_selector(".fl-review [data-ref=redo]:disabled")
    page.click(".fl-review [data-ref=undo]")
    page.wait_for_selector(".fl-review [data-ref=redo]:enabled")
    page.click(".fl-review [data-ref=redo]")
    page.wait_for_selector(".fl-review [data-ref=redo]:disabled")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click(".fl-review [data-ref=done]")
    assert page.get_attribute(".fl-review", "data-blind") == "yes"
    with page.expect_request("**/motion?*coder=C1*"):
        page.once("dialog", lambda dialog: dialog.accept())
        page.click(".fl-review [data-ref=done]")
    page.wait_for_selector(".fl-review[data-blind=no]")
    page.wait_for_selector(".fl-review [data-ref=program]:visible")
    assert "Program: " in page.inner_text(".fl-review [data-ref=program]")
    assert page.is_disabled(".fl-review [data-ref=undo]")
    session = open_session(tmp_path / "sessions" / "P07")
    (coded,) = list_expressions(session, "C1")
    assert (coded.label, coded.action_units) == ("a smirk", ("AU4", "AU12L"))
    assert coded.blind
    page.fill(".fl-review [data-ref=coder]", "")
    page.locator(".fl-review [data-ref=coder]").blur()
    page.wait_for_selector(".fl-review[data-blind=yes]")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click(".fl-review [data-ref=done]")
    page.wait_for_selector(".fl-review[data-blind=no]")
    program = session.confirmed[0].prediction
    assert program is not None
    named = "No clear expression" if program.label == "unclear" else program.label.title()
    page.wait_for_function(f"{label} === '{named}'")


def test_whoever_looked_first_does_not_code_blind(page: Page, tmp_path: Path) -> None:
    page.wait_for_selector(".fl-review[data-blind=yes]")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click(".fl-review [data-ref=done]")
    page.wait_for_selector(".fl-review[data-blind=no]")
    page.reload()
    page.get_by_role("tab", name="Review").click()
    page.wait_for_selector(".fl-review[data-blind=yes]")  # nobody looks now
    with page.expect_response("**/done"):
        page.fill(".fl-review [data-ref=coder]", "C1")
        page.locator(".fl-review [data-ref=coder]").blur()
    page.wait_for_selector(".fl-review[data-blind=no]")
    page.click(".fl-coding li button")
    with page.expect_response("**/edit"):
        page.select_option(".fl-review [data-ref=label]", "surprise")
    session = open_session(tmp_path / "sessions" / "P07")
    (coded,) = list_expressions(session, "C1")
    assert (coded.label, coded.blind) == ("surprise", False)
    assert read_coder(session.folder, "C1").done_utc  # the session keeps it, in every browser


def test_a_session_that_was_cut_off_is_recovered_on_the_page(page: Page, tmp_path: Path) -> None:
    cut = tmp_path / "sessions" / "P08"
    shutil.copytree(tmp_path / "sessions" / "P07", cut)
    document = json.loads((cut / "session.json").read_text())
    document |= {"participant": "P08", "state": "recording"}
    (cut / "session.json").write_text(json.dumps(document))
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("tab", name="Review").click()
    page.wait_for_selector(".fl-review option[value=P08]", state="attached")
    page.select_option(".fl-review [data-ref=session]", "P08")
    page.wait_for_selector(".fl-review [data-ref=recover]:visible")
    assert "with Recover on the page" in page.inner_text(".fl-review [data-ref=notice]")
    # Nothing has changed: name, film and list are still those of the other session.
    assert page.input_value(".fl-review [data-ref=session]") == "P07"
    assert page.get_attribute(".fl-review", "data-open") == "P07"
    assert "P07" in page.inner_text(".fl-review [data-ref=about]")
    page.click(".fl-review [data-ref=recover]")
    page.wait_for_selector(".fl-review[data-open=P08]")
    page.wait_for_function(
        "document.querySelector('.fl-review [data-ref=notice]').innerText.includes('is repaired')"
    )
    assert page.input_value(".fl-review [data-ref=session]") == "P08"
    assert page.locator(".fl-review [data-ref=recover]").is_hidden()
    assert json.loads((cut / "session.json").read_text())["state"] == "recovered"


def test_the_only_session_is_recovered_on_the_page(page: Page, tmp_path: Path) -> None:
    address = page.url
    page.goto("about:blank")  # it may still ask for pictures
    cut = tmp_path / "sessions" / "P07" / "session.json"
    document = json.loads(cut.read_text())
    cut.write_text(json.dumps(document | {"state": "recording"}))
    page.goto(address)
    page.get_by_role("tab", name="Review").click()
    page.get_by_role("button", name="Recover P07").click()
    page.wait_for_selector(".fl-review[data-open=P07]")
    assert json.loads(cut.read_text())["state"] == "recovered"


def test_review_goes_on_when_the_program_answers_again(
    chromium: Browser, recorded: Path, untrained: Path, tmp_path: Path
) -> None:
    copied(recorded, tmp_path / "sessions")
    with reviewing(chromium, tmp_path / "sessions", untrained) as watched:
        page = watched.page
        page.route("**/live/**", lambda route: route.abort())
        page.get_by_text("Connection lost: nothing is stored").wait_for()
        page.click("[data-ref=overview]", position={"x": 400, "y": 20})
        wanted = page.inner_text("[data-ref=place]").split()[1]
        assert page.get_attribute("[data-ref=film]", "data-place") != wanted
        page.unroute_all()
        page.wait_for_selector(f"[data-ref=film][data-place='{wanted}']")
        page.wait_for_selector(".fl-review [data-ref=notice]", state="hidden")
    assert [line for line in watched.said if "Failed to load resource" not in line] == []


@pytest.mark.parametrize("state", ["torn", "complete"])
def test_what_only_a_recovery_finishes_has_its_button(
    page: Page, tmp_path: Path, state: str
) -> None:
    cut = tmp_path / "sessions" / "P08"
    shutil.copytree(tmp_path / "sessions" / "P07", cut)
    document = json.loads((cut / "session.json").read_text())
    (cut / "session.json").write_text(json.dumps(document | {"state": state}))
    start_s = document["zero_s"] + 1.0
    with (cut / "markers.jsonl").open("a") as file:  # it was to be deleted
        file.write(format_marker(Marker("redact", "", "", start_s, 0.0, "", start_s + 1)) + "\n")
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("tab", name="Review").click()
    page.wait_for_selector(".fl-review option[value=P08]", state="attached")
    page.select_option(".fl-review [data-ref=session]", "P08")
    page.wait_for_selector(".fl-review [data-ref=recover]:visible")
    page.click(".fl-review [data-ref=recover]")
    page.wait_for_function(
        "document.querySelector('.fl-review [data-ref=notice]').innerText.includes('is repaired')"
    )
    assert page.locator(".fl-review [data-ref=recover]").is_hidden()
    assert page.get_attribute(".fl-review", "data-open") == "P08"  # it can be opened


def test_the_timeline_is_drawn_along_and_clicked(page: Page) -> None:
    place = "Number(document.querySelector('[data-ref=film]').dataset.place)"
    box = page.locator(".fl-timeline").bounding_box()
    assert box is not None
    middle = (box["x"] + 58 + box["x"] + box["width"]) / 2
    per_s = (box["width"] - 58) / 12
    y = box["y"] + 120
    page.mouse.click(middle + per_s, y)
    page.wait_for_function(f"{place} === 25")
    page.mouse.move(middle, y)
    page.mouse.down()
    page.mouse.move(middle - per_s, y, steps=10)
    page.wait_for_function(f"{place} === 50")
    page.mouse.move(middle + per_s / 2, y, steps=10)
    page.wait_for_function(f"Math.abs({place} - 12) <= 1")
    page.mouse.up()
    page.mouse.move(middle - per_s, y, steps=3)  # no longer held
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Math.abs({place} - 13) <= 1")


def test_what_was_said_to_a_coder_goes_once_it_is_heeded(page: Page) -> None:
    told = ".fl-review [data-ref=notice]:not([hidden])"
    page.click(".fl-coding li button")
    page.keyboard.press("Enter")
    page.wait_for_selector(told)
    page.fill(".fl-review [data-ref=coder]", "C1")
    page.locator(".fl-review [data-ref=coder]").blur()
    page.click(".fl-coding li button")
    page.focus(".fl-review [data-ref=label]")
    page.select_option(".fl-review [data-ref=label]", "surprise")
    page.wait_for_selector(".fl-coding li[data-verdict=accepted]")
    page.wait_for_selector(told, state="detached")
    place = "document.querySelector('[data-ref=film]').dataset.place"
    said = "document.querySelector('.fl-review [data-ref=place]').textContent"
    page.wait_for_function(f"{said}.startsWith(`frame ${{{place}}} of`)")  # else not drawn yet
    at = page.evaluate(place)
    page.keyboard.press("ArrowRight")  # a frame, not another label
    page.wait_for_function(f"Number({place}) === {at} + 1")
    assert page.input_value(".fl-review [data-ref=label]") == "surprise"
    page.once("dialog", lambda dialog: dialog.accept())
    page.click(".fl-review [data-ref=done]")
    page.wait_for_selector(".fl-review[data-blind=no]")
    page.select_option(".fl-review [data-ref=export]", "boris")
    page.wait_for_function("document.querySelector('.fl-review [data-good=yes]')")
    page.wait_for_function(
        "document.querySelector('.fl-review [data-ref=notice]').innerText.includes('_boris.tsv')"
    )


def test_a_quick_coder_loses_nothing(page: Page, tmp_path: Path) -> None:
    page.keyboard.press("]")
    page.wait_for_selector(".fl-coding li[aria-current=true]")
    assert page.locator(".fl-review [data-ref=note]").is_disabled()  # nobody has said who codes
    page.fill(".fl-review [data-ref=coder]", "C1")
    assert page.locator(".fl-review [data-ref=note]").is_enabled()
    page.locator(".fl-review [data-ref=coder]").blur()
    page.keyboard.press("n")
    page.wait_for_selector(".fl-coding li[aria-current=true][data-number='-1']")
    page.click(".fl-coding li:not([data-number^='-']) button")
    # Each of these in one go: nothing of it has an answer before the next.
    page.evaluate(
        """() => {
            const ref = (name) => document.querySelector(`.fl-review [data-ref=${name}]`);
            const type = (words) => {
                ref("note").value = words;
                ref("note").dispatchEvent(new Event("input", { bubbles: true }));
            };
            const press = (key) => ref("film").dispatchEvent(
                new KeyboardEvent("keydown", { key, bubbles: true }));
            press("ArrowLeft");
            press("o");
            for (let i = 0; i < 4; i++) press("ArrowRight");
            press("f");
            type("both brows");
            ref("label").value = "anger";
            ref("label").dispatchEvent(new Event("change", { bubbles: true }));
            document.querySelector(".fl-review .fl-yes").click();
            document.querySelector(".fl-coding li[data-number='-1'] button").click();
            type("a yawn");
            document.querySelector(".fl-coding li:not([data-number^='-']) button").click();
        }"""
    )
    page.wait_for_selector(".fl-coding li:not([data-number^='-'])[data-verdict=accepted]")
    page.wait_for_function(
        "document.querySelector('.fl-review [data-ref=note]').value === 'both brows'"
    )
    page.click(".fl-coding li[data-number='-1'] button")
    page.wait_for_function(
        "document.querySelector('.fl-review [data-ref=note]').value === 'a yawn'"
    )
    session = open_session(tmp_path / "sessions" / "P07")
    found = {edit.number: edit for edit in list_expressions(session, "C1")}
    event = session.confirmed[0]
    edit, apex = found[event.number], event.window.apex.index
    assert (edit.onset.index, edit.offset.index) == (apex - 1, apex + 3)
    assert (edit.verdict, edit.note) == ("accepted", "both brows")
    assert (found[-1].verdict, found[-1].note) == ("open", "a yawn")


def test_no_click_on_an_action_unit_is_lost(page: Page) -> None:
    page.fill(".fl-review [data-ref=coder]", "C1")
    page.locator(".fl-review [data-ref=coder]").blur()
    page.click(".fl-coding li:not([data-number^='-']) button")
    edits: list[Route] = []

    def hold_second(edit: Route) -> None:
        edits.append(edit)
        if len(edits) != 2:
            edit.continue_()

    page.route("**/edit", hold_second)
    units = "[...document.querySelectorAll('.fl-units [data-unit]')]"
    with page.expect_request(lambda sent: "AU4" in (sent.post_data or "")):
        page.evaluate(f"""() => {{
            for (const unit of ["AU1", "AU4"])
                {units}.find((chip) => chip.dataset.unit === unit).click();
        }}""")
    page.click(".fl-units [data-unit=AU12]")  # only the first click has been answered
    edits[1].continue_()
    with page.expect_response(lambda got: "AU12" in (got.request.post_data or "")):
        pass
    words = "document.querySelector('.fl-review [data-ref=units-words]').innerText"
    page.wait_for_function(f"{words} === 'AU1 AU4 AU12'")


def test_keys_are_those_of_what_is_focused_and_decide_once(page: Page) -> None:
    ref = ".fl-review [data-ref={}]".format
    page.select_option(ref("export"), "csv")
    page.wait_for_function(f"{NOTICE}.innerText.includes('Show them without coding')")
    page.fill(ref("coder"), "C1")
    page.locator(ref("coder")).blur()
    page.once("dialog", lambda dialog: dialog.accept())
    page.click(ref("done"))
    page.wait_for_selector(".fl-review[data-blind=no]")
    page.click(".fl-coding li:not([data-number^='-']) button")
    page.select_option(ref("export"), "csv")
    page.focus(".fl-review [data-ref=notice] a:text('_events.csv')")
    with page.expect_download():
        page.keyboard.press("Enter")
    page.get_by_role("tab", name="Live").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".fl-review", state="hidden")
    page.get_by_role("tab", name="Review").click()
    page.wait_for_selector(".fl-review", state="visible")
    assert page.evaluate("document.activeElement.role") != "tab"
    assert page.is_disabled(ref("undo"))  # no edit has been made
    for _ in range(4):
        page.keyboard.down("n")  # all but the first are repeats
    page.keyboard.up("n")
    page.keyboard.press("n")
    page.wait_for_selector(".fl-coding li[data-number='-2']")
    assert page.locator(".fl-coding li").count() == 3
    page.fill(ref("coder"), "C2")  # the downloads are those of C1
    page.locator(ref("coder")).blur()
    page.wait_for_selector(ref("notice"), state="hidden")


def test_what_is_too_long_to_be_magnified_says_so(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.ui.review.MAX_REPLAY_S", 0.01)
    page.click(".fl-coding li button")
    page.click(".fl-review [data-ref=magnify]")
    page.wait_for_function(
        "document.querySelector('.fl-magnified').innerText.includes('play the video instead')"
    )


def test_no_picture_is_shown_in_place_of_one_that_cannot_be_read(
    chromium: Browser, recorded: Path, untrained: Path, tmp_path: Path
) -> None:
    """Nor does it stop the playing. The folder's name has signs with a meaning in addresses."""
    folder = copied(recorded, tmp_path / "sessions").rename(tmp_path / "sessions" / "P#7 50%2é")
    spoil(folder / "video.mkv", [2])
    film = "document.querySelector('[data-ref=film]')"
    corner = f"[...{film}.getContext('2d').getImageData(1, 1, 1, 1).data]"
    with reviewing(chromium, tmp_path / "sessions", untrained) as watched:
        page = watched.page
        assert page.evaluate(corner) != [0, 0, 0, 255]
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"{film}.dataset.place === '2'")
        assert page.evaluate(corner) == [0, 0, 0, 255]
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(f"{film}.dataset.place === '1'")
        page.keyboard.press(" ")
        page.wait_for_function(f"Number({film}.dataset.place) > 5")
        assert page.evaluate(corner) != [0, 0, 0, 255]
    ours = ("404", "getImageData")  # the picture's answer, and how the test looks at it
    assert [words for words in watched.said if not any(known in words for known in ours)] == []
