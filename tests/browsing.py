"""A page in a real browser: what the browser tests share. The fixtures are in `conftest.py`."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from served import Served

from realtime.config import LiveConfig

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
]
LAPTOP = {"width": 1366, "height": 768}
SLOW_MS = 90_000
"""Patience with a loaded machine; nothing here waits that long when it works."""

IN_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome"),
]


def in_browser(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a single test of a file as `IN_BROWSER` marks all of it."""
    for mark in IN_BROWSER:
        test = mark(test)
    return test


def small_demo(untrained: Path) -> LiveConfig:
    """A small demo face that soon shows something: micro-expressions from 2.7, 5.1, 10.2 and 11.7 s
    on, a large movement of the mouth from 6.9 s on."""
    return LiveConfig(
        source="demo", fps=15, width=320, height=240, seed=318, classifier=str(untrained)
    )


@dataclass
class Watched:
    """A page with everything that it said and fetched."""

    page: Page
    said: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.fetched.append(request.url))
        self.page.on("websocket", lambda socket: self.fetched.append(socket.url))

    def check(self, served: Served) -> None:
        """Nothing went wrong and nothing came from outside."""
        assert [line for line in self.said if re.match("error|warning", line)] == []
        own = (
            f"http://127.0.0.1:{served.port}/",
            f"ws://127.0.0.1:{served.port}/",
            "data:",
            "blob:",
        )
        assert [url for url in self.fetched if not url.startswith(own)] == []


@contextmanager
def opened(browser: Browser, served: Served, **options: object) -> Iterator[Watched]:
    context: BrowserContext = browser.new_context(**options)  # type: ignore[arg-type]
    context.set_default_timeout(SLOW_MS)
    try:
        watched = Watched(context.new_page())
        watched.page.goto(served.address)
        yield watched
    finally:
        context.close()


def wait_for_frames(page: Page, frames: int = 3) -> None:
    """Until the picture has been painted at that many different frames."""
    page.wait_for_function(
        """(frames) => {
            const seen = (window.seenFrames ??= new Set());
            seen.add(document.querySelector("[data-ref=picture]")?.dataset.index);
            seen.delete(undefined);
            return seen.size >= frames;
        }""",
        arg=frames,
    )


PIXELS = """(canvas) => {
    // Of a copy: Chromium warns of canvases that are drawn and read in turns.
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const ctx = copy.getContext("2d", { willReadFrequently: true });
    ctx.drawImage(canvas, 0, 0);
    return ctx.getImageData(0, 0, copy.width, copy.height).data;
}"""
