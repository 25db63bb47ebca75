"""The page's server: from the options to an open page, until Ctrl-C."""

import asyncio
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_address

import psutil
import uvicorn
from fastapi import FastAPI

from model.errors import InputError
from realtime.config import LiveConfig, is_loopback
from realtime.live import LiveSession
from realtime.sources.browser import MAX_JPEG_BYTES
from realtime.ui.calibration import Calibrator
from realtime.ui.connections import BACKLOG, Http, Listener, WebSocket
from realtime.ui.page import build_app
from realtime.ui.sockets import FRAME_HEADER

SHUTDOWN_S = 3
EVERY_ADDRESS = ("0.0.0.0", "::")


def serve(config: LiveConfig, calibrator: Calibrator | None = None) -> None:
    """Run a live session with its page until Ctrl-C. With a `calibrator`, the page has the
    Calibrate tab.

    Prints the page's address, and opens it in the browser if `config` says so. Raises `InputError`
    if the source cannot be opened or the port is taken.
    """
    with open_listener(config.host, config.port) as listener:
        address = make_page_address(config, listener)
        session = LiveSession(config, None if calibrator is None else calibrator.take)
        # Before capture starts: building the page keeps Python busy for a second.
        server = build_server(session, config, calibrator)
        with session:
            print(f"FMANet Live: {address}   (Ctrl-C ends it)", flush=True)
            for other in list_addresses(config, listener):
                print(f"from other devices: {other}", flush=True)
            if warning := warn_unencrypted(config):
                print(f"warning: {warning}", file=sys.stderr)
            if config.open_browser:
                # The listener queues the request until the server is up. In a thread: a terminal
                # browser, all that some servers have, blocks its caller until it is closed.
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            with _ignore_signals():
                server.run(sockets=[listener])


def build_server(
    session: LiveSession, config: LiveConfig, calibrator: Calibrator | None = None
) -> uvicorn.Server:
    """Return a server of the page of `session`."""
    if calibrator is not None:
        calibrator.attach(session)
    return uvicorn.Server(
        uvicorn.Config(
            _build_app_in_loop(session, calibrator),
            log_level="warning",
            # JPEGs get no smaller, and zlib would cost more per frame than the JPEG encoder.
            ws_per_message_deflate=False,
            # With proxy headers, a password guesser could give another address each time.
            proxy_headers=False,
            ws_max_size=MAX_JPEG_BYTES + FRAME_HEADER.size,
            loop="asyncio",  # uvloop does not call the listener's `accept`
            http=Http,
            ws=WebSocket,
            backlog=BACKLOG,
            timeout_graceful_shutdown=SHUTDOWN_S,
            ssl_certfile=config.tls_cert,
            ssl_keyfile=config.tls_key,
        )
    )


def _build_app_in_loop(session: LiveSession, calibrator: Calibrator | None) -> FastAPI:
    """Build the app inside an event loop: outside one, Gradio opens a loop for each of its locks
    and leaves it open. A new thread runs the loop, because the caller's thread may have one."""

    async def build() -> FastAPI:
        return build_app(session, calibrator=calibrator)

    with ThreadPoolExecutor(1) as builder:
        return builder.submit(asyncio.run, build()).result()


@contextmanager
def _ignore_signals() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM, which uvicorn raises again after they have ended it: the session
    must still be stopped."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def open_listener(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises `InputError` if `host` or `port` cannot be used; call this
    first, so that the user need not wait for the models to learn that."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise InputError(f"--host {host} is not an address of this machine ({error})") from None
    listener = Listener(family, kind, protocol)
    if os.name == "posix":  # on Windows this would let two programs share a port
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


def make_page_address(config: LiveConfig, listener: socket.socket) -> str:
    """Return the page's address for a browser on this machine."""
    host = "localhost" if config.host in EVERY_ADDRESS else config.host
    return _format_address(config, listener, host)


def list_addresses(
    config: LiveConfig, listener: socket.socket, machine: Iterable[str] | None = None
) -> list[str]:
    """Return the page's addresses for browsers on other devices, if it listens on every address of
    this machine; otherwise none. `machine`: the machine's addresses; None: ask the system."""
    if config.host not in EVERY_ADDRESS:
        return []
    found = map(ip_address, _machine_addresses() if machine is None else machine)
    family = ip_address(config.host).version
    hosts = [
        str(a) for a in found if a.version == family and not (a.is_loopback or a.is_link_local)
    ]
    return [_format_address(config, listener, host) for host in hosts]


def warn_unencrypted(config: LiveConfig) -> str | None:
    """Return a warning if passwords and pictures leave this machine unencrypted; otherwise None."""
    if config.tls_cert is not None or is_loopback(config.host):
        return None
    return (
        "without --tls-cert and --tls-key the password and the pictures of the face can be read by "
        "others in this network"
    )


def _machine_addresses() -> Iterator[str]:
    states = psutil.net_if_stats()
    for name, addresses in psutil.net_if_addrs().items():
        if name in states and states[name].isup:
            for each in addresses:
                if each.family in (socket.AF_INET, socket.AF_INET6):
                    yield each.address.partition("%")[0]  # without the name of the interface


def _format_address(config: LiveConfig, listener: socket.socket, host: str) -> str:
    scheme = "http" if config.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
