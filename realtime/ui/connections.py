"""Limits the number of connections, and what each may cost the program.

Anyone who reaches the port can open connections before the password is asked for. Each is one of
the program's open files, and recordings need some of those too.
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
from realtime.ui.login_throttle import find_household

MAX_CONNECTIONS = 512
"""Connections at once; fewer if that is more than half of the open files that the system allows."""
ADDRESS_SHARE = 4
"""One address may have this fraction of the connections: one in four."""
BACKLOG = 64
"""Connections that may wait to be accepted. One above the limit is accepted, then closed."""
REQUEST_S = 10.0
"""A connection that sends no request for this long is closed."""
MESSAGES_PER_S = 400
"""The most that a socket may send. A page acknowledges each frame, at most 300 a second."""
SHORT_BYTES = 1024
CHUNK_BYTES = 16 * 2**10
"""Bytes per read from a socket: room for thousands of short messages, while other sockets wait."""
UNREAD_BYTES = 16 * 2**20
"""A client that leaves this much unread is disconnected. Two frames and the news are far less."""


class Listener(socket.socket):
    """A listening socket with a limit on connections. On Windows there is no limit: the event loop
    does not call `accept`."""

    def __init__(self, family: int, kind: int, protocol: int, most: int | None = None) -> None:
        super().__init__(family, kind, protocol)
        self._most = min(MAX_CONNECTIONS, _open_file_limit() // 2) if most is None else most
        self._open: Counter[str] = Counter()

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept as any socket does. Raises `ConnectionAbortedError` above the limit."""
        taken, address = super().accept()
        where = find_household(address[0])
        if self._open.total() >= self._most or self._open[where] >= self._most // ADDRESS_SHARE:
            taken.close()
            raise ConnectionAbortedError("too many connections")
        self._open[where] += 1
        return _Connection(taken, lambda: self._release(where)), address

    def _release(self, where: str) -> None:
        self._open[where] -= 1
        self._open += Counter()  # drops the addresses without connections


class _Connection(socket.socket):
    def __init__(self, taken: socket.socket, release: Callable[[], None]) -> None:
        super().__init__(fileno=taken.detach())
        self._release: Callable[[], None] | None = release

    def close(self) -> None:
        """Close as any socket does, and make room for another."""
        super().close()
        if self._release is not None:
            self._release()
            self._release = None


class Http(H11Protocol):
    """uvicorn's HTTP protocol; it also closes connections without requests."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch the connection."""
        super().connection_made(transport)
        self.loop.call_later(REQUEST_S, self._watch, None)

    def _watch(self, answered: object) -> None:
        """Close the connection if no request came after the one in `answered`."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return  # it is gone, or has become a WebSocket
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self.cycle is answered:
            self.transport.abort()
        else:
            self.loop.call_later(REQUEST_S, self._watch, self.cycle if waits else self)


class WebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol; it also closes a socket that sends more, or leaves more unread,
    than any page would."""

    _since_s, _messages = 0.0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limit the size of a read."""
        super().connection_made(transport)
        transport.max_size = CHUNK_BYTES  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Close the socket if too much is unread: uvicorn answers pings even to a client that does
        not read the answers."""
        if self.transport.get_write_buffer_size() > UNREAD_BYTES:
            self.transport.abort()
        elif not self.transport.is_closing():
            super().data_received(data)

    async def send(self, message: ASGISendEvent) -> None:
        """Send as uvicorn does. Raises `ClientDisconnected` once either side has closed."""
        if self.handshake_complete and (self.close_sent or self.transport.is_closing()):
            raise ClientDisconnected
        await super().send(message)

    def handle_text(self, event: Frame) -> None:
        """Count the message."""
        if self._count():
            super().handle_text(event)

    def handle_cont(self, event: Frame) -> None:
        """Count the message if it is short: browsers send long ones in parts."""
        if len(event.data) > SHORT_BYTES or self._count():
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Count the message."""
        if self._count():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Count the message."""
        if self._count():
            super().handle_pong(event)

    def _count(self) -> bool:
        """Count a message. Close the socket and return False if there are too many a second."""
        now_s = monotonic_s()
        if now_s - self._since_s >= 1:
            self._since_s, self._messages = now_s, 0
        self._messages += 1
        if self._messages > MESSAGES_PER_S:
            self.transport.abort()
        return self._messages <= MESSAGES_PER_S


def _open_file_limit() -> int:
    """Return how many files the program may have open at once."""
    try:
        import resource
    except ImportError:  # Windows
        return 2 * MAX_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2 * MAX_CONNECTIONS if files == resource.RLIM_INFINITY else files
