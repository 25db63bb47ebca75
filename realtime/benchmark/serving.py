"""A server in a thread of its own, for as long as it is needed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

STOP_S = 20.0


@contextmanager
def running(server: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    """Have `server` answer on `listener`. Raises `RuntimeError` if it does not end in time."""
    thread = threading.Thread(target=server.run, args=([listener],), name="server")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        if thread.is_alive():
            raise RuntimeError("the server does not stop")
