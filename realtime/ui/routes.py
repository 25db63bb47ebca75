"""Which of Gradio's routes the page needs; the others are closed.

Gradio brings routes for uploads, for files of this machine, for other servers' answers and for
functions, none of which this page uses.
"""

import anyio
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OURS = "/live/"
READ = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")
"""Prefixes of addresses that are only read."""
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


LONGEST_BODY = 64 * 2**10
"""Bytes; a protocol of hundreds of questions is no longer than this."""
BODY_S = 10.0
"""How long the body may take to arrive."""


class RouteFilter:
    """ASGI middleware: serves only this program's routes and the Gradio routes it needs, and limits
    the bodies of requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 404."""
        if scope["type"] == "http" and not _is_open(scope["method"], route_path(scope)):
            await PlainTextResponse("Not found.\n", 404)(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            body = await _body(receive)
            if body is None:
                refusal = PlainTextResponse(
                    "Too much, or too slow.\n", 413, {"Connection": "close"}
                )
                await refusal(scope, receive, send)
            else:
                await self._app(scope, _again(body, receive), send)
        else:
            await self._app(scope, receive, send)


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request; None if it is too long, or takes too long."""
    body = b""
    with anyio.move_on_after(BODY_S):
        while len(body) <= LONGEST_BODY:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                return body if len(body) <= LONGEST_BODY else None
    return None


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that first gives `body`, received already, and then goes on."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def received() -> Message:
        message = next(messages, None)
        return await receive() if message is None else message

    return received


def _is_open(method: str, path: str) -> bool:
    if path.startswith(OURS):
        return True
    return method in ("GET", "HEAD") and (path in READ_ALONE or path.startswith(READ))


def route_path(scope: Scope) -> str:
    """Return the address asked for, without the path under which a proxy serves the page."""
    return without_root(scope["path"], scope.get("root_path", ""))


def without_root(path: str, root: str) -> str:
    """Return `path` without `root` before it, matching whole parts, as Gradio's router does."""
    return path.removeprefix(root) if f"{path}/".startswith(f"{root}/") else path
