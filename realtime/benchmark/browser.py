"""The page in a real browser beside a load: the browser itself acknowledges each paint."""

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from model.errors import InputError
from realtime.live import LiveSession
from realtime.ui.server import build_server, open_listener, page_address

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
VIEW_PX = (1280, 900)
OPEN_MS = 60_000
STOP_S = 20.0


def check_browser() -> None:
    """Raise `InputError` unless this machine can run and control a browser."""
    with _browser():
        pass


@contextmanager
def watch_page(session: LiveSession) -> Iterator[None]:
    """Serve the page of `session`, which starts afterwards, and watch it in a browser."""
    with page_of(session) as address, _browser() as look_at:
        look_at(address)
        yield


@contextmanager
def page_of(session: LiveSession) -> Iterator[str]:
    """Serve the page of `session` on this machine while it lasts; yields its address."""
    with open_listener("127.0.0.1", 0) as listener:
        server = build_server(session, session.config)
        with running(server, listener):
            yield page_address(session.config, listener)


@contextmanager
def running(server: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    """Have `server` answer on `listener`, in a thread, while it lasts. Raises `RuntimeError` if it
    does not end in time."""
    thread = threading.Thread(target=server.run, args=([listener],), name="server")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        if thread.is_alive():
            raise RuntimeError("the server does not stop")


@contextmanager
def _browser() -> Iterator[Callable[[str], None]]:
    """A headless Chromium; what is yielded opens an address in it and waits for the live view."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise InputError("--page needs playwright: pip install 'fmanet-live[benchmark]'") from None
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found)
        except Error as error:
            line = str(error).strip().partition("\n")[0]
            raise InputError(
                f"--page needs Chromium, which does not start ({line}): playwright install chromium"
            ) from None

        def look_at(address: str) -> None:
            page = browser.new_page(viewport={"width": VIEW_PX[0], "height": VIEW_PX[1]})
            page.goto(address, timeout=OPEN_MS)
            page.wait_for_selector("canvas", timeout=OPEN_MS)

        try:
            yield look_at
        finally:
            browser.close()
