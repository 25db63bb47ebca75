"""Who may do what at the page: passwords, who only looks, guesses, sources, nonsense."""

import base64
import http.client
import json
import os
import selectors
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import create_connection
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import AUTH, Served, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import realtime.live_threads as run
import run_live
from model.errors import InputError
from realtime.config import LiveConfig
from realtime.password_options import AUTH as AUTH_VARIABLE
from realtime.password_options import VIEW, take_passwords
from realtime.recording.plan import RecordPlan
from realtime.sessions.line_file import read_lines
from realtime.sessions.reader import open_session
from realtime.sources.browser import MAX_JPEG_BYTES
from realtime.stream.clock import monotonic_s
from realtime.ui import sockets
from realtime.ui.allowed_sources import check_source
from realtime.ui.closed_routes import LONGEST_BODY
from realtime.ui.connections import MESSAGES_PER_S
from realtime.ui.event_pictures import MOST_WAITING
from realtime.ui.login_throttle import FORGIVEN_S, FREE, KEPT, MAX_WAIT_S, Throttle
from realtime.ui.messages import MAX_CHARACTERS, answer_ping, parse_message
from realtime.ui.sockets import FRAME_HEADER, MOST_SKIPPED

LOOK = "only look"
TIMEOUT_S = 60
DRAFT = json.dumps(
    {"participant": "P07", "consent": "", "pictures": False, "codec": "h264", "minutes": 1.5}
)


def small_demo(untrained: Path, **options: Any) -> LiveConfig:
    return LiveConfig(
        source="demo", fps=5, width=200, height=150, classifier=str(untrained), **options
    )


@pytest.fixture(scope="module")
def served(untrained: Path) -> Iterator[Served]:
    config = small_demo(untrained, auth=AUTH, view_password=LOOK)
    with serving(config) as served:
        yield served


def basic(user: str, password: str) -> dict[str, str]:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


OPERATOR, VIEWER = basic(*AUTH), basic("Ben", LOOK)


def answer(
    served: Served, path: str, headers: dict[str, str], method: str = "GET"
) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        got = connection.getresponse()
        return got.status, dict(got.getheaders())
    finally:
        connection.close()


