"""Which of Gradio's routes the page needs; the others are closed.

Gradio brings routes for uploads, for files of this machine, for other servers' answers and for
functions, none of which this page uses.
"""

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OURS = "/live/"
READ = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")
"""Beginnings of addresses that are only read."""
READ_ALONE = frozenset(
    {
        "/",
        "/config",
        "/favicon.ico",
        "/gradio_api/startup-events",
        "/manifest.json",
        "/robots.txt",
        "/theme.css",
    }
)


class RouteFilter:
    """ASGI middleware: what is neither this program's nor needed of Gradio's is not found."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 404."""
        if scope["type"] == "http" and not _is_open(scope["method"], route_path(scope)):
            await PlainTextResponse("Not found.\n", 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_open(method: str, path: str) -> bool:
    if path.startswith(OURS):
        return True
    return method in ("GET", "HEAD") and (path in READ_ALONE or path.startswith(READ))


def route_path(scope: Scope) -> str:
    """The address asked for, without what a proxy before this server puts before it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
