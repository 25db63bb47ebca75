"""Guard: checks who may talk to the page, before every route and every socket, Gradio's included.

- If a password is set, a client needs it: by HTTP Basic, or by the cookie that comes with the first
  right answer, because some browsers open sockets without the Basic header. Guesses are throttled
  by the address of the connection, whatever the headers say. The app does not get the cookie.
- If a second password is set, viewers use it. They see what is live and change nothing. They see
  neither recorded sessions nor the study's form.
- A page bound to loopback answers only to loopback names. Otherwise a web site whose name is
  re-bound to 127.0.0.1 could read it with the visitor's own browser. Behind a proxy the page also
  answers to the allowed names and trusts their pages; the proxy may remove its path or leave it.
- Sockets, pictures and requests that change something must come from the page itself. Any site can
  open a WebSocket to a server on this machine or show its pictures; only `Origin` and
  `Sec-Fetch-Site` tell which site asked.
- No other page may show this one in a frame, where it could trick a visitor into pressing buttons.
"""

import base64
import binascii
import hmac
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realtime.config import is_loopback
from realtime.stream.clock import monotonic_s
from realtime.ui.closed_routes import find_route_path, strip_root
from realtime.ui.login_throttle import Throttle

COOKIE = "fmanet_live"
NAME_LENGTH = 40
"""The most characters of a user's name that are kept."""

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_NOT_FOR_VIEWERS = ("/live/camera", "/live/study/", "/live/review/", "/live/calibrate/")


@dataclass(frozen=True, slots=True)
class Person:
    """A person at a page."""

    name: str
    """User name, if there is one, and address: for the session's audit."""
    may_control: bool
    """False: the person may only look."""


def get_person(connection: HTTPConnection) -> Person:
    """Return who made this request or opened this socket. The guard must have let it in."""
    found = connection.scope["state"]["person"]
    assert isinstance(found, Person)
    return found


