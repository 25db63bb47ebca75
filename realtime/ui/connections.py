"""Connections: limits their number, and what each may cost the program.

Anyone who reaches the port may open connections before any password is asked for. Each uses one of
the program's open files, and recordings need some too.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from realtime.stream.clock import monotonic_s
from realtime.ui.login_throttle import network

MOST = 512
"""Connections at once if the system allows twice as many open files; otherwise half of those."""
ONES_SHARE = 4
"""One address may have one in this many."""
BACKLOG = 64
"""Connections that may wait to be accepted. The limit closes one only after it is accepted."""
REQUEST_S = 10.0
"""A connection without a request for this long is closed."""
MESSAGES_PER_S = 400
"""A page acknowledges each frame, at most 300 a second."""
SHORT_BYTES = 1024
CHUNK_BYTES = 16 * 2**10
"""Bytes per read from a socket: thousands of the shortest messages, while others wait."""
UNREAD_BYTES = 16 * 2**20
"""Far more than two frames and the news; a client that leaves this much unread is disconnected."""


class Listener(socket.socket):
    """A listening socket with a limit on connections. Windows' event loop does not use its
    `accept`."""

    def __init__(self, family: int, kind: int, protocol: int, most: int | None = None) -> None:
        super().__init__(family, kind, protocol)
        self._most = min(MOST, _files() // 2) if most is None else most
        self._open: Counter[str] = Counter()

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept as any socket does. Raises `ConnectionAbortedError` above the limit."""
        taken, address = super().accept()
        where = network(address[0])
        if self._open.total() >= self._most or self._open[where] >= self._most // ONES_SHARE:
            taken.close()
            raise ConnectionAbortedError("too many connections")
        self._open[where] += 1
        return _Connection(taken, lambda: self._let_go(where)), address

    def _let_go(self, where: str) -> None:
        self._open[where] -= 1
        self._open += Counter()  # only what is above zero stays


class _Connection(socket.socket):
    def __init__(self, taken: socket.socket, let_go: Callable[[], None]) -> None:
        super().__init__(fileno=taken.detach())
        self._let_go: Callable[[], None] | None = let_go

    def close(self) -> None:
        """Close as any socket does, and make room for another."""
        super().close()
        if self._let_go is not None:
            self._let_go()
            self._let_go = None


class Http(H11Protocol):
    """HTTP that closes connections without requests."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """uvicorn's, and see the class."""
        super().connection_made(transport)
        self.loop.call_later(REQUEST_S, self._watch, None)

    def _watch(self, answered: object) -> None:
        """Close if nothing was asked since `answered` was recorded."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return  # gone, or a socket of its own now
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self.cycle is answered:
            self.transport.abort()
        else:
            self.loop.call_later(REQUEST_S, self._watch, self.cycle if waits else self)


class WebSocket(WebSocketsSansIOProtocol):
    """A socket that is closed if it sends more, or leaves more unread, than any page would."""

    _since_s, _messages = 0.0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """uvicorn's, and see the class."""
        super().connection_made(transport)
        transport.max_size = CHUNK_BYTES  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """uvicorn's, and see the class: pings are answered whether or not the answers are read."""
        if self.transport.get_write_buffer_size() > UNREAD_BYTES:
            self.transport.abort()
        elif not self.transport.is_closing():
            super().data_received(data)

    async def send(self, message: ASGISendEvent) -> None:
        """uvicorn's; raises `ClientDisconnected` after the end, whoever's it was."""
        if self.handshake_complete and (self.close_sent or self.transport.is_closing()):
            raise ClientDisconnected
        await super().send(message)

    def handle_text(self, event: Frame) -> None:
        """uvicorn's, counted."""
        if self._is_bearable():
            super().handle_text(event)

    def handle_cont(self, event: Frame) -> None:
        """uvicorn's, counted if it is short: browsers send long messages in parts."""
        if len(event.data) > SHORT_BYTES or self._is_bearable():
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """uvicorn's, counted."""
        if self._is_bearable():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """uvicorn's, counted."""
        if self._is_bearable():
            super().handle_pong(event)

    def _is_bearable(self) -> bool:
        now_s = monotonic_s()
        if now_s - self._since_s >= 1:
            self._since_s, self._messages = now_s, 0
        self._messages += 1
        if self._messages > MESSAGES_PER_S:
            self.transport.abort()
        return self._messages <= MESSAGES_PER_S


def _files() -> int:
    """Return how many files the program may have open."""
    try:
        import resource
    except ImportError:  # Windows
        return 2 * MOST
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2 * MOST if files == resource.RLIM_INFINITY else files
