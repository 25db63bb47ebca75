"""The Live tab for an audience, in a real browser: first glance, the list, a face that never
rests."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import av
import httpx
import pytest
from browsing import IN_BROWSER, LAPTOP, PIXELS, opened, small_demo, wait_for_frames
from PIL import Image, ImageSequence
from playwright.sync_api import Browser, Page
from served import AUTH, Served, serving

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def demo(untrained: Path) -> Iterator[Served]:
    with serving(small_demo(untrained)) as served:
        yield served


MODULES = "const at = (name) => import(new URL(`live/static/${name}.js`, document.baseURI));"


def in_module(page: Page, name: str, body: str, arg: object = None) -> object:
    """What `body` returns, with the module `name` of the page as `m` and `arg` as `a`."""
    return page.evaluate(f"async (a) => {{ {MODULES} const m = await at('{name}'); {body} }}", arg)


def test_what_moves_far_is_named_while_it_moves(demo: Served, chromium: Browser) -> None:
    # First of all: its movement comes seven seconds after the demo's start.
    with opened(chromium, demo) as watched:
        watched.page.wait_for_selector("[data-ref=picture][data-large*=Mouth]")
        named = "[data-ref=picture][data-named]:not([data-named=''])"
        watched.page.wait_for_selector(named)  # the network names what there is of it
        watched.page.wait_for_selector("[data-ref=picture][data-named='']")
        watched.page.wait_for_selector("[data-ref=picture][data-large='']")
        watched.check(demo)


def test_the_first_glance_says_what_it_is_and_what_to_do(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo, viewport=LAPTOP) as watched:
        page = watched.page
        wait_for_frames(page)
        assert page.inner_text("[data-ref=chip]") == "Demo face"
        said = page.inner_text(".fl-intro")
        assert "on this machine alone" in said
        assert "Trained on synthetic faces; not validated on people." in said
        assert "choose your camera" in said
        title = page.locator("h1").bounding_box()
        tabs = page.locator("[role=tablist]").first.bounding_box()
        assert title is not None
        assert tabs is not None
        assert title["y"] - (tabs["y"] + tabs["height"]) < 24  # no empty band
        watched.check(demo)


def test_older_expressions_fold_and_eight_fit_on_a_laptop(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo, viewport=LAPTOP) as watched, ExitStack() as ending:
        page = watched.page
        wait_for_frames(page)
        demo.session.pause()  # an expression of the demo's own would be the newest
        ending.callback(demo.session.resume)
        page.wait_for_selector("#live .fl[data-badge=PAUSED]")
        in_module(
            page,
            "events",
            """const ref = (name) => document.querySelector(`#live [data-ref=${name}]`);
            const list = new m.EventList(ref, () => {});
            list.clear();
            const none = document.querySelector("#live [data-ref=none]");
            const heading = document.querySelector("#live .fl-events h2");
            const [{ top }, { bottom }] = [none, heading].map((one) => one.getBoundingClientRect());
            window.apart = top - bottom;
            for (let n = 0; n < 9; n++) list.put({
                number: 900 + n, state: "confirmed", kind: "micro", onset_s: n, apex_s: n + 0.1,
                offset_s: n + 0.3, score: 2, label: "positive", reason: "", pictures: 0,
                me_probability: 0.93,
                probabilities: { negative: 0.0004, positive: 0.9996, surprise: 0 },
                action_units: { AU12: 0.9, AU4: 0.2 },
                sentences: { en: "The corners of the mouth rose 0.6 px for 0.3 s (peak after " +
                    "0.1 s), more on the left: positive, 100 % (AU12)" },
            });""",
        )
        newest, older = (page.locator(f".fl-events li[data-number='{n}']") for n in (908, 907))
        assert newest.locator(".fl-bar").nth(1).inner_text().split("\n")[-1] == "> 99 %"
        assert newest.locator(".fl-bar").nth(2).inner_text().split("\n")[-1] == "< 1 %"
        unit = newest.locator(".fl-units span")
        assert unit.inner_text() == "AU12"
        display = "(chip) => getComputedStyle(chip.parentElement).display"
        assert unit.evaluate(display) == "flex"  # and not as on another tab
        assert (unit.get_attribute("title") or "").startswith("AU12 lip corner puller, 90 %")
        assert newest.locator(".fl-how").inner_text() == "300 ms · ME 93 %"
        assert older.locator(".fl-bars").is_hidden()
        assert older.locator(".fl-likely").inner_text() == "> 99 %"
        assert page.evaluate("window.apart") < 40  # an empty list takes no room
        inside = page.locator(".fl-events").bounding_box()
        last = page.locator(".fl-events li[data-number='901']")
        last.evaluate("li => Promise.all(li.getAnimations().map((each) => each.finished))")
        eighth = last.bounding_box()
        assert inside is not None
        assert eighth is not None
        assert eighth["y"] + eighth["height"] <= inside["y"] + inside["height"]


def test_a_face_in_constant_motion_is_explained(demo: Served, chromium: Browser) -> None:
    lanes = ["Brows", "Eyes", "Nose", "Mouth"]
    cases: list[tuple[dict[str, float], str]] = [
        ({}, ""),
        (
            {"Brows": 2.4, "Eyes": 2.5, "Nose": 2.6, "Mouth": 3.0},
            "Face in constant motion: only movements over 2.4 px count",
        ),
        ({"Mouth": 1.1}, "Mouth in constant motion: only movements over 1.1 px count"),
        (
            {"Brows": 0.8, "Mouth": 2.4},
            "Brows and mouth in constant motion: only movements over 0.8 px (brows), "
            "2.4 px (mouth) count",
        ),
    ]
    with opened(chromium, demo) as watched:
        for restless, said in cases:
            body = "return m.restlessWords(a[0], a[1]);"
            assert in_module(watched.page, "intro", body, [restless, lanes]) == said


def test_a_hit_is_replayed_once_in_the_corner_and_can_be_skipped(
    demo: Served, chromium: Browser
) -> None:
    with opened(chromium, demo, viewport=LAPTOP) as watched:
        page = watched.page
        page.wait_for_function(
            "document.querySelector('[data-chip=replay]')?.ariaPressed ==="
            " String(navigator.hardwareConcurrency > 2)"
        )
        if page.evaluate("navigator.hardwareConcurrency") <= 2:
            page.click("[data-chip=replay]")
        page.wait_for_selector("[data-ref=highlight][data-picture]")
        assert "motion × 10" in page.inner_text("[data-ref=highlight]")
        page.wait_for_function(
            "Number(document.querySelector('[data-ref=highlight]').dataset.picture) > 2"
        )
        page.get_by_role("button", name="Skip the replay").click()
        page.wait_for_selector("[data-ref=highlight]", state="hidden")
        page.click("[data-chip=replay]")  # no more of them
        confirmed = page.locator(".fl-events li[data-state=confirmed]")
        before = confirmed.count()
        page.wait_for_function(
            "(n) => document.querySelectorAll('.fl-events li[data-state=confirmed]').length > n",
            arg=before,
        )
        assert page.locator("[data-ref=highlight]").is_hidden()
        watched.check(demo)


def test_the_demo_shows_its_truth_beside_the_answer(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo) as watched:
        page = watched.page
        page.wait_for_selector(".fl-events .fl-truth[data-right=yes]")
        assert page.locator(".fl-events .fl-truth[data-right=yes]").first.inner_text() == "✓ right"
        page.wait_for_function(
            "/\\d+ of \\d+ found, \\d+ named right/.test("
            "document.querySelector('[data-ref=tally]').innerText)"
        )
        watched.check(demo)


def test_a_minute_of_a_straight_face_has_a_score(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo) as watched:
        said = in_module(
            watched.page,
            "game",
            """const box = document.createElement("div"), button = document.createElement("button");
            const game = new m.Game(box, button);
            const region = (strength) => ({ strength, threshold: 0.5 });
            const play = (moving, caught) => {
                button.click();
                for (let t = 0; t <= 60; t += 0.25) {
                    game.frame({ time_s: t, face: {}, regions: [region(t < moving ? 1 : 0)] });
                    if (t !== 10) continue;
                    caught.forEach((state, number) => game.event({ number, state, onset_s: 9 }));
                    game.event({ number: 99, state: "confirmed", onset_s: -1 });
                }
                return [game.runs, box.innerText ?? box.textContent];
            };
            const first = play(10.25, ["confirmed", "withdrawn"]);
            return [first, play(0, [])].map(([runs, text]) => [runs, box.hidden, text]);""",
        )
        assert isinstance(said, list)
        (runs, hidden, first), (_, _, second) = said
        assert not runs
        assert not hidden
        # 10 s of movement cost 20 points, one expression 10.
        assert "70 points" in first
        assert "1 expression, 10 s of movement" in first
        assert "100 points" in second
        assert "Round 1: 70" in second
        assert "Round 2: 100, the best" in second


def test_help_tour_and_keys_work_without_a_mouse(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo, viewport=LAPTOP) as watched:
        page = watched.page
        wait_for_frames(page)
        page.keyboard.press("?")
        page.wait_for_selector("[data-ref=help-dialog][open]")
        page.get_by_role("button", name="Take the tour").press("Enter")
        for step in range(1, 7):
            assert f"{step} of 6" in page.inner_text(".fl-tip")
            assert page.locator(".fl-toured").count() == 1
            tip = page.locator(".fl-tip").bounding_box()
            assert tip is not None
            assert 0 <= tip["x"] <= LAPTOP["width"] - tip["width"]
            assert 0 <= tip["y"] <= LAPTOP["height"] - tip["height"]
            page.keyboard.press("Enter")  # Next has the focus
        assert page.locator(".fl-tip").is_hidden()
        assert page.locator(".fl-toured").count() == 0
        page.keyboard.press("m")
        assert page.locator(".fl-mirrored").count() == 1
        page.keyboard.press("f")
        page.wait_for_function("document.fullscreenElement?.matches('.fl')")
        whole = "({ scrollHeight, clientHeight }) => scrollHeight <= clientHeight"
        assert page.locator(".fl:fullscreen").evaluate(whole)  # nobody scrolls a projector
        page.keyboard.press("f")
        page.wait_for_function("document.fullscreenElement === null")
        page.focus("[data-ref=choice]")
        page.keyboard.press("m")  # chooses in the list, and mirrors nothing
        assert page.locator(".fl-mirrored").count() == 1
        page.keyboard.press("Escape")
        watched.check(demo)


def test_the_tour_begins_by_itself_until_it_was_ended_once(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo, viewport=LAPTOP) as watched:
        page = watched.page
        wait_for_frames(page)
        assert page.locator(".fl-tip").is_hidden()  # a program drives this browser
        page.context.add_init_script(
            "Object.defineProperty(navigator, 'webdriver', {value: false})"
        )
        page.reload()
        page.wait_for_selector(".fl-tip:visible")
        assert "New here?" in page.inner_text(".fl-tip")
        page.get_by_role("button", name="Next").click()
        assert "2 of 6" in page.inner_text(".fl-tip")
        page.reload()
        page.wait_for_selector(".fl-tip:visible")  # it was not ended
        page.get_by_role("button", name="Skip").click()
        assert page.locator(".fl-tip").is_hidden()
        page.reload()
        wait_for_frames(page)
        assert page.locator(".fl-tip").is_hidden()
        watched.check(demo)


def test_every_tab_says_what_it_is_for(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo) as watched:
        for tab in ("Study", "Review", "Health"):
            watched.page.get_by_role("tab", name=tab).click()
            said = watched.page.locator(f"#{tab.lower()} .fl-purpose")
            said.wait_for()
            assert said.inner_text().startswith(f"{tab}: ")


def test_an_expression_is_saved_as_a_film(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo) as watched:
        page = watched.page
        page.click(".fl-events li[data-state=confirmed] button")
        page.wait_for_selector(".fl-replay[data-ready=yes]")
        assert page.evaluate("document.activeElement.matches('.fl-dialog[open] h2')")
        with page.expect_download() as saved:
            page.get_by_role("link", name="Save as MP4").click()
        assert saved.value.suggested_filename.endswith("s.mp4")
        with av.open(saved.value.path()) as film:
            pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert pictures[0].shape == (256, 512, 3)
        assert len(pictures) > 8 * 30 * 0.5  # half a second at an eighth of the speed
        with page.expect_download() as saved:
            page.get_by_role("link", name="Save as GIF").click()
        assert saved.value.suggested_filename.endswith("s.gif")
        with Image.open(saved.value.path()) as gif:
            assert gif.size == (512, 256)
            assert gif.info["loop"] == 0  # without end
            shown_ms = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
        assert sum(shown_ms) / 1000 == pytest.approx(len(pictures) / 30, abs=0.7)
        watched.check(demo)


def test_who_only_looks_saves_nothing(untrained: Path) -> None:
    config = replace(small_demo(untrained), auth=AUTH, view_password="look")
    with serving(config) as served:
        url = f"{served.address}live/events/1/1/replay.mp4"
        assert httpx.get(url, auth=("Ben", "look"), timeout=30).status_code == 403


def test_the_live_picture_is_magnified_while_the_chip_is_on(
    demo: Served, chromium: Browser
) -> None:
    with opened(chromium, demo) as watched:
        page = watched.page
        wait_for_frames(page)
        page.click("[data-chip=replay]")
        page.click("[data-chip=magnify]")
        # Two renderers of one picture differ by roundings; a warped mouth differs by more.
        page.wait_for_function(
            f"""() => {{
                const [was, now] = ["frame", "magnified"].map((name) =>
                    document.querySelector(`[data-ref=${{name}}]`));
                if (now.hidden || now.width !== was.width) return false;
                const [before, after] = [was, now].map({PIXELS});
                return after.filter((value, i) => Math.abs(value - before[i]) > 40).length > 200;
            }}"""
        )
        page.click("[data-chip=magnify]")
        assert page.locator("[data-ref=magnified]").is_hidden()
        wait_for_frames(page, 6)
        assert page.locator("[data-ref=magnified]").is_hidden()
        assert [line for line in watched.said if "error" in line.split(":")[0]] == []
