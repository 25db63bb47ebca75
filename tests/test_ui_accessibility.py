"""Every tab as axe-core sees it, and what no rule of it covers."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from browsing import IN_BROWSER, opened, small_demo, wait_for_frames
from playwright.sync_api import Browser, Page
from served import Served, serving

from calibrate.guide import Guide

pytestmark = IN_BROWSER

TABS = ("Live", "Calibrate", "Study", "Review", "Health")
SIZES = ((1366, 768), (1920, 1080), (768, 1024), (390, 844))
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OF_COLOURS = {"type": "rule", "values": ["color-contrast"]}
"""The only rule that the colour scheme can break."""
SMALLEST_PX = 12


@pytest.fixture(scope="module")
def full(
    untrained: Path, recorded: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A page with all tabs, and a session to review."""
    sessions = tmp_path_factory.mktemp("sessions")
    copytree(recorded, sessions / recorded.name)
    config = replace(small_demo(untrained), sessions=sessions)
    with serving(config, Guide()) as served:
        yield served


def show(page: Page, tab: str) -> None:
    """Go to a tab; on a phone some are in a menu."""
    found = page.get_by_role("tab", name=tab)
    if not found.is_visible():
        page.click(".overflow-menu > button")
        found = page.locator(".overflow-dropdown button", has_text=tab)
    found.click()
    page.wait_for_selector(f"#{tab.lower()} .fl")
    if tab == "Review":
        page.wait_for_selector(".fl-desk:not([hidden])")
    elif tab == "Health":
        page.wait_for_selector(".fl-health tbody tr")
    elif tab != "Live":
        page.wait_for_selector(f"#{tab.lower()} [data-ref=picture][data-index]")


@pytest.mark.skipif(
    find_spec("axe_playwright_python") is None, reason="needs axe-playwright-python (extra dev)"
)
@pytest.mark.parametrize("size", [SIZES[0], SIZES[-1]])  # what axe-core sees differs little
def test_no_tab_violates_wcag_a_or_aa(
    full: Served, chromium: Browser, size: tuple[int, int]
) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    with opened(
        chromium,
        full,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="light",
        reduced_motion="reduce",
    ) as watched:
        page = watched.page
        page.wait_for_selector(".fl-events li[data-state=confirmed]")
        page.evaluate(axe)
        for tab in TABS:
            show(page, tab)
            assert violations(page) == [], tab
        show(page, "Live")
        page.click("[data-ref=help]")
        assert violations(page) == [], "help"
        page.get_by_role("button", name="Take the tour").click()
        assert violations(page) == [], "tour"
        page.get_by_role("button", name="Skip", exact=True).click()
        page.locator(".fl-events li[data-state=confirmed] button").first.click()
        page.wait_for_selector(".fl-replay[data-ready=yes]")
        assert violations(page) == [], "expression"


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong in light and in dark, in words."""
    wrong = _violations(page, RULES)
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("body.dark")
    wrong += _violations(page, OF_COLOURS)
    page.emulate_media(color_scheme="light")
    page.wait_for_selector("body:not(.dark)")
    return wrong


def _violations(page: Page, rules: Any) -> list[str]:
    run = "(rules) => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })"
    return [
        f"{rule['id']}: {node['html'][:120]}: {node['failureSummary']}"
        for rule in page.evaluate(run, rules)["violations"]
        for node in rule["nodes"]
    ]


def test_nothing_is_smaller_than_12_px_or_wider_than_the_window(
    full: Served, chromium: Browser
) -> None:
    with opened(chromium, full) as watched:
        page = watched.page
        wait_for_frames(page)
        for (width, height), tab in product(SIZES, TABS):
            page.set_viewport_size({"width": width, "height": height})
            show(page, tab)
            small = page.evaluate(
                """(least) => [...document.querySelectorAll("body *")]
                    .filter((element) => element.checkVisibility()
                        && [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())
                        && parseFloat(getComputedStyle(element).fontSize) < least)
                    .map((element) => element.outerHTML.slice(0, 100))""",
                SMALLEST_PX,
            )
            assert small == [], (tab, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
        watched.check(full)