class Guard:
    """ASGI middleware; see the module's docstring."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        auth: tuple[str, str] | None,
        view_password: str | None = None,
        loopback: bool,
        allow_hosts: Sequence[str] = (),
        root_path: str = "",
        now: Callable[[], float] = monotonic_s,
    ) -> None:
        """`auth`: user and password; None: everyone may control. `view_password`: for viewers, with
        any user name. `loopback`: whether the server listens only on loopback. `allow_hosts`,
        `root_path`: of a proxy, see `LiveConfig`. `now`: the clock that throttles guesses."""
        self._app = app
        self._basic = b"" if auth is None else ":".join(auth).encode()
        self._view = b"" if view_password is None else view_password.encode()
        self._throttle = Throttle(now)
        # The cookie names its user; the key prevents forgery.
        self._key = secrets.token_bytes(32)
        self._loopback = loopback
        self._allow_hosts = frozenset(allow_hosts)
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._root_path:
            path = strip_root(scope["path"], self._root_path)
            scope = {**scope, "root_path": self._root_path, "path": self._root_path + path}
        headers = Headers(scope=scope)
        found = self._person(scope, headers)
        refusal = self._refusal(scope, headers, found)
        if refusal is None:
            assert found is not None
            scope.setdefault("state", {})["person"] = found
            # The app does not need the cookie, and Python takes seconds to parse a long one.
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"cookie"]
            await self._app(scope, receive, self._with_headers(scope, headers, found, send))
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before accepting: HTTP 403

    def _refusal(
        self, scope: Scope, headers: Headers, found: Person | None
    ) -> PlainTextResponse | None:
        host = headers.get("host", "")
        name = _hostname(host) or ""
        if self._loopback and not (is_loopback(name) or name in self._allow_hosts):
            return PlainTextResponse(
                "This page answers only to localhost; behind a proxy, start the program with "
                "--allow-host NAME.\n",
                421,
            )
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        origin = headers.get("origin")
        embedded = headers.get("sec-fetch-mode", "navigate") != "navigate"
        elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site") and embedded
        if elsewhere or (changes and origin is not None and not self._is_own(origin, host)):
            return PlainTextResponse("Another site's page may not use this one.\n", 403)
        if found is None:
            wait_s = self._throttle.wait_s(_address(scope))
            if wait_s > 0 and "authorization" in headers:
                seconds = math.ceil(wait_s)
                return PlainTextResponse(
                    f"Too many wrong passwords: try again in {seconds} s.\n",
                    429,
                    {"Retry-After": str(seconds)},
                )
            return PlainTextResponse(
                "This page needs a user name and a password.\n",
                401,
                {"WWW-Authenticate": 'Basic realm="FMANet Live", charset="UTF-8"'},
            )
        changes = scope["type"] == "http" and scope["method"] not in _SAFE_METHODS
        if not found.may_control and (
            changes or find_route_path(scope).startswith(_NOT_FOR_VIEWERS)
        ):
            return PlainTextResponse("This password only lets you look at what is live.\n", 403)
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """Return whether `origin` is this page's. A proxy may call this server by another name than
        browsers use."""
        try:
            address = urlsplit(origin)
        except ValueError:
            return False
        return address.netloc == host or _hostname(address.netloc) in self._allow_hosts

    def _person(self, scope: Scope, headers: Headers) -> Person | None:
        """Return who made the request; None if unknown."""
        address = _address(scope)
        if not self._basic:
            return Person(self._place(address, headers), may_control=True)
        known: Person | None = None
        if "authorization" in headers and not self._throttle.wait_s(address):
            known = self._by_password(headers)
            if known is None:
                self._throttle.count(address)
        known = known or self._by_cookie(headers)
        return known and Person(
            f"{known.name} at {self._place(address, headers)}", known.may_control
        )

    def _place(self, address: str, headers: Headers) -> str:
        """Return where the client at `address` is, for people to read. A proxy adds its client's
        address; so can any other program on its machine."""
        client = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        proxied = self._root_path or self._allow_hosts
        return f"{address} for {_printable(client.encode())}" if proxied and client else address

    def _by_password(self, headers: Headers) -> Person | None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            decoded = base64.b64decode(given.strip(), validate=True)
        except (binascii.Error, ValueError):
            return None
        user, _, password = decoded.partition(b":")
        if hmac.compare_digest(decoded, self._basic):
            return Person(_printable(user), may_control=True)
        if self._view and hmac.compare_digest(password, self._view):
            return Person(_printable(user), may_control=False)
        return None

    def _by_cookie(self, headers: Headers) -> Person | None:
        pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
        value = next((value for name, _, value in pairs if name == COOKIE), "")
        claim, _, signature = value.rpartition(".")
        if not hmac.compare_digest(self._sign(claim).encode(), signature.encode()):
            return None
        role, _, name = claim.partition(".")
        user = bytes.fromhex(name)  # this program made it
        return Person(user.decode(), may_control=role == "control")

    def _cookie(self, found: Person) -> str:
        name = found.name.partition(" at ")[0]
        claim = f"{'control' if found.may_control else 'look'}.{name.encode().hex()}"
        return f"{claim}.{self._sign(claim)}"

    def _sign(self, claim: str) -> str:
        return hmac.new(self._key, claim.encode("utf-8", "replace"), "sha256").hexdigest()

    def _with_headers(self, scope: Scope, headers: Headers, found: Person, send: Send) -> Send:
        cookie = self._cookie(found)
        https = "https" in (scope["scheme"], headers.get("x-forwarded-proto"))
        secure = "; Secure" if https else ""
        wants_cookie = bool(self._basic) and f"{COOKIE}={cookie}" not in headers.get("cookie", "")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer["x-frame-options"] = "DENY"
                answer.append("content-security-policy", "frame-ancestors 'none'")
                answer["x-content-type-options"] = "nosniff"
                if wants_cookie:
                    answer.append(
                        "set-cookie",
                        f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict{secure}",
                    )
            await send(message)

        return send_with_headers


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "this machine"


def _printable(user: bytes) -> str:
    """Return a user's name without characters that cannot be printed, shortened."""
    name = user.decode("utf-8", "replace").replace(" at ", " ")
    kept = "".join(letter for letter in name if letter.isprintable())[:NAME_LENGTH]
    return kept.strip() or "unnamed"


def _hostname(host: str) -> str | None:
    """Return the name in a Host header, without port and brackets; None if it is invalid."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
