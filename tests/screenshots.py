"""Pictures of the page for the documentation.

    python tests/screenshots.py --out docs/images

On the demo face: the Live tab while an expression is named, a walk through the Calibrate tab, a
session on the Study and Review tabs, and its report. Needs playwright (extra `dev`) and a Chromium.
"""

import argparse
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

import live_screenshots
import session_screenshots
from live_screenshots import PHONE, WIDE, open_page, photographer, take

from calibrate.guide import Guide
from model.cli import HelpFormatter, exit_code
from model.face.network_files import add_face_networks
from realtime.config import LiveConfig

if TYPE_CHECKING:
    from playwright.sync_api import Page


def main() -> None:
    """Parse the options and take the pictures."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=20, help="of the demo")
    parser.add_argument("--classifier", default="fmanet", help="name or checkpoint")
    parser.add_argument("--seconds", type=int, default=30, help="of the session")
    add_face_networks(parser)
    options = parser.parse_args()
    out: Path = options.out.resolve()
    # There, so that the pictures show a session's path as it usually is.
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        config = LiveConfig(
            source="demo",
            seed=options.seed,
            classifier=options.classifier,
        )
        for path in (
            *live_screenshots.take_screenshots(config, out, calibrator=Guide()),
            *take_screenshots(config, out, Guide()),
            *session_screenshots.take_screenshots(config, out, options.seconds, Guide()),
        ):
            print(path)


def take_screenshots(config: LiveConfig, out: Path, guide: Guide) -> list[Path]:
    """Write the pictures of a whole walk through the Calibrate tab into `out`; returns their
    paths."""
    taken = []
    with photographer(config, out, guide) as (browser, address):
        page = open_page(browser, address, WIDE, "light")
        open_tab(page)
        page.click("[data-begin=camera]")
        page.wait_for_selector("[data-step=camera]:not([data-light=''])")
        page.click("[data-begin=baseline]")
        page.wait_for_function("document.querySelector('[data-ref=baseline-progress]').value > 0.5")
        taken.append(take(page, out / "calibrate-baseline.png"))
        page.wait_for_selector("[data-step=baseline]:not([data-light=''])")
        page.click("[data-ref=use]")
        page.wait_for_selector("[data-step=use][data-light=green]")
        page.wait_for_selector(".fl-calibrate [data-ref=picture][data-index]")
        page.click("[data-ref=camera-more] summary")
        page.click("[data-ref=baseline-more] summary")
        page.set_viewport_size({"width": WIDE[0], "height": 1400})
        taken.append(take(page, out / "calibrate-done.png"))
        phone = open_page(browser, address, PHONE, "dark")
        open_tab(phone)
        phone.wait_for_selector("[data-step=use][data-light=green]")
        taken.append(take(phone, out / "calibrate-phone.png"))
    return taken


def open_tab(page: "Page") -> None:
    """Go to the Calibrate tab, and wait until it shows the face."""
    page.get_by_role("tab", name="Calibrate").click()
    page.wait_for_selector(".fl-calibrate [data-ref=picture][data-index]")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
