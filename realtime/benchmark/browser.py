"""The page in a real browser during a load: the browser acknowledges each paint."""

import ctypes
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from model.errors import InputError
from realtime.live import LiveSession
from realtime.ui.server import build_server, make_page_address, open_listener

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
VIEW_PX = (1280, 900)
OPEN_MS = 60_000
STOP_S = 20.0
_PR_CAPBSET_DROP, _CAP_SYS_NICE = 24, 23  # of Linux' prctl


def check_browser() -> None:
    """Raise `InputError` unless this machine can run and control a browser."""
    with _browser():
        pass


@contextmanager
def watch_page(session: LiveSession) -> Iterator[None]:
    """Serve the page of `session` and open it in a browser; start the session within the `with`.
    Raises `RuntimeError` if the server does not end in time."""
    with open_listener("127.0.0.1", 0) as listener:
        server = build_server(session, session.config)
        thread = threading.Thread(target=server.run, args=([listener],), name="server")
        thread.start()
        try:
            with _browser() as show:
                show(make_page_address(session.config, listener))
                yield
        finally:
            server.should_exit = True
            thread.join(STOP_S)
            if thread.is_alive():
                raise RuntimeError("the server did not stop")


@contextmanager
def _browser() -> Iterator[Callable[[str], None]]:
    """Run a headless Chromium. Yield a function that opens an address in it and waits for the live
    view."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise InputError("--page needs playwright: pip install -e '.[benchmark]'") from None
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    keep_priorities()
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found)
        except Error as error:
            line = str(error).strip().partition("\n")[0]
            raise InputError(
                f"--page needs Chromium, which did not start ({line}): playwright install chromium"
            ) from None

        def show(address: str) -> None:
            page = browser.new_page(viewport={"width": VIEW_PX[0], "height": VIEW_PX[1]})
            page.goto(address, timeout=OPEN_MS)
            page.wait_for_selector("canvas", timeout=OPEN_MS)

        try:
            yield show
        finally:
            browser.close()


def keep_priorities() -> None:
    """Make sure that programs started by this thread cannot raise their priority. As root, Chromium
    sets its compositor's threads to nice -8, and the analysis on the same cores waits for them. An
    ordinary user's Chromium cannot, and that is what is to be measured."""
    if sys.platform == "linux" and os.geteuid() == 0:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_SYS_NICE, 0, 0, 0)
