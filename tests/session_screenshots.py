"""Pictures of the Study and Review tabs and of a report, for the documentation.

Records the demo face on the Study tab, codes what was found on the Review tab, and opens its
report. Needs playwright (extra `dev`) and a Chromium. The command is `tests/screenshots.py`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from live_screenshots import WIDE, open_page, photographer, take

from realtime.config import LiveConfig
from realtime.ui.calibration import Calibrator

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROTOCOL = """
name = "Interview A"
[keys]
s = "stimulus"
d = "disturbance"
[[questions]]
name = "q1"
text = "How did you come here today?"
key = "1"
[[questions]]
name = "q2"
text = "What did you see on the way?"
key = "2"
"""


def take_screenshots(
    config: LiveConfig, out: Path, seconds: int, calibrator: Calibrator | None = None
) -> list[Path]:
    """Write the pictures of a session of so many `seconds` into `out`, and return their paths."""
    with photographer(config, out, calibrator) as (browser, address):
        page = open_page(browser, address, WIDE, "light")
        taken = _record(page, out, seconds)
        return taken + _review(page, out)


def _record(page: "Page", out: Path, seconds: int) -> list[Path]:
    page.get_by_role("tab", name="Study").click()
    page.wait_for_selector(".fl-study [data-check=consent]")  # the tab is awake
    page.set_input_files(
        ".fl-study [data-ref=protocol]",
        {"name": "study.toml", "mimeType": "text/plain", "buffer": PROTOCOL.encode()},
    )
    page.fill(".fl-study [data-ref=participant]", "P07")
    page.fill(".fl-study [data-ref=consent]", "analysis, pictures in the report")
    page.check(".fl-study [data-ref=pictures]")
    page.wait_for_selector(".fl-study [data-check=consent][data-good=yes]")
    page.wait_for_selector(".fl-study [data-ref=picture][data-index]")
    taken = [take(page, out / "study-checks.png")]
    page.click(".fl-study [data-ref=start]")
    page.wait_for_selector(".fl-study[data-recording=yes] [data-ref=picture][data-index]")
    for key, done, share in (("1", "q1 started", 0.1), ("s", "stimulus", 0.4), ("2", "q2", 0.5)):
        _wait_for_time(page, share * seconds)
        page.keyboard.press(key)
        page.wait_for_function(_SAID, arg=done)
    page.fill(".fl-study [data-ref=note]", "looked at the door")
    page.press(".fl-study [data-ref=note]", "Enter")
    page.wait_for_function(_SAID, arg="door")
    taken.append(take(page, out / "study-recording.png"))
    _wait_for_time(page, seconds)
    page.once("dialog", lambda dialog: dialog.accept())
    page.click(".fl-study [data-ref=stop]")
    page.wait_for_selector(".fl-study[data-recording=no]")
    return taken


def _review(page: "Page", out: Path) -> list[Path]:
    page.get_by_role("tab", name="Review").click()
    page.wait_for_selector("[data-ref=film][data-place]")
    page.fill(".fl-review [data-ref=coder]", "C1")
    page.press(".fl-review [data-ref=coder]", "Enter")
    page.locator(".fl-review [data-ref=coder]").blur()
    for number in (1, 2):
        page.locator(".fl-coding li button").nth(number - 1).click()
        page.select_option(".fl-review [data-ref=label]", "positive")
        page.wait_for_function(
            "(n) => document.querySelectorAll('.fl-coding li[data-verdict=accepted]').length === n",
            arg=number,
        )
    page.once("dialog", lambda dialog: dialog.accept())
    # The motion of the whole session, which the overview shows once the coder may see it.
    with page.expect_response(lambda got: "/motion?" in got.url and "bins=1000" in got.url) as got:
        page.click(".fl-review [data-ref=done]")
    got.value.finished()
    page.wait_for_selector(".fl-review[data-blind=no]")
    page.wait_for_function(
        "document.querySelector('[data-ref=film]').dataset.place"
        " === document.querySelector('[data-ref=place]').innerText.split(' ')[1]"
    )
    page.wait_for_load_state("networkidle")
    taken = [take(page, out / "review.png")]
    with page.expect_popup() as opened:
        page.click(".fl-review [data-ref=report]")
    report = opened.value
    report.set_viewport_size({"width": 1040, "height": 1000})
    report.wait_for_load_state()
    return [*taken, take(report, out / "report.png")]


_SAID = "(words) => document.querySelector('[data-ref=said]').innerText.includes(words)"


def _wait_for_time(page: "Page", seconds: float) -> None:
    page.wait_for_function(
        """(seconds) => {
            const [minutes, rest] = document.querySelector(".fl-tape b").innerText.split(":");
            return 60 * Number(minutes) + Number(rest) >= seconds;
        }""",
        arg=seconds,
    )
