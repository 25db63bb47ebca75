"""Who may talk to the page: one check before every route and every socket, Gradio's included.

- A password, if one is set: HTTP Basic, or the cookie that a first good answer brings. The cookie
  is for sockets, which some browsers open without the Basic header.
- A page bound to loopback answers loopback names only: a web site whose name is re-bound to
  127.0.0.1 would otherwise read it from the visitor's own browser. Behind a proxy it answers to
  the names that are allowed, too, and believes their pages; the path under which the proxy shows
  it may be left on or taken off.
- Sockets, pictures and requests that change something come from the page itself: any site may
  open a WebSocket to a server on this machine or show its pictures, and the browser says only in
  `Origin` and `Sec-Fetch-Site` who asked.
- No page shows this one inside itself, where a visitor could be made to press its buttons unseen.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realtime.config import is_loopback

COOKIE = "fmanet_live"

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Guard:
    """ASGI middleware; see the module's docstring."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        auth: tuple[str, str] | None,
        loopback: bool,
        https: bool = False,
        allow_hosts: Sequence[str] = (),
        root_path: str = "",
    ) -> None:
        """`auth`: user and password, or None for everyone. `loopback`: the server listens on
        loopback only. `https`: the cookie is for TLS only. `allow_hosts`, `root_path`: of a proxy,
        see `LiveConfig`."""
        self._app = app
        self._basic = b"" if auth is None else ":".join(auth).encode()
        self._token = secrets.token_urlsafe(32)
        self._loopback = loopback
        self._https = https
        self._allow_hosts = frozenset(allow_hosts)
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._root_path:
            path = scope["path"].removeprefix(self._root_path)
            scope = {**scope, "root_path": self._root_path, "path": self._root_path + path}
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, self._with_headers(headers, send))
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before accepting: HTTP 403

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        name = _hostname(host) or ""
        if self._loopback and not (is_loopback(name) or name in self._allow_hosts):
            return PlainTextResponse(
                "This page answers to localhost only; behind a proxy, start it with "
                "--allow-host NAME.\n",
                421,
            )
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        origin = headers.get("origin")
        embedded = headers.get("sec-fetch-mode", "navigate") != "navigate"
        elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site") and embedded
        if elsewhere or (changes and origin is not None and not self._is_own(origin, host)):
            return PlainTextResponse("Another site's page may not use this one.\n", 403)
        if self._basic and not (self._knows_password(headers) or self._has_cookie(headers)):
            return PlainTextResponse(
                "User and password, please.\n",
                401,
                {"WWW-Authenticate": 'Basic realm="FMANet Live", charset="UTF-8"'},
            )
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether a page of `origin` is this one: a proxy may ask by another name than it shows."""
        address = urlsplit(origin)
        return address.netloc == host or _hostname(address.netloc) in self._allow_hosts

    def _knows_password(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            decoded = base64.b64decode(given.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(decoded, self._basic)

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(
            cookie.value.encode(), self._token.encode()
        )

    def _with_headers(self, headers: Headers, send: Send) -> Send:
        wants_cookie = bool(self._basic) and not self._has_cookie(headers)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer["x-frame-options"] = "DENY"
                answer.append("content-security-policy", "frame-ancestors 'none'")
                if wants_cookie:
                    secure = "; Secure" if self._https else ""
                    answer.append(
                        "set-cookie",
                        f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict{secure}",
                    )
            await send(message)

        return send_with_headers


def _hostname(host: str) -> str | None:
    """The name in a Host header, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
