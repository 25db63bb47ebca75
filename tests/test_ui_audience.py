"""The Live tab for an audience, in a real browser: first glance, the list, a face that never
rests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import IN_BROWSER, opened, small_demo, wait_for_frames
from playwright.sync_api import Browser, Page
from served import Served, serving

pytestmark = IN_BROWSER

LAPTOP = {"width": 1366, "height": 768}


@pytest.fixture(scope="module")
def demo(untrained: Path) -> Iterator[Served]:
    with serving(small_demo(untrained)) as served:
        yield served


MODULES = "const at = (name) => import(new URL(`live/static/${name}.js`, document.baseURI));"


def in_module(page: Page, name: str, body: str, arg: object = None) -> object:
    """What `body` returns, with the module `name` of the page as `m` and `arg` as `a`."""
    return page.evaluate(f"async (a) => {{ {MODULES} const m = await at('{name}'); {body} }}", arg)


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
    with opened(chromium, demo, viewport=LAPTOP) as watched:
        page = watched.page
        wait_for_frames(page)
        in_module(
            page,
            "events",
            """const ref = (name) => document.querySelector(`#live [data-ref=${name}]`);
            const list = new m.EventList(ref, () => {});
            list.clear();
            for (let n = 0; n < 9; n++) list.put({
                number: 900 + n, state: "confirmed", kind: "micro", onset_s: n, apex_s: n + 0.1,
                offset_s: n + 0.3, score: 2, label: "positive", reason: "", pictures: 0,
                probabilities: { negative: 0.0004, positive: 0.9996, surprise: 0 },
                action_units: { AU12: 0.9, AU4: 0.2 },
            });""",
        )
        newest, older = (page.locator(f".fl-events li[data-number='{n}']") for n in (908, 907))
        assert newest.locator(".fl-bar").nth(1).inner_text().split("\n")[-1] == "> 99 %"
        assert newest.locator(".fl-bar").nth(2).inner_text().split("\n")[-1] == "< 1 %"
        unit = newest.locator(".fl-units span")
        assert unit.inner_text() == "AU12"
        assert (unit.get_attribute("title") or "").startswith("AU12 lip corner puller, 90 %")
        assert older.locator(".fl-bars").is_hidden()
        assert older.locator(".fl-likely").inner_text() == "> 99 %"
        inside = page.locator(".fl-events").bounding_box()
        eighth = page.locator(".fl-events li[data-number='901']").bounding_box()
        assert inside is not None
        assert eighth is not None
        assert eighth["y"] + eighth["height"] <= inside["y"] + inside["height"]


@pytest.mark.parametrize(
    ("restless", "said"),
    [
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
    ],
)
def test_a_face_in_constant_motion_is_explained(
    demo: Served, chromium: Browser, restless: dict[str, float], said: str
) -> None:
    with opened(chromium, demo) as watched:
        lanes = ["Brows", "Eyes", "Nose", "Mouth"]
        assert (
            in_module(
                watched.page, "intro", "return m.restlessWords(a[0], a[1]);", [restless, lanes]
            )
            == said
        )


def test_what_moves_far_is_named_while_it_moves(demo: Served, chromium: Browser) -> None:
    with opened(chromium, demo) as watched:
        watched.page.wait_for_selector("[data-ref=picture][data-large*=Mouth]")
        watched.page.wait_for_selector("[data-ref=picture][data-large='']")
        watched.check(demo)
