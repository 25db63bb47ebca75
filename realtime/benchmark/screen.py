"""The page that a camera is pointed at: a time code that changes with every refresh.

Served on this machine alone. The page says of each number when it was shown, by this program's
clock: the start of the refresh in which it was drawn. Until the screen's pixels have changed it is
up to two refreshes more, which no browser tells.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.responses import FileResponse, JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime.benchmark import timecode
from realtime.benchmark.browser import running
from realtime.stream.clock import monotonic_s
from realtime.ui.guard import Guard
from realtime.ui.page import STATIC
from realtime.ui.server import open_listener

_FOLDER = Path(str(files("realtime.benchmark") / "static"))
_FILES = {name: _FOLDER / name for name in ("screen.html", "screen.css", "screen.js")}
_FILES["socket.js"] = STATIC / "socket.js"
RECENT_S = 60.0
"""A number seen later than this was another, a period ago."""


class Shown:
    """When each number was on the screen. Written by the page's socket alone, read by any thread;
    every change is of one dict or attribute, so that no lock is needed."""

    def __init__(self) -> None:
        self._at_s: dict[int, float] = {}
        self._count = 0
        self._first_s = self._last_s = 0.0

    def put(self, number: int, at_s: float) -> None:
        """`number` was shown at `at_s` of `realtime.stream.clock`."""
        self._at_s[number % timecode.PERIOD] = at_s
        self._first_s, self._last_s = self._first_s if self._count else at_s, at_s
        self._count += 1

    def at_s(self, number: int, seen_s: float) -> float | None:
        """When the `number` that was seen at `seen_s` was shown; None if that is not known."""
        at_s = self._at_s.get(number)
        return at_s if at_s is not None and abs(seen_s - at_s) < RECENT_S else None

    def refresh_hz(self) -> float | None:
        """Numbers shown per second; None before there are two."""
        span_s = self._last_s - self._first_s
        return (self._count - 1) / span_s if span_s > 0 else None


def screen_app(shown: Shown) -> FastAPI:
    """The page, and the socket by which it reports to `shown`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/layout.json")
    def layout() -> JSONResponse:
        return JSONResponse(timecode.layout())

    @app.get("/{name}")
    @app.get("/")
    def page(name: str = "screen.html") -> FileResponse:
        found = _FILES.get(name)
        return FileResponse(found or _FILES["screen.html"], status_code=200 if found else 404)

    @app.websocket("/shown")
    async def told(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                message = await socket.receive_json()
                if "ping" in message:
                    answer = {"ping": message["ping"], "server_s": monotonic_s()}
                    await socket.send_json(answer)
                else:
                    shown.put(int(message["number"]), float(message["shown_s"]))

    app.add_middleware(Guard, auth=None, loopback=True)
    return app


@contextmanager
def serve_screen(shown: Shown, port: int = 0) -> Iterator[str]:
    """Serve the page while it lasts; yields its address."""
    with open_listener("127.0.0.1", port) as listener:
        config = uvicorn.Config(screen_app(shown), log_level="warning", timeout_graceful_shutdown=1)
        with running(uvicorn.Server(config), listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
