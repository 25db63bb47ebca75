"""Glass to glass: the real page with its time code, filmed in Chromium, as file and as camera."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import write_clip
from fastapi.testclient import TestClient
from playwright.sync_api import Page, sync_playwright
from timecodes import draw

from model.records import Frame, ImageU8, Stamp, Step
from realtime.benchmark.glass import Reading, delays, measure_glass, wait, words
from realtime.benchmark.screen import RECENT_S, Shown, screen_app, serve_screen
from realtime.benchmark.timecode import PERIOD, Reader
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.stream.clock import monotonic_s

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
browser = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome")


def test_a_number_is_known_by_when_it_was_shown_last() -> None:
    shown = Shown()
    assert shown.refresh_hz() is None
    for number in range(31):
        shown.put(number + PERIOD, 100 + number / 60)
    assert shown.at_s(6, 101.0) == pytest.approx(100.1)
    assert shown.at_s(6, 101.0 + RECENT_S) is None
    assert shown.at_s(500, 101.0) is None
    assert shown.refresh_hz() == pytest.approx(60)


def test_the_page_is_told_this_clock_and_nothing_else_of_this_machine() -> None:
    client = TestClient(screen_app(Shown()), base_url="http://127.0.0.1")
    for name in ("", "screen.js", "screen.css", "socket.js", "layout.json"):
        assert client.get(f"/{name}").status_code == 200
    for name in ("glass.py", "..%2Fglass.py", "live.js"):
        assert client.get(f"/{name}").status_code == 404
    assert (
        TestClient(screen_app(Shown()), base_url="http://evil.example").get("/").status_code > 399
    )
    headers = {"origin": "http://127.0.0.1", "host": "127.0.0.1"}
    with client.websocket_connect("/shown", headers=headers) as socket:
        before_s = monotonic_s()
        socket.send_text(json.dumps({"ping": 1.5}))
        answer = socket.receive_json()
        assert answer["ping"] == 1.5
        assert before_s <= answer["server_s"] <= monotonic_s()


def test_frames_that_cannot_be_read_are_counted() -> None:
    reading = Reading()
    blank = np.zeros((64, 64, 3), np.uint8)
    coded = np.repeat(draw(9)[..., None], 3, axis=2)
    for index, image in enumerate((blank, coded)):
        reading.take(Step(Frame(Stamp(index, index), image, 0.0), None, None, None, (), {}))
    reading.stop()
    assert [(frame.stamp.index, number) for frame, number in reading.found] == [(1, 9)]
    assert (reading.unreadable, reading.left_out) == (1, 0)


@pytest.fixture
def filmed() -> Iterator[tuple[Shown, Page]]:
    """The page in a browser, and what it tells."""
    shown = Shown()
    with serve_screen(shown) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        page = chromium.new_page(viewport={"width": 720, "height": 460})
        page.goto(address)
        page.wait_for_function("document.body.dataset.number > 3")
        yield shown, page
        chromium.close()


def picture(page: Page) -> ImageU8:
    data = np.frombuffer(page.screenshot(type="jpeg", quality=90), np.uint8)
    return np.asarray(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


@pytest.mark.browser
@browser
def test_a_film_of_the_page_shows_what_the_page_told(
    filmed: tuple[Shown, Page], tmp_path: Path
) -> None:
    shown, page = filmed
    taken = []
    for _ in range(3):
        before = int(page.evaluate("Number(document.body.dataset.number)"))
        image = picture(page)
        taken.append((before, image, int(page.evaluate("Number(document.body.dataset.number)"))))
    path = write_clip(tmp_path / "film.mkv", [image for _, image, _ in taken], [0, 40, 80])
    capture = cv2.VideoCapture(str(path))
    reader = Reader()
    for before, _, after in taken:
        image = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        number = reader.read(np.asarray(image, np.uint8))
        assert number is not None
        assert before <= number <= after
        assert shown.at_s(number, monotonic_s()) is not None
    capture.release()


@pytest.mark.browser
@browser
def test_delays_are_those_from_the_screen_through_camera_and_program(
    filmed: tuple[Shown, Page], untrained: Path
) -> None:
    """The browser's camera is played by pictures of the page, held back for a known time."""
    shown, page = filmed
    held_s = 0.15

    def during(session: LiveSession, until_s: float) -> None:
        assert session.browser is not None
        for _ in range(6):
            data = page.screenshot(type="jpeg", quality=90)
            captured_s = monotonic_s()
            while monotonic_s() < captured_s + held_s:
                pass
            session.browser.offer(data, captured_s)
        wait(session, monotonic_s() + 0.5)

    config = LiveConfig(
        source="browser", seconds=1, classifier=str(untrained), device="cpu", engine="eager"
    )
    seen, found = measure_glass(config, shown, during=during)
    assert found["frames"]["read"] + found["frames"]["left_out"] >= 4
    for each in seen:
        assert each.captured_s is not None
        assert each.result_s is not None
        assert each.shown_s <= each.captured_s + 0.05  # the page's clock is known to some ms
        assert each.received_s - each.captured_s >= held_s
        assert each.result_s >= each.received_s
        assert each.painted_s is None
    assert found["delays_ms"] == delays(seen)
    assert found["delays_ms"]["received"]["p50"] >= 1e3 * held_s - 50
    assert found["delays_ms"]["painted"]["n"] == 0
    said = words(found)
    assert "shown → result" in said
    assert "not known" in said
