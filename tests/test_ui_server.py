"""The page's server as a process: its address, its end, its errors."""

import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from live_screenshots import take_screenshots
from websockets.sync.client import connect

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.ui.server import open_listener, page_address

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


def test_an_address_that_is_not_this_machines_is_told() -> None:
    with pytest.raises(InputError, match=r"--host 192\.0\.2\.1"):
        open_listener("192.0.2.1", 0)
    with pytest.raises(InputError, match=r"--host nowhere\.invalid"):
        open_listener("nowhere.invalid", 0)


def test_the_printed_address_is_one_that_a_browser_here_can_open() -> None:
    config = LiveConfig(host="127.0.0.1")
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert page_address(config, listener) == f"http://127.0.0.1:{port}/"
        everywhere = replace(config, host="0.0.0.0", auth=("ana", "secret"))
        assert page_address(everywhere, listener) == f"http://localhost:{port}/"
        assert page_address(replace(config, host="::1"), listener) == f"http://[::1]:{port}/"


@pytest.mark.browser
def test_screenshots_are_taken(tmp_path: Path, untrained: Path) -> None:
    pytest.importorskip("playwright")
    config = LiveConfig(source="demo", fps=15, classifier=str(untrained))
    taken = take_screenshots(config, tmp_path, expressions=1)
    assert [path.name for path in taken] == [
        *("live-wide.png", "live-dark.png", "live-phone.png", "live-event.png")
    ]
    assert all(path.stat().st_size > 10_000 for path in taken)
