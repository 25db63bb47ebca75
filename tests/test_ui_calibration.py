"""The Calibrate tab in a real browser, over a real session of the demo face."""

import json
from dataclasses import replace
from pathlib import Path

from browsing import IN_BROWSER, opened, small_demo
from playwright.sync_api import Browser
from screenshots import open_tab
from served import serving

from calibrate.guide import Guide
from model.records import Frame, Stamp, Step
from model.synthetic import Schedule, SyntheticFace
from realtime.perception.spotting_steps import Perception


class Fed(Guide):
    """Takes the steps that the test feeds it, without waiting for real time to pass."""

    def take(self, step: Step) -> None:
        pass

    def feed(self, frames: int, *, talks: bool) -> None:
        schedule = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=12 * talks)
        face = SyntheticFace(seed=1340, fps=12, size=(200, 150), schedule=schedule)
        perception = Perception()
        for k in range(frames):
            super().take(perception.step(Frame(Stamp(k, k / 12), face.image(k), 0.0)))


pytestmark = IN_BROWSER


def test_the_tab_leads_through_the_steps_and_saves_only_when_asked(
    chromium: Browser, untrained: Path, tmp_path: Path
) -> None:
    config = replace(small_demo(untrained), fps=10, width=200, height=150)
    size = {"width": 1200, "height": 900}
    guide = Fed(camera_s=3.1, baseline_s=11.5)
    with serving(config, guide) as served, opened(chromium, served, viewport=size) as watched:
        page = watched.page
        page.wait_for_selector("#live [data-ref=picture][data-index]")
        page.get_by_role("tab", name="Study").click()
        page.click("[data-check=baseline] .fl-link")  # no baseline yet: the Calibrate tab has one
        page.wait_for_selector("[data-begin=camera]:not([disabled])")
        open_tab(page)
        assert page.locator("[data-ref=use]").is_disabled()
        page.click("[data-begin=camera]")
        page.click("[data-step=camera] [data-cancel]:not([hidden])")
        page.wait_for_selector(".fl-calibrate[data-doing='']")
        assert page.inner_text("[data-ref=camera-verdict]") == ""
        page.click("[data-begin=camera]")
        page.wait_for_selector("[data-ref=camera-progress]:not([hidden])")
        guide.feed(60, talks=False)
        page.wait_for_selector("[data-step=camera][data-light=amber]")
        assert "shows micro-expressions from 250 ms" in page.inner_text("[data-ref=camera-verdict]")
        assert page.locator("[data-ref=camera-findings] li").count() >= 1
        page.fill("[data-ref=participant]", "P07")
        for talks, light in ((True, "red"), (False, "green")):
            page.click("[data-begin=baseline]")
            page.wait_for_selector("[data-ref=baseline-progress]:not([hidden])")
            guide.feed(150, talks=talks)
            page.wait_for_selector(f"[data-step=baseline][data-light={light}]")
            if talks:
                assert "Not saved: the face moved" in page.inner_text("[data-ref=baseline-verdict]")
                assert page.locator("[data-ref=use]").is_disabled()
        assert page.locator("[data-ref=floors] > div").count() == 17
        with page.expect_download() as download:
            page.click("[data-ref=save]")
        assert download.value.suggested_filename == "P07.json"
        download.value.save_as(tmp_path / "P07.json")
        assert json.loads((tmp_path / "P07.json").read_text())["measured"]["participant"] == "P07"
        page.click("[data-ref=use]")
        page.wait_for_selector("[data-step=use][data-light=green]")
        assert served.session.config.baseline is not None
        assert served.session.config.source == "demo"
        page.get_by_role("tab", name="Live").click()
        page.wait_for_selector("#live .fl[data-badge=LIVE]")
        assert watched.said == []
