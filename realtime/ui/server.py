"""The page's server: from the options to an open page, until Ctrl-C."""

import asyncio
import os
import signal
import socket
import threading
import webbrowser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.ui.calibration import Calibrator
from realtime.ui.connections import BACKLOG, Http, Listener, WebSocket
from realtime.ui.page import build_app
from realtime.ui.sockets import HEADER, MAX_JPEG_BYTES

SHUTDOWN_S = 3


def serve(config: LiveConfig, calibrator: Calibrator | None = None) -> None:
    """Run a live session with its page until it is interrupted; `calibrator` for its tab.

    Prints the page's address and opens it in the browser unless `config` says not to. Raises
    `InputError` if the source cannot be opened or the port is taken.
    """
    with open_listener(config.host, config.port) as listener:
        address = page_address(config, listener)
        session = LiveSession(config, None if calibrator is None else calibrator.take)
        # Before capture starts: building keeps Python busy for a second.
        server = build_server(session, config, calibrator)
        with session:
            print(f"FMANet Live: {address}   (Ctrl-C ends it)", flush=True)
            if config.open_browser:
                # The listener queues the request until the server is up. Use a thread: some servers
                # have only a terminal browser, which blocks its caller until it is closed.
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            with _signals_spent():
                server.run(sockets=[listener])


def build_server(
    session: LiveSession, config: LiveConfig, calibrator: Calibrator | None = None
) -> uvicorn.Server:
    """Return uvicorn around the page of `session`; `calibrator`, if given, takes its steps."""
    if calibrator is not None:
        calibrator.attach(session)
    return uvicorn.Server(
        uvicorn.Config(
            _built(session, calibrator),
            log_level="warning",
            # A JPEG does not get smaller, and zlib per frame costs more than the encoding.
            ws_per_message_deflate=False,
            # With proxy headers, a password guesser could pose as somebody else each time.
            proxy_headers=False,
            ws_max_size=MAX_JPEG_BYTES + HEADER.size,
            loop="asyncio",  # uvloop's does not use the listener's `accept`
            http=Http,
            ws=WebSocket,
            backlog=BACKLOG,
            timeout_graceful_shutdown=SHUTDOWN_S,
            ssl_certfile=config.tls_cert,
            ssl_keyfile=config.tls_key,
        )
    )


def _built(session: LiveSession, calibrator: Calibrator | None) -> FastAPI:
    """Build the app inside an event loop: outside one, Gradio makes a loop for each of its locks
    and leaves it open. Build it in a thread, because the caller's may already have a loop."""

    async def build() -> FastAPI:
        return build_app(session, calibrator=calibrator)

    with ThreadPoolExecutor(1) as builder:
        return builder.submit(asyncio.run, build()).result()


@contextmanager
def _signals_spent() -> Iterator[None]:
    """Ignore the signal that uvicorn raises again after it ended at SIGINT or SIGTERM: the session
    must still be stopped in order."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def open_listener(host: str, port: int) -> socket.socket:
    """Return a bound socket, so that a taken port is known before models are loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise InputError(f"--host {host}: not an address of this machine ({error})") from None
    listener = Listener(family, kind, protocol)
    if os.name == "posix":  # on Windows it would let two programs share one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise InputError(
            f"--host {host} --port {port} cannot be used: {error.strerror}; choose another --port"
        ) from None
    return listener


def page_address(config: LiveConfig, listener: socket.socket) -> str:
    """Return what to type into a browser on this machine."""
    scheme = "http" if config.tls_cert is None else "https"
    host = "localhost" if config.host in ("0.0.0.0", "::") else config.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
