"""Closes the Gradio routes that the page does not need.

Gradio has routes for uploads, for files of this machine, for other servers' answers and for
functions. This page uses none of them.
"""

import anyio
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OURS = "/live/"
UPLOAD_PATH = "/live/upload"
READ_PREFIXES = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")
READ_PATHS = frozenset(
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
LONGEST_BODY = 64 * 2**10
"""Bytes. A protocol with hundreds of questions is shorter."""
BODY_S = 10.0
"""How long the body may take to arrive."""


class RouteFilter:
    """ASGI middleware: lets only this program's routes and the Gradio routes it needs through, and
    limits the bodies of requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 404."""
        if scope["type"] == "http" and not _is_open(scope["method"], find_route_path(scope)):
            await PlainTextResponse("Not found.\n", 404)(scope, receive, send)
        elif scope["type"] == "http" and _has_short_body(scope):
            body = await _body(receive)
            if body is None:
                refusal = PlainTextResponse(
                    "Too much, or too slow.\n", 413, {"Connection": "close"}
                )
                await refusal(scope, receive, send)
            else:
                await self._app(scope, _put_back(body, receive), send)
        else:
            await self._app(scope, receive, send)


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request; None if it is too long, or too slow."""
    body = b""
    with anyio.move_on_after(BODY_S):
        while len(body) <= LONGEST_BODY:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                return body if len(body) <= LONGEST_BODY else None
    return None


def _put_back(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that first gives `body`, and then what `receive` gives."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive_again() -> Message:
        message = next(messages, None)
        return await receive() if message is None else message

    return receive_again


def _has_short_body(scope: Scope) -> bool:
    """Return whether the request's body must be short: a film, which has limits of its own, is
    longer."""
    method, path = scope["method"], find_route_path(scope)
    return method not in ("GET", "HEAD") and (method, path) != ("POST", UPLOAD_PATH)


def _is_open(method: str, path: str) -> bool:
    if path.startswith(OURS):
        return True
    return method in ("GET", "HEAD") and (path in READ_PATHS or path.startswith(READ_PREFIXES))


def find_route_path(scope: Scope) -> str:
    """Return the requested path, without the one under which a proxy serves the page."""
    return strip_root(scope["path"], scope.get("root_path", ""))


def strip_root(path: str, root: str) -> str:
    """Return `path` without a leading `root`. Only whole parts match, as in Gradio's router."""
    return path.removeprefix(root) if f"{path}/".startswith(f"{root}/") else path
