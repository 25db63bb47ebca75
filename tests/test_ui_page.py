"""The real page in a real browser, over a real session of the demo face or a fake camera."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from browsing import (
    CHROMIUM,
    FLAGS,
    IN_BROWSER,
    PIXELS,
    opened,
    small_demo,
    wait_for_frames,
)
from playwright.sync_api import Browser, Dialog, Page, Playwright, WebSocket, WebSocketRoute
from served import AUTH, Served, serving

from calibrate.guide import Guide
from model.synthetic import SyntheticFace
from realtime.config import LiveConfig
from realtime.recording.plan import RecordPlan
from realtime.spotting.me_probability import AT_BAR, HIGHEST, LOWEST

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def demo(untrained: Path) -> Iterator[Served]:
    with serving(small_demo(untrained)) as served:
        yield served


@pytest.fixture(scope="module")
def guarded(untrained: Path) -> Iterator[Served]:
    with serving(replace(small_demo(untrained), auth=AUTH)) as served:
        yield served


def overlay_ink(page: Page) -> int:
    """Pixels of the overlay that are drawn on."""
    return int(
        page.evaluate(
            f"""() => {{
                const data = ({PIXELS})(document.querySelector("[data-ref=overlay]"));
                return data.filter((value, i) => i % 4 === 3 && value > 0).length;
            }}"""
        )
    )


def topmost(page: Page) -> str:
    """What lies in front in the middle of the picture."""
    return str(
        page.evaluate(
            """() => {
                const box = document.querySelector("[data-ref=picture]").getBoundingClientRect();
                const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                return document.elementFromPoint(x, y).dataset.ref;
            }"""
        )
    )


def test_frames_are_painted_and_an_expression_is_listed_and_replayed(
    demo: Served, chromium: Browser
) -> None:
    with opened(chromium, demo, viewport={"width": 1440, "height": 900}) as watched:
        page = watched.page
        wait_for_frames(page)
        assert page.inner_text("[data-ref=badge]") == "LIVE"
        # The script's own line, in which this viewer's lag is known.
        page.wait_for_function(
            "/Captured → painted\\s+[\\d.]+ \\/ [\\d.]+ ms/.test("
            "document.querySelector('[data-ref=status]').innerText)"
        )
        page.click(".fl-events li[data-state=confirmed] button")
        page.wait_for_selector(".fl-replay[data-ready=yes]")
        page.wait_for_function("document.querySelector('.fl-replay').dataset.picture > 0")
        assert page.locator(".fl-figures img").count() == 6
        page.wait_for_function(
            "[...document.querySelectorAll('.fl-figures img')].every((i) => i.naturalWidth > 60)"
        )
        page.locator("input[aria-label=Magnification]").fill("20")
        page.wait_for_selector(".fl-replay[data-factor='20']")
        page.wait_for_function(
            f"""() => {{
                const [was, magnified] = document.querySelectorAll(".fl-pair canvas");
                const before = ({PIXELS})(was);
                return ({PIXELS})(magnified).some((value, i) => Math.abs(value - before[i]) > 24);
            }}"""
        )
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog:not([open])", state="attached")
        watched.check(demo)


def test_only_the_tab_that_is_seen_receives_pictures(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo) as watched:
        page = watched.page
        sockets: list[WebSocket] = []
        page.on("websocket", lambda socket: sockets.append(socket))
        page.reload()
        wait_for_frames(page)
        page.wait_for_selector(".fl-events li[data-state=confirmed]")
        page.get_by_role("tab", name="Study").click()
        page.wait_for_selector(".fl-study [data-ref=picture][data-index]")
        live, study = sockets
        if not live.is_closed():
            live.wait_for_event("close")
        assert not study.is_closed()
        page.get_by_role("tab", name="Live").click()
        wait_for_frames(page)
        if not study.is_closed():
            study.wait_for_event("close")
        page.wait_for_selector(".fl-events li[data-state=confirmed]")  # all comes again
        watched.check(demo)


def go_to_background(page: Page, hidden: bool) -> None:
    """As when another tab of the browser is opened over this one, or closed again. (Chromium
    without a window hides none.)"""
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def wait_until_analysed(page: Page, frames: int) -> None:
    """Until the status tells of so many more frames."""
    analysed = """Number(document.querySelector("[data-figure=analysed]").textContent)"""
    page.wait_for_function(f"(n) => {analysed} >= n", arg=page.evaluate(analysed) + frames)


def test_a_page_in_the_background_receives_news_but_no_pictures(
    demo: Served, chromium: Browser
) -> None:
    with opened(chromium, demo) as watched:
        page = watched.page
        sockets: list[WebSocket] = []
        pictures: list[bytes] = []

        def keep(received: str | bytes) -> None:
            if isinstance(received, bytes):
                pictures.append(received)

        def listen(socket: WebSocket) -> None:
            sockets.append(socket)
            socket.on("framereceived", keep)

        page.on("websocket", listen)
        page.reload()
        wait_for_frames(page)
        assert pictures
        go_to_background(page, True)
        wait_until_analysed(page, 15)  # what was on its way has come
        before, index = len(pictures), page.get_attribute("[data-ref=picture]", "data-index")
        listed = page.locator(".fl-events li").count()
        page.wait_for_function(
            "(n) => document.querySelectorAll('.fl-events li').length > n", arg=listed
        )
        wait_until_analysed(page, 15)
        assert len(pictures) == before
        assert page.get_attribute("[data-ref=picture]", "data-index") == index
        newest = newest_index(demo)
        go_to_background(page, False)
        page.wait_for_function(
            "(n) => document.querySelector('[data-ref=picture]').dataset.index >= n", arg=newest
        )
        assert len(sockets) == 1  # it was kept, so nothing on the page began anew
        watched.check(demo)


def test_what_is_forgotten_leaves_the_open_page(
    chromium: Browser, untrained: Path, tmp_path: Path
) -> None:
    config = replace(small_demo(untrained), record=RecordPlan(tmp_path / "P07", "P07"))
    with serving(config) as served, opened(chromium, served) as watched:
        page = watched.page
        page.click(".fl-events li[data-state=confirmed] button")
        page.wait_for_selector(".fl-replay[data-ready=yes]")
        assert marked(page)
        served.session.pause()
        page.wait_for_function("document.querySelector('[data-ref=badge]').innerText === 'PAUSED'")
        page.wait_for_selector("[data-ref=picture][data-index]")
        served.session.redact(1000)
        page.wait_for_selector("[data-ref=picture]:not([data-index])", state="attached")
        page.wait_for_selector("dialog:not([open])", state="attached")
        page.wait_for_selector(".fl-events li", state="detached")
        assert page.locator("dialog img, dialog canvas").count() == 0
        assert not marked(page)
        watched.check(served)


def marked(page: Page) -> bool:
    """Whether the plot shows an expression, or something that was rejected."""
    return bool(
        page.evaluate(
            f"""() => {{
                const plot = document.querySelector("[data-ref=plot]");
                const data = ({PIXELS})(plot);
                const strip = 4 * plot.width * Math.floor(40 * devicePixelRatio);
                return data.subarray(0, strip).some((value, i) => i % 4 === 3 && value > 0);
            }}"""
        )
    )


def test_fewer_or_more_is_asked_for_and_hides_what_is_less_probable(
    untrained: Path, chromium: Browser
) -> None:
    with serving(small_demo(untrained)) as served, opened(chromium, served) as watched:
        page = watched.page
        page.wait_for_selector(".fl-events li[data-state=confirmed] .fl-how >> text=/ME [>\\d ]+%/")
        slider = page.get_by_label("Fewer or more")
        usual = slider.input_value()
        assert usual == f"{100 - 100 * AT_BAR:.0f}"
        slider.focus()
        page.keyboard.press("Home")  # the fewest
        page.wait_for_function(
            "document.querySelector('[data-ref=asked]').innerText.includes('99')"
        )
        while served.session.config.least_me_probability != HIGHEST:
            page.wait_for_timeout(20)
        listed = "[...document.querySelectorAll('.fl-events li .fl-how')].map((e) => e.innerText)"
        page.wait_for_function(f"{listed}.every((words) => /macro|ME > 99/.test(words))")
        page.keyboard.press("End")
        while served.session.config.least_me_probability != LOWEST:
            page.wait_for_timeout(20)
        page.wait_for_selector(".fl-events li .fl-how >> text=ME")
        watched.check(served)


def test_chips_and_mirror_switch_what_is_drawn(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo) as watched:
        page = watched.page
        wait_for_frames(page)
        page.click("[data-do=pause]")
        page.wait_for_function("document.querySelector('[data-ref=badge]').innerText === 'PAUSED'")
        try:
            page.click("[data-chip=landmarks]")
            full = overlay_ink(page)
            assert full > 1000
            for chip in ("landmarks", "outline", "regions", "heat", "label"):
                page.click(f"[data-chip={chip}]")
            assert overlay_ink(page) == 0
            assert page.locator(".fl-mirrored").count() == 0
            page.click("[data-chip=mirror]")
            assert page.locator(".fl-mirrored").count() == 1
            assert topmost(page) == "overlay"
            page.click("[data-chip=outline]")
            assert 0 < overlay_ink(page) < full
        finally:
            page.click("[data-do=start]")
        page.wait_for_function("document.querySelector('[data-ref=badge]').innerText === 'LIVE'")
        watched.check(demo)


def newest_index(served: Served) -> int:
    """The newest frame that is analysed."""
    step = served.session.results.latest_step(None, 0)
    assert step is not None
    return step.frame.stamp.index


def wait_for_newest(page: Page, served: Served) -> None:
    """Wait until a paused page shows the last frame: what was in the pipeline still comes."""
    shown = "last => +document.querySelector('[data-ref=picture]').dataset.index >= last"
    last = -1
    while last != newest_index(served):
        last = newest_index(served)
        page.wait_for_function(shown, arg=last)


def test_what_is_drawn_piece_by_piece_equals_what_is_drawn_at_once(
    demo: Served, chromium: Browser
) -> None:
    with opened(chromium, demo, device_scale_factor=1.5) as watched:
        page = watched.page
        wait_for_frames(page, 20)  # more than a tile of the plot
        page.click("[data-do=pause]")
        try:
            page.wait_for_function(
                "document.querySelector('[data-ref=badge]').innerText === 'PAUSED'"
            )
            wait_for_newest(page, demo)
            plot = f"""({PIXELS})(document.querySelector("[data-ref=plot]"))"""
            page.hover("[data-ref=plot]")  # is drawn anew by this, and by what follows
            page.hover("[data-do=pause], [data-do=start]")
            page.evaluate(f"window.before = {plot}")
            for _ in "there", "back":
                page.click("[data-ref=theme]")
            assert page.evaluate(f"{plot}.every((value, i) => value === window.before[i])")
            assert page.evaluate("window.before.some((value) => value > 0)")
            share = """() => {
                const [canvas, picture] = ["overlay", "picture"].map((name) =>
                    document.querySelector(`[data-ref=${name}]`).getBoundingClientRect());
                return canvas.width * canvas.height / (picture.width * picture.height);
            }"""
            assert 0.05 < page.evaluate(share) < 0.7  # of the picture: about the face
        finally:
            page.click("[data-do=start]")
        page.wait_for_function("document.querySelector('[data-ref=badge]').innerText === 'LIVE'")
        watched.check(demo)


def test_the_picture_of_a_camera_on_its_side_is_turned(untrained: Path, chromium: Browser) -> None:
    with serving(small_demo(untrained)) as served, opened(chromium, served) as watched:
        page = watched.page
        wait_for_frames(page)
        assert page.input_value("[data-ref=rotate]") == "0"
        page.select_option("[data-ref=rotate]", "90")
        page.wait_for_function(
            """() => {
                const { width, height } = document.querySelector("[data-ref=frame]");
                return width === 240 && height === 320;
            }"""
        )
        page.wait_for_function("document.querySelector('[data-ref=rotate]').value === '90'")
        watched.check(served)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_nothing_beyond_its_width(demo: Served, chromium: Browser, scheme: str) -> None:
    with opened(
        chromium, demo, viewport={"width": 360, "height": 740}, color_scheme=scheme
    ) as watched:
        wait_for_frames(watched.page)
        width = watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360
        dark = watched.page.evaluate("document.body.classList.contains('dark')")
        assert dark == (scheme == "dark")
        watched.check(demo)


def test_a_source_that_does_not_exist_is_told_and_what_runs_goes_on(
    demo: Served, chromium: Browser
) -> None:
    with opened(chromium, demo) as watched:
        page = watched.page
        wait_for_frames(page)
        page.select_option("[data-ref=choice]", "other")
        page.fill("[data-ref=address]", "nowhere.mp4")
        page.press("[data-ref=address]", "Enter")
        page.wait_for_selector("[data-ref=notice]:not([hidden])")
        assert "nowhere.mp4" in page.inner_text("[data-ref=notice]")
        page.evaluate("window.seenFrames?.clear()")
        wait_for_frames(page)
        watched.check(demo)


def test_another_source_begins_anew_and_the_page_survives_the_servers_end(
    chromium: Browser, untrained: Path, tmp_path: Path
) -> None:
    film = tmp_path / "film.avi"
    write_film(film, SyntheticFace(seed=5, fps=15, size=(320, 240)), frames=20)
    with ExitStack() as server:
        config = replace(small_demo(untrained), width=640, height=480)
        served = server.enter_context(serving(config))
        with opened(chromium, served) as watched:
            page = watched.page
            page.wait_for_selector(".fl-events li")
            page.select_option("[data-ref=choice]", "browser")
            page.wait_for_selector("[data-ref=share]")  # offers this device's camera
            assert page.inner_text("[data-ref=badge]") == "WAITING"
            assert page.locator("[data-ref=picture][data-index]").count() == 0
            assert page.locator(".fl-events li").count() == 0
            page.select_option("[data-ref=choice]", "other")
            page.fill("[data-ref=address]", str(film))
            page.press("[data-ref=address]", "Enter")
            page.wait_for_selector(".fl[data-badge=ENDED]")
            page.wait_for_function(
                "document.querySelector('[data-ref=frame]').width === 320"
                " && document.querySelector('[data-ref=picture]').dataset.index === '19'"
            )
            assert page.locator("[data-ref=share]").is_hidden()
            assert page.locator("[data-do=start]").is_enabled()
            watched.check(served)
            server.close()
            page.wait_for_selector(".fl[data-badge='NO CONNECTION']")
            assert page.locator("[data-do=start]").is_disabled()
            assert "still running" in page.inner_text("[data-ref=notice]")


def test_every_tab_says_that_the_program_is_gone(chromium: Browser, untrained: Path) -> None:
    with ExitStack() as server, ExitStack() as pages:
        # Five pages at once: few pictures a second for each.
        served = server.enter_context(serving(replace(small_demo(untrained), fps=4), Guide()))
        seen = {}
        for tab in ("Live", "Calibrate", "Study", "Review", "Health"):
            page = pages.enter_context(opened(chromium, served)).page
            page.get_by_role("tab", name=tab).click()
            awake = {"Review": "[data-ref=none]:not(:empty)", "Health": "tbody tr"}
            page.wait_for_selector(
                f"#{tab.lower()} {awake.get(tab, '[data-ref=picture][data-index]')}"
            )
            seen[tab] = page
        server.close()
        for tab, page in seen.items():
            said = page.locator(f"#{tab.lower()}").get_by_text("Connection lost").first
            said.wait_for()
            assert "restart it if not" in said.inner_text()


def test_the_browsers_camera_is_analysed(
    tmp_path: Path, untrained: Path, playwright: Playwright
) -> None:
    film = tmp_path / "camera.y4m"
    write_y4m(film, SyntheticFace(seed=5, fps=15, size=(320, 240)), frames=45)
    flags = [
        *(*FLAGS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-video-capture={film}",
    ]
    config = LiveConfig(source="browser", width=160, height=120, classifier=str(untrained))
    with serving(config) as served:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        with opened(browser, served) as watched:
            watched.page.click("[data-ref=share]")
            wait_for_frames(watched.page, 10)
            ring = served.session.ring
            assert ring is not None
            newest = ring.latest()
            assert newest is not None
            assert newest.image.shape == (120, 160, 3)  # as asked, not as the camera has it
            assert watched.page.locator(".fl-mirrored").count() == 1
            # Its capture times count from this machine's start, the page's from its first frame.
            watched.page.wait_for_function(
                "document.querySelector('[data-ref=plot]').dataset.now < 120"
            )
            snapshot = served.session.snapshot()
            assert snapshot.analysed >= 10
            assert snapshot.faces >= 5
            watched.check(served)
        browser.close()


def test_the_browsers_camera_outlives_its_connection(
    tmp_path: Path, untrained: Path, playwright: Playwright
) -> None:
    film = tmp_path / "camera.y4m"
    write_y4m(film, SyntheticFace(seed=5, fps=15, size=(320, 240)), frames=30)
    flags = [
        *(*FLAGS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-video-capture={film}",
    ]
    connections: list[WebSocketRoute] = []

    def forward(route: WebSocketRoute) -> None:
        connections.append(route)
        route.connect_to_server()

    with serving(LiveConfig(source="browser", classifier=str(untrained))) as served:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        with opened(browser, served) as watched:
            page = watched.page
            page.route_web_socket(re.compile("/live/camera"), forward)
            page.click("[data-ref=share]")
            wait_for_frames(page, 3)
            connections[0].close()  # the server is told nothing: it has to believe the page
            page.evaluate("window.seenFrames = new Set()")
            wait_for_frames(page, 12)  # more than were on their way
            assert len(connections) == 2
            watched.check(served)
        browser.close()


def test_one_of_several_cameras_is_chosen(untrained: Path, playwright: Playwright) -> None:
    flags = [
        *(*FLAGS, "--use-fake-ui-for-media-stream"),
        "--use-fake-device-for-media-stream=device-count=2,fps=15",
    ]
    with serving(LiveConfig(source="browser", classifier=str(untrained))) as served:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        with opened(browser, served) as watched:
            page = watched.page
            assert page.locator("[data-ref=device]").is_hidden()
            page.click("[data-ref=share]")
            wait_for_frames(page, 3)
            page.wait_for_selector("[data-ref=device]")
            first = page.input_value("[data-ref=device]")
            options = page.locator("[data-ref=device] option")
            (other,) = {options.nth(n).get_attribute("value") for n in range(2)} - {first}
            page.select_option("[data-ref=device]", other)
            page.evaluate("window.seenFrames = new Set()")
            wait_for_frames(page, 12)
            assert page.input_value("[data-ref=device]") == other
            watched.check(served)
        browser.close()


def test_with_the_password_the_page_works_sockets_included(
    guarded: Served, chromium: Browser
) -> None:
    user, password = AUTH
    with opened(
        chromium, guarded, http_credentials={"username": user, "password": password}
    ) as watched:
        wait_for_frames(watched.page)
        watched.check(guarded)


def test_who_only_looks_has_no_controls_and_is_told_so(untrained: Path, chromium: Browser) -> None:
    config = replace(small_demo(untrained), auth=AUTH, view_password="look")
    credentials = {"username": "Ben", "password": "look"}
    with (
        serving(config) as served,
        opened(chromium, served, http_credentials=credentials) as watched,
    ):
        page = watched.page
        wait_for_frames(page)
        assert not page.locator("[data-ref=controls]").is_visible()
        page.get_by_role("tab", name="Study").click()
        page.wait_for_function(
            "document.querySelector('.fl-study').innerText.includes('only lets you look at what')"
        )


def test_a_recording_is_ended_only_by_who_says_yes(
    untrained: Path, chromium: Browser, tmp_path: Path
) -> None:
    with serving(small_demo(untrained)) as served:
        served.session.record(RecordPlan(tmp_path / "P07", "P07"))
        with opened(chromium, served) as watched:
            page = watched.page
            page.wait_for_selector("#live .fl[data-badge=REC]")
            asked: list[str] = []

            def answer(dialog: Dialog) -> None:
                asked.append(dialog.message)
                if len(asked) == 1:
                    dialog.dismiss()
                else:
                    dialog.accept()

            page.on("dialog", answer)
            page.click("[data-do=stop]")
            while not asked:
                page.wait_for_timeout(20)
            assert served.session.records
            page.click("[data-do=stop]")
            page.wait_for_selector("#live .fl[data-badge=STOPPED]")
            assert asked == ["A recording is in progress. End it?"] * 2
            watched.check(served)
        assert not served.session.records


def write_y4m(path: Path, face: SyntheticFace, frames: int) -> None:
    """The face as an uncompressed film, which Chromium plays as its camera."""
    with path.open("wb") as film:
        film.write(b"YUV4MPEG2 W320 H240 F15:1 Ip A1:1 C420jpeg\n")
        for index in range(frames):
            yuv = cv2.cvtColor(face.image(index), cv2.COLOR_RGB2YUV_I420)
            film.write(b"FRAME\n" + yuv.tobytes())


def write_film(path: Path, face: SyntheticFace, frames: int) -> None:
    """The face as a file."""
    film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 15, (320, 240))
    for index in range(frames):
        film.write(cv2.cvtColor(face.image(index), cv2.COLOR_RGB2BGR))
    film.release()
