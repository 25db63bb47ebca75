"""The page's server as a process: its address, its end, its errors."""

import http.client
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from browsing import in_browser, small_demo
from live_screenshots import take_screenshots
from served import serving
from websockets.sync.client import connect

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.ui import connections
from realtime.ui.connections import Listener
from realtime.ui.server import (
    list_addresses,
    make_page_address,
    open_listener,
    warn_unencrypted,
)

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_runs_until_it_is_interrupted(untrained: Path, number: signal.Signals) -> None:
    command = [sys.executable, "run_live.py", "--source", "demo", "--fps", "10", "--port", "0"]
    with subprocess.Popen(
        [*command, "--no-browser", "--classifier", str(untrained)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert address is not None, line
        with connect(f"ws://127.0.0.1:{address[1]}/live/view", max_size=2**24) as viewer:
            while isinstance(viewer.recv(60), str):
                pass
            process.send_signal(number)  # with a viewer still there
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_taken_port_is_told_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}.*another --port"):
            open_listener("127.0.0.1", port)


def test_a_page_for_other_devices_says_what_to_type_and_what_is_not_safe() -> None:
    machine = ["127.0.0.1", "192.168.1.5", "10.0.0.7", "::1", "fe80::1", "2001:db8::5"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        shared = LiveConfig("demo", host="0.0.0.0", auth=("ana", "secret"))
        found = list_addresses(shared, listener, machine)
        assert found == [f"http://192.168.1.5:{port}/", f"http://10.0.0.7:{port}/"]
        assert make_page_address(shared, listener) == f"http://localhost:{port}/"
        six = replace(shared, host="::")
        assert list_addresses(six, listener, machine) == [f"http://[2001:db8::5]:{port}/"]
        assert list_addresses(replace(shared, host="192.168.1.5"), listener, machine) == []
        assert list_addresses(LiveConfig("demo"), listener, machine) == []
        assert isinstance(list_addresses(shared, listener), list)
    assert "--tls-cert" in (warn_unencrypted(shared) or "")
    assert warn_unencrypted(LiveConfig("demo")) is None


def test_one_address_gets_its_share_of_the_connections() -> None:
    with ExitStack() as closed, Listener(socket.AF_INET, socket.SOCK_STREAM, 0, most=8) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        def come(address: str) -> socket.socket:
            closed.enter_context(socket.create_connection(("127.0.0.1", port), 5, (address, 0)))
            return closed.enter_context(listener.accept()[0])

        first, _ = come("127.0.0.1"), come("127.0.0.1")
        with pytest.raises(ConnectionAbortedError):
            come("127.0.0.1")
        first.close()
        first.close()  # counts once
        come("127.0.0.1")
        with pytest.raises(ConnectionAbortedError):
            come("127.0.0.1")
        for number in range(6):
            come(f"127.0.0.{2 + number}")
        with pytest.raises(ConnectionAbortedError):
            come("127.0.0.99")


def test_a_connection_on_which_nothing_is_asked_is_closed(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    config = LiveConfig(source="demo", fps=5, classifier=str(untrained))
    with serving(config) as served, ExitStack() as closed:
        silent, slow, again, viewer = (
            closed.enter_context(socket.create_connection(("127.0.0.1", served.port), 30))
            for _ in range(4)
        )
        asked = b"GET /live/health HTTP/1.1\r\nHost: localhost\r\n"
        slow.sendall(asked)
        again.sendall(asked + b"\r\n")
        while not again.recv(65536).rstrip().endswith(b"}"):
            pass
        again.sendall(asked)
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        viewer.sendall(asked.replace(b"health", b"view") + upgrade + key)
        for waits in (silent, slow, again):
            with suppress(ConnectionResetError):
                assert waits.recv(65536) == b""
        while b"captured" not in viewer.recv(65536):  # what it is told goes on
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of open files")
def test_thousands_of_connections_leave_files_for_recordings(
    untrained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = LiveConfig(source="demo", fps=5, classifier=str(untrained))
    with serving(config) as served, ExitStack() as closed:
        for _ in range(2 * connections.MAX_CONNECTIONS // connections.ADDRESS_SHARE):
            closed.enter_context(socket.create_connection(("127.0.0.1", served.port), 30))
        another = http.client.HTTPConnection("127.0.0.1", served.port, 30, ("127.0.0.2", 0))
        closed.callback(another.close)
        another.request("GET", "/live/health")
        assert another.getresponse().status == 200
    assert not capfd.readouterr().err


def test_an_address_that_is_not_this_machines_is_told() -> None:
    with pytest.raises(InputError, match=r"--host 192\.0\.2\.1"):
        open_listener("192.0.2.1", 0)
    with pytest.raises(InputError, match=r"--host nowhere\.invalid"):
        open_listener("nowhere.invalid", 0)


def test_the_printed_address_is_one_that_a_browser_here_can_open() -> None:
    config = LiveConfig(host="127.0.0.1")
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert make_page_address(config, listener) == f"http://127.0.0.1:{port}/"
        everywhere = replace(config, host="0.0.0.0", auth=("ana", "secret"))
        assert make_page_address(everywhere, listener) == f"http://localhost:{port}/"
        assert make_page_address(replace(config, host="::1"), listener) == f"http://[::1]:{port}/"


@in_browser
def test_screenshots_are_taken(tmp_path: Path, untrained: Path) -> None:
    config = replace(small_demo(untrained), width=640, height=480)
    taken = take_screenshots(config, tmp_path, expressions=1)
    assert [path.name for path in taken] == [
        *("live-wide.png", "live-dark.png", "live-phone.png", "live-event.png")
    ]
    assert all(path.stat().st_size > 10_000 for path in taken)
