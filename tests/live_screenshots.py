"""Pictures of the Live tab for the documentation, and how pictures of any tab are taken.

Runs the demo face, waits for an expression, pauses and photographs: wide in light and in dark, a
phone, and an expression opened. Needs playwright (extra `dev`) and a Chromium. The command is
`tests/screenshots.py`, which knows all tabs.
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.ui.calibration import Calibrator
from realtime.ui.server import build_server, make_page_address, open_listener

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE = (1440, 900)
PHONE = (390, 844)
PATIENCE_MS = 120_000
JOIN_S = 20.0


def take_screenshots(
    config: LiveConfig, out: Path, expressions: int = 4, calibrator: Calibrator | None = None
) -> list[Path]:
    """Write the pictures of a page over `config` into `out` and return their paths.

    The first is taken once `expressions` are confirmed, while the next is at its apex.
    Raises `InputError` without playwright or a Chromium.
    """
    with photographer(config, out, calibrator) as (browser, address):
        return _photograph(browser, address, out, expressions)


@contextmanager
def photographer(
    config: LiveConfig, out: Path, calibrator: Calibrator | None = None
) -> Iterator[tuple["Browser", str]]:
    """A browser, and the address of a page over `config`; the folder `out` is there. Raises
    `InputError` without playwright or a Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError("screenshots need playwright: pip install -e '.[dev]'") from None
    if chromium is None:
        raise InputError("screenshots need chromium or google-chrome in the PATH")
    out.mkdir(parents=True, exist_ok=True)
    with _served(config, calibrator) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield browser, address
        finally:
            browser.close()


def _photograph(browser: "Browser", address: str, out: Path, expressions: int) -> list[Path]:
    wide = open_page(browser, address, WIDE, "light")
    wide.wait_for_function(
        """(n) => {
            const confirmed = document.querySelectorAll(".fl-events [data-state=confirmed]");
            const apex = document.querySelector("[data-ref=picture][data-event=early]");
            if (confirmed.length < n || !apex) return false;
            document.querySelector("[data-do=pause]").click();  // from here it would be too late
            return true;
        }""",
        arg=expressions,
    )
    wide.wait_for_selector(".fl[data-badge=PAUSED]")
    dark = open_page(browser, address, WIDE, "dark")
    phone = open_page(browser, address, PHONE, "light")
    taken = []
    for name, page in (("wide", wide), ("dark", dark), ("phone", phone)):
        page.wait_for_selector("[data-ref=picture][data-index]")
        page.wait_for_selector(".fl-events [data-state=confirmed]")
        taken.append(take(page, out / f"live-{name}.png"))
    wide.evaluate(
        """() => [...document.querySelectorAll(".fl-events [data-state=confirmed]")]
            .reduce((a, b) => (Number(b.dataset.score) > Number(a.dataset.score) ? b : a))
            .querySelector("button").click()"""
    )
    wide.wait_for_selector(".fl-replay[data-ready=yes]")
    wide.click(".fl-replay [data-moment=apex]")
    wide.wait_for_function(
        "[...document.querySelectorAll('.fl-figures img')].every((i) => i.complete)"
    )
    taken.append(take(wide, out / "live-event.png"))
    return taken


def open_page(browser: "Browser", address: str, size: tuple[int, int], scheme: str) -> "Page":
    """The page in a window of `size`, px, in the scheme "light" or "dark"."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=2 if size == PHONE else 1,
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(address)
    return page


def take(page: "Page", path: Path) -> Path:
    """Photograph what the window shows."""
    page.screenshot(path=path)
    return path


@contextmanager
def _served(config: LiveConfig, calibrator: Calibrator | None) -> Iterator[str]:
    listener = open_listener(config.host, 0)
    session = LiveSession(config, None if calibrator is None else calibrator.take)
    server = build_server(session, config, calibrator)
    with listener, session:
        thread = threading.Thread(target=server.run, args=([listener],), name="server")
        thread.start()
        try:
            yield make_page_address(config, listener)
        finally:
            server.should_exit = True
            thread.join(JOIN_S)
            if thread.is_alive():
                raise RuntimeError("the page's server did not stop")