def post(served: Served, path: str, body: bytes | Iterator[bytes]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may be enough before all is sent
            connection.request("POST", path, body, OPERATOR | {"Content-Type": "application/json"})
        got = connection.getresponse()
        return got.status, got.read()
    finally:
        connection.close()


def view(served: Served, headers: dict[str, str]) -> ClientConnection:
    return connect(
        f"ws://127.0.0.1:{served.port}/live/view", additional_headers=headers, max_size=2**24
    )


def receive(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of that kind; frames are acknowledged."""
    while True:
        message = socket.recv(TIMEOUT_S)
        if isinstance(message, str):
            said: dict[str, Any] = json.loads(message)
            if said["type"] == kind:
                return said


def test_who_only_looks_sees_what_is_live_and_changes_nothing(served: Served) -> None:
    for path in ("/", "/live/wheel.png", "/live/health", "/config"):
        assert answer(served, path, VIEWER)[0] == 200, path
    for path in ("exported/a.csv", "exported.zip?file=a.csv", "report.html"):
        assert answer(served, f"/live/review/P07/{path}", OPERATOR)[0] == 404
        assert answer(served, f"/live/review/P07/{path}", VIEWER)[0] == 403
    for path in ("/live/study/state", "/live/review/sessions"):
        assert answer(served, path, OPERATOR)[0] == 200
        assert answer(served, path, VIEWER)[0] == 403
    for path in ("/live/study/start", "/live/study/stop", "/live/study/forget", "/live/x"):
        assert answer(served, path, VIEWER, "POST")[0] == 403
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{served.port}/live/camera", additional_headers=VIEWER)
    run = served.session.snapshot().run
    with view(served, VIEWER) as socket:
        assert not receive(socket, "hello")["may_control"]
        for command in ({"do": "stop"}, {"do": "pause"}, {"do": "switch", "source": "demo"}):
            socket.send(json.dumps(command | {"sure": True}))
            assert "only lets you look" in receive(socket, "error")["message"]
    assert served.session.snapshot().state == "running"
    assert served.session.snapshot().run == run
    with view(served, OPERATOR) as socket:
        assert receive(socket, "hello")["may_control"]


@pytest.mark.parametrize(
    "path",
    [
        "//live/study/state",
        "/live//study/state",
        "/live/./study/state",
        "/live/events/../study/state",
        "/live/%73tudy/state",
        "/live/study%2fstate",
        "/LIVE/study/state",
        "/live/study/state/",
        "/live/static/../study/state",
        "/live/static/..%2f..%2fserver.py",
        "/;/live/study/state",
    ],
)
def test_no_spelling_of_an_address_leads_around_it(served: Served, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        connection.request("GET", path, headers=VIEWER)
        got = connection.getresponse()
        assert b"draft" not in got.read()
        assert got.status in (307, 400, 403, 404)
    finally:
        connection.close()


def test_a_cookie_keeps_the_role_that_it_was_given_for(served: Served) -> None:
    _, headers = answer(served, "/live/wheel.png", VIEWER)
    cookie = headers["set-cookie"].split(";")[0]
    assert answer(served, "/live/wheel.png", {"Cookie": cookie})[0] == 200
    assert answer(served, "/live/study/state", {"Cookie": cookie})[0] == 403
    name, _, value = cookie.partition("=")
    role, user, signature = value.split(".")
    for forged in (f"control.{user}.{signature}", f"{role}.{user}.", "..", "control..", "x"):
        assert answer(served, "/live/wheel.png", {"Cookie": f"{name}={forged}"})[0] == 401
    # The operator's password counts, whatever cookie comes with it.
    assert answer(served, "/live/study/state", {"Cookie": cookie, **OPERATOR})[0] == 200


def test_a_header_makes_nobody_another_guesser(untrained: Path) -> None:
    config = small_demo(untrained, auth=AUTH, allow_hosts=("hub.example",))
    with serving(config) as served:
        for number in range(FREE):
            guess = basic("ana", f"guess {number}") | {"X-Forwarded-For": f"10.0.0.{number}"}
            answer(served, "/live/wheel.png", guess)
        guess = basic("ana", "the last") | {"X-Forwarded-For": "10.0.0.99"}
        assert answer(served, "/live/wheel.png", guess)[0] == 429


def test_a_long_cookie_costs_no_time_and_goes_no_further(served: Served) -> None:
    # http.cookies takes 11 s of the event loop for this one.
    cookie = {"Cookie": 'fmanet_live="' + "\\" * 60_000 + '"'}
    began_s = monotonic_s()
    assert answer(served, "/live/wheel.png", cookie)[0] == 401
    assert answer(served, "/config", cookie | VIEWER)[0] == 200
    assert monotonic_s() - began_s < 5


def test_a_cookie_over_https_stays_there(served: Served) -> None:
    for headers, secure in (({}, False), ({"X-Forwarded-Proto": "https"}, True)):
        _, given = answer(served, "/live/wheel.png", VIEWER | headers)
        assert given["set-cookie"].endswith("; Secure") == secure
        assert given["x-content-type-options"] == "nosniff"


def test_whoever_guesses_waits_and_who_has_a_cookie_does_not(untrained: Path) -> None:
    with serving(small_demo(untrained, auth=AUTH, view_password=LOOK)) as served:
        cookie = answer(served, "/live/wheel.png", OPERATOR)[1]["set-cookie"].split(";")[0]
        for number in range(FREE - 1):
            assert answer(served, "/live/wheel.png", basic("ana", f"guess {number}"))[0] == 401
            # Who guesses may share the address of who knows.
            for knows in (VIEWER, OPERATOR):
                assert answer(served, "/live/wheel.png", knows)[0] == 200
        assert answer(served, "/live/wheel.png", basic("ana", "the last"))[0] == 429
        status, headers = answer(served, "/live/wheel.png", OPERATOR)
        assert status == 429
        assert int(headers["retry-after"]) >= 1
        assert answer(served, "/live/wheel.png", {"Cookie": cookie})[0] == 200


def test_waits_grow_and_end() -> None:
    now_s = 100.0
    throttle = Throttle(lambda: now_s)
    for _ in range(FREE - 1):
        throttle.count("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") == 0
    waits = []
    for _ in range(9):
        throttle.count("10.0.0.1")
        waits.append(throttle.wait_s("10.0.0.1"))
    assert waits == [1, 2, 4, 8, 16, 32, MAX_WAIT_S, MAX_WAIT_S, MAX_WAIT_S]
    assert throttle.wait_s("10.0.0.2") == 0
    now_s += MAX_WAIT_S
    assert throttle.wait_s("10.0.0.1") == 0
    now_s += FORGIVEN_S
    throttle.count("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") == MAX_WAIT_S
    now_s += MAX_WAIT_S + FORGIVEN_S + 1
    throttle.count("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") == 0
    for _ in range(FREE):
        throttle.count("2001:db8:0:1::5")
    assert throttle.wait_s("2001:db8:0:1::77") > 0, "the same household"
    assert throttle.wait_s("2001:db8:0:2::5") == 0
    for number in range(KEPT + 10):
        throttle.count(f"10.1.{number // 256}.{number % 256}")
    assert len(throttle._wrong) == KEPT


def given_options(**options: object) -> dict[str, Any]:
    return {"auth": None, "auth_file": None, "view_password": None, **options}


def test_passwords_come_from_options_files_and_variables(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    assert take_passwords(given_options(), {}) == (None, None)
    assert take_passwords(given_options(auth="ana:a:b"), {}) == (("ana", "a:b"), None)
    path.write_bytes(b"\xef\xbb\xbfana:secret\r\n")
    assert take_passwords(given_options(auth_file=path), {}) == (("ana", "secret"), None)
    path.write_text("ana:secret\nlook\n")
    assert take_passwords(given_options(auth_file=path), {}) == (("ana", "secret"), "look")
    variables = {AUTH_VARIABLE: "eve:other", VIEW: "look too"}
    assert take_passwords(given_options(), variables) == (("eve", "other"), "look too")
    assert take_passwords(given_options(auth="a:b"), variables) == (("a", "b"), "look too")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "first line of --auth-file"),
        (b"secret", "needs user:password"),
        (b"\xff\xfe\xff", "not text"),
    ],
)
def test_a_file_without_passwords_is_told_without_saying_them(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "auth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        take_passwords(given_options(auth_file=path), {})
    assert "secret" not in str(error.value)


def test_passwords_that_contradict_are_refused(tmp_path: Path, untrained: Path) -> None:
    path = tmp_path / "auth"
    path.write_text("ana:secret\nlook")
    with pytest.raises(InputError, match="give one of them"):
        take_passwords(given_options(auth="a:b", auth_file=path), {})
    with pytest.raises(InputError, match="give one of them"):
        take_passwords(given_options(auth_file=path, view_password="x"), {})
    with pytest.raises(InputError, match="is empty"):
        take_passwords(given_options(auth="a:b", view_password=""), {})
    with pytest.raises(InputError, match="needs --auth"):
        LiveConfig(view_password="x")
    with pytest.raises(InputError, match="choose another"):
        LiveConfig(auth=("a", "b"), view_password="b")
    assert "look" not in repr(LiveConfig(auth=("a", "b"), view_password="look"))


def test_the_command_line_knows_these_options() -> None:
    options = vars(run_live.parser().parse_args(["--allow-sources", "a", "b", "--auth-file", "f"]))
    assert options["allow_sources"] == ["a", "b"]
    assert options["auth_file"] == Path("f")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("POST", "/upload"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/run/predict"),
        ("GET", "/gradio_api/file=/etc/hostname"),
        ("GET", "/file=/etc/hostname"),
        ("GET", "/gradio_api/proxy=http://localhost/"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/monitoring"),
        ("GET", "/openapi.json"),
    ],
)
def test_what_gradio_brings_and_nobody_uses_is_closed(
    served: Served, method: str, path: str
) -> None:
    assert answer(served, path, OPERATOR, method)[0] == 404


def test_a_page_for_others_opens_only_what_it_offers(untrained: Path, tmp_path: Path) -> None:
    inside, outside = tmp_path / "clips", tmp_path / "other"
    inside.mkdir()
    outside.mkdir()
    for folder in (inside, outside):
        (folder / "a.mkv").write_bytes(b"")
    (inside / "link.mkv").symlink_to(outside / "a.mkv")
    (tmp_path / "clips-too").mkdir()

    def may(spec: str, *allowed: str, host: str = "0.0.0.0") -> bool:
        config = small_demo(untrained, host=host, auth=AUTH, allow_sources=allowed)
        try:
            check_source(spec, config)
        except InputError:
            return False
        return True

    for offered in ("auto", "demo", "browser", "0", "1", "demo:rest", "loop", "loop:demo"):
        assert may(offered), offered
    clip, other = str(inside / "a.mkv"), str(outside / "a.mkv")
    for spec in (clip, f"file:{clip}", f"loop:{clip}", str(inside), "/etc/passwd", "absent.mkv"):
        assert not may(spec), spec
        assert may(spec, host="127.0.0.1"), spec
    for spec in (clip, f"file:{clip}", f"loop:file:{clip}", str(inside), f"folder:{inside}"):
        assert may(spec, str(inside)), spec
        assert may(spec, str(inside), host="127.0.0.1"), spec
    assert may(str(inside / "absent.mkv"), str(inside)), "told by who opens it"
    for spec in (
        other,
        f"loop:{other}",
        str(inside / "link.mkv"),
        f"{inside}/../other/a.mkv",
        str(tmp_path / "clips-too"),
        "camera:/dev/video0",
    ):
        assert not may(spec, str(inside)), spec
        assert not may(spec, str(inside), host="127.0.0.1"), spec


@pytest.mark.parametrize("proxy", [{"allow_hosts": ("hub.example",)}, {"root_path": "/lab"}])
def test_a_page_behind_a_proxy_is_one_for_others(untrained: Path, proxy: dict[str, Any]) -> None:
    config = small_demo(untrained, **proxy)
    for spec in (str(untrained), "/etc/passwd", "http://169.254.169.254/latest"):
        with pytest.raises(InputError, match="allow-sources"):
            check_source(spec, config)
    check_source("demo", config)


@pytest.mark.parametrize(
    ("spec", "may"),
    [
        ("rtsp://cam.lan/live", True),
        ("rtsp://me:secret@cam.lan/live/2?channel=1", True),
        ("rtsp://cam.lan/lively", False),
        ("rtsp://cam.lan/live/../admin", False),
        ("rtsp://cam.lan/live/%2e%2e/admin", False),
        ("rtsp://cam.lan:555/live", False),
        ("http://cam.lan/live", False),
        ("rtsp://cam.lan@evil/live", False),
        ("rtsp://evil#@cam.lan/live", False),
        ("rtsp://evil\\@cam.lan/live", False),
        ("rtsp://cam.lan/live\r\nX: y", False),
        ("rtsp://cam.lan:port/live", False),
        ("loop:rtsp://evil/live", False),
    ],
)
def test_addresses_are_allowed_by_server_and_path(spec: str, may: bool) -> None:
    config = LiveConfig(host="0.0.0.0", auth=AUTH, allow_sources=("rtsp://cam.lan/live",))
    if may:
        check_source(spec, config)
    else:
        with pytest.raises(InputError, match="allow-sources") as error:
            check_source(spec, config)
        assert "secret" not in str(error.value)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "~nobody-of-that-name", "loop.mkv"])
def test_what_no_file_can_be_called_is_not_allowed(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop.mkv").symlink_to("loop.mkv")
    here = str(tmp_path / name) if name == "loop.mkv" else name
    for spec, allowed in ((here, str(tmp_path / "other")), (str(tmp_path / "other"), here)):
        config = LiveConfig(host="0.0.0.0", auth=AUTH, allow_sources=(allowed,))
        with pytest.raises(InputError, match="allow-sources"):
            check_source(spec, config)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("study/draft", '{"participant": {"\\ud800": NaN}}', "participant"),
        ("study/draft", DRAFT.replace("1.5", "NaN"), "minutes"),
        ("study/draft", DRAFT.replace("1.5", "1e999"), "minutes"),
        ("study/note", '{"text": "s", "at_s": -Infinity}', "at_s"),
        ("study/forget", '{"seconds": NaN}', "seconds"),
        ("review/S/edit", '{"coder": NaN}', "coder"),
        ("study/draft", "[" * 9000, ""),
    ],
)
def test_nonsense_in_a_request_is_answered_and_not_kept(
    served: Served, path: str, body: str, field: str
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    headers = OPERATOR | {"Content-Type": "application/json"}
    connection.request("POST", f"/live/{path}", body, headers)
    answered = connection.getresponse()
    told = json.loads(answered.read())
    assert answered.status in ((422,) if field else (400, 422))
    assert told.get("error", "").startswith(field)
    connection.request("GET", "/live/study/state", headers=OPERATOR)
    state = connection.getresponse()
    assert (state.status, json.loads(state.read())["draft"]["minutes"]) == (200, None)
    connection.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x00binary",
        "[" * 100_000,
        '{"ping": ' + "9" * 4000 + "}",
        '{"ack": 0, "painted_s": ' + "9" * 400 + "}",
        '{"ack": 0, "painted_s": Infinity}',
        '{"ack": [1], "painted_s": NaN}',
        '{"do": {"a": 1}}',
        '{"do": "start", "source": "' + "x" * 100_000 + '"}',
        "1" * 5000,
    ],
)
def test_nonsense_costs_nobody_but_its_sender(
    served: Served, nonsense: str | bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with view(served, OPERATOR) as other, view(served, OPERATOR) as socket:
        receive(socket, "status")
        socket.send(nonsense)
        with suppress(ConnectionClosed):  # or it is ignored
            socket.send(json.dumps({"ping": 1.0}))
            assert receive(socket, "pong")["server_s"] > 0
        assert socket.close_code in (None, 1003, 1009)
        other.send(json.dumps({"ping": 2.0}))
        while receive(other, "pong")["ping"] != 2.0:
            pass
    assert served.session.snapshot().state == "running"
    assert served.session.snapshot().painted.max < 1e6
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("flood", ["text", "ping", "pong", "parts"])
def test_who_sends_more_than_any_page_loses_the_socket(
    served: Served, flood: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with view(served, OPERATOR) as other, view(served, VIEWER) as socket:
        receive(socket, "status")
        sent = {
            "text": lambda: socket.send('{"ping": 1}'),
            "ping": lambda: socket.ping(),
            "pong": lambda: socket.pong(),
            "parts": lambda: socket.send(" " for _ in range(2 * MESSAGES_PER_S)),
        }[flood]
        with suppress(ConnectionClosed, EOFError):
            for _ in range(20 * MESSAGES_PER_S):
                sent()
        with pytest.raises(ConnectionClosed):
            receive(socket, "never")
        other.send(json.dumps({"ping": 2.0}))
        assert receive(other, "pong")["ping"] == 2.0
    assert served.session.snapshot().state == "running"
    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    assert "raised exception" not in errors


def test_a_long_message_is_not_read(served: Served) -> None:
    with view(served, VIEWER) as socket:
        socket.send('{"ack": [' + "1," * MAX_CHARACTERS + "1]}")
        with pytest.raises(ConnectionClosed):
            receive(socket, "pong")
        assert socket.close_code == 1009


def test_who_only_looks_keeps_nobody_out_who_may_do_more(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MOST_VIEWERS", 2)
    with view(served, VIEWER) as one, view(served, VIEWER) as two, view(served, VIEWER) as three:
        assert receive(three, "error")["message"] == "too many pages are open: close one"
        with pytest.raises(ConnectionClosed):
            three.recv(TIMEOUT_S)
        for socket in (one, two):
            receive(socket, "status")
        with view(served, OPERATOR) as owner:
            receive(owner, "status")


def test_replays_for_who_only_looks_keep_no_thread_from_the_others(served: Served) -> None:
    asked = (
        "GET /live/events/1/0/replay.jpg HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {VIEWER['Authorization']}\r\n\r\n"
    )
    many = 60  # more than there are threads
    with ExitStack() as closed, selectors.DefaultSelector() as answered:
        with served.session.results._changed:  # all that look for an event wait
            for _ in range(many):
                address = ("127.0.0.1", served.port)
                socket = closed.enter_context(create_connection(address, TIMEOUT_S))
                socket.sendall(asked.encode())
                answered.register(socket, selectors.EVENT_READ)
            refused = 0
            while refused < many - MOST_WAITING - 1:
                for key, _ in answered.select(TIMEOUT_S):
                    answered.unregister(key.fileobj)
                    assert b" 503 " in key.fileobj.recv(65536)  # type: ignore[union-attr]
                    refused += 1
            assert answer(served, "/live/review/sessions", OPERATOR)[0] == 200
        for key in list(answered.get_map().values()):
            assert b" 404 " in key.fileobj.recv(65536)  # type: ignore[union-attr]


def test_half_a_character_stops_no_page(served: Served) -> None:
    half = b'{"text": "\\ud800 and more"}'
    for path in ("note", "key", "question", "protocol"):
        status, said = post(served, f"/live/study/{path}", half)
        assert (status, "error" in json.loads(said)) == (200, True), path
    wish = {"participant": "P1", "consent": "@", "pictures": False, "codec": "@", "minutes": 1}
    for codec in ("@", "h264"):
        body = json.dumps(wish | {"codec": codec}).replace("@", "\\ud800").encode()
        assert post(served, "/live/study/draft", body)[0] == 200
    assert answer(served, "/live/study/state", OPERATOR)[0] == 200


def test_more_than_any_page_sends_is_not_taken(served: Served) -> None:
    note = json.dumps({"text": "x" * LONGEST_BODY}).encode()
    assert post(served, "/live/study/note", note)[0] == 413
    assert post(served, "/live/study/note", iter([b"x" * LONGEST_BODY] * 3))[0] == 413
    status, said = post(served, "/live/study/protocol", b'{"text": "a = %s"}' % (b"[" * 60_000))
    assert (status, "nested too deep" in json.loads(said)["error"]) == (200, True)


@given(st.dictionaries(st.sampled_from(["ack", "painted_s", "ping", "do", "sure", "x"]), JSON))
def test_any_message_is_taken_without_a_crash(message: dict[str, Any]) -> None:
    read = parse_message(json.dumps(message))
    assert read is not None
    assert read.painted_s is None or "painted_s" in message
    json.dumps(answer_ping(read), allow_nan=False)


def test_a_camera_that_sends_nonsense_makes_room_for_the_next(
    untrained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    now_s = monotonic_s()
    config = LiveConfig(source="browser", classifier=str(untrained))
    with serving(config) as served:
        url = f"ws://127.0.0.1:{served.port}/live/camera"
        for nonsense, code in (
            (b"", 1009),
            (FRAME_HEADER.pack(now_s, 0.0, 0), 1009),
            (FRAME_HEADER.pack(float("nan"), 0.0, 0) + jpeg, 1007),
            (FRAME_HEADER.pack(now_s, float("inf"), 0) + jpeg, 1007),
            ("[" * 50_000, 1009),
        ):
            with connect(url) as socket:
                socket.send(nonsense)
                with pytest.raises(ConnectionClosed):
                    socket.recv(TIMEOUT_S)
                assert socket.close_code == code
        with connect(url) as socket:
            with suppress(ConnectionClosed):  # it may be enough before all is sent
                socket.send(FRAME_HEADER.pack(now_s, 0.0, 0) + bytes(MAX_JPEG_BYTES + 1))
            with pytest.raises(ConnectionClosed):
                socket.recv(TIMEOUT_S)
        with connect(url) as socket:
            socket.send("[" * 4000)
            assert json.loads(socket.recv(TIMEOUT_S))["type"] == "pong"
            for skipped, data in ((0, jpeg), (2, jpeg), (2**32 - 1, b"\xff\xd8nonsense" + jpeg)):
                now_s += 0.01
                socket.send(FRAME_HEADER.pack(now_s, 0.0, skipped) + data)
                assert json.loads(socket.recv(TIMEOUT_S)) == {"credit": 1}
            last = None
            while last != 3:
                step = served.session.results.latest_step(last, TIMEOUT_S)
                assert step is not None
                last = step.frame.stamp.index
        source = served.session.source
        assert source is not None
        while not source.status().unusable:
            assert served.session.results.latest_step(last, 0.01) is None
        assert source.status().dropped == {"skipped by the browser": 2 + MOST_SKIPPED}
        assert source.status().unusable == {"damaged JPEG": 1}
    assert "Traceback" not in capfd.readouterr().err


def test_a_thousand_commands_lose_the_socket_that_sent_them(served: Served) -> None:
    with view(served, OPERATOR) as other, view(served, OPERATOR) as socket:
        with suppress(ConnectionClosed):
            for _ in range(1000):
                socket.send(json.dumps({"do": "switch", "source": "absent.mkv"}))
            receive(socket, "nothing of this kind")
        # What the server no longer reads resets the connection, which may overtake its reason.
        assert socket.close_code in (1008, 1006)
        assert receive(other, "status")["state"] == "running"


def test_a_recording_is_not_ended_without_a_question(untrained: Path, tmp_path: Path) -> None:
    with serving(small_demo(untrained, auth=AUTH)) as served:
        served.session.record(RecordPlan(tmp_path / "s", "P07"))
        with view(served, OPERATOR) as socket:
            for name in ("pause", "stop"):
                socket.send(json.dumps({"do": name}))
                asked = receive(socket, "confirm")
                assert asked["do"] == name
                assert "A recording is in progress" in asked["question"]
                assert served.session.snapshot().state == "running"
            socket.send(json.dumps({"do": "switch", "source": "rtsp://me:secret@cam/x"}))
            refused = receive(socket, "error")["message"]
            assert "stop the recording before changing the source" in refused
            assert "secret" not in refused
            socket.send(json.dumps({"do": "stop", "sure": True}))
            while receive(socket, "status")["state"] != "stopped":
                pass
    audit = [json.loads(line) for line in read_lines(tmp_path / "s" / "audit.jsonl")]
    assert [line["did"] for line in audit] == ["stop"]
    assert audit[0]["who"] == f"{AUTH[0]} at 127.0.0.1"
    assert audit[0]["utc"]
    assert open_session(tmp_path / "s").document["state"] == "complete"


def test_a_failure_that_is_a_bug_is_told_on_the_page_in_one_line(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nmore of it")

    with serving(small_demo(untrained)) as served, view(served, {}) as socket:
        served.session.stop()
        with monkeypatch.context() as broken:
            broken.setattr(run, "open_pipeline", fails)
            socket.send(json.dumps({"do": "start"}))
            line = "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB."
            assert receive(socket, "error")["message"] == line
            status = receive(socket, "status")
            assert (status["state"], status["message"]) == ("failed", line)
        socket.send(json.dumps({"do": "start"}))
        while receive(socket, "status")["state"] != "running":
            pass


@pytest.mark.skipif(os.name != "posix", reason="reads the list of processes")
def test_a_file_keeps_the_password_out_of_the_options(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    path.write_text("ana:secret\n")
    options = vars(run_live.parser().parse_args(["--auth-file", str(path)]))
    assert take_passwords(options, {}) == (("ana", "secret"), None)
    assert "secret" not in str(options)
