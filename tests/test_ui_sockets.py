"""The page's routes and sockets, without a browser: who is let in, and what is said."""

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import AUTH, Served, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from model.labels import CLASSES
from realtime.config import LiveConfig
from realtime.recording.plan import RecordPlan
from realtime.stream.clock import monotonic_s
from realtime.ui.closed_routes import strip_root
from realtime.ui.messages import ViewerMessage, make_hello, parse_message
from realtime.ui.sockets import FRAME_HEADER


@pytest.fixture(scope="module")
def demo(untrained: Path) -> Iterator[Served]:
    size = {"width": 320, "height": 240}
    config = LiveConfig("demo", fps=15, seed=3, classifier=str(untrained), **size)
    with serving(config) as served:
        yield served


@pytest.fixture(scope="module")
def guarded(untrained: Path) -> Iterator[Served]:
    # Its run soon ends: no test needs its pictures, and they would take a processor from others.
    config = LiveConfig("demo", fps=15, seconds=1, auth=AUTH, classifier=str(untrained))
    with serving(config) as served:
        yield served


def basic(user: str, password: str) -> dict[str, str]:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


def status_of(served: Served, path: str, headers: dict[str, str], method: str = "GET") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


ROUTES = ["/", "/config", "/theme.css", "/live/static/live.js", "/live/wheel.png",
          "/live/events/1/0/replay.json"]  # fmt: skip


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_asks_for_the_password(guarded: Served, path: str) -> None:
    assert status_of(guarded, path, {}) == 401
    assert status_of(guarded, path, {"Cookie": "fmanet_live=guess"}) == 401
    assert status_of(guarded, path, basic(*AUTH)) in (200, 404)


def test_a_wrong_password_is_refused(guarded: Served) -> None:
    assert status_of(guarded, "/", basic(AUTH[0], "wrong")) == 401
    assert status_of(guarded, "/", {"Authorization": "Basic not-base64!"}) == 401


@pytest.mark.parametrize("socket", ["view", "camera"])
def test_a_socket_without_the_password_is_refused(guarded: Served, socket: str) -> None:
    url = f"ws://127.0.0.1:{guarded.port}/live/{socket}"
    for headers in ({}, basic(AUTH[0], "wrong"), {"Cookie": "fmanet_live=guess"}):
        with pytest.raises(InvalidStatus) as refused:
            connect(url, additional_headers=headers)
        assert refused.value.response.status_code == 403
    with connect(url, additional_headers=basic(*AUTH)) as allowed:
        allowed.send(json.dumps({"ping": 1.5}))
        assert any(json.loads(m).get("ping") == 1.5 for m in allowed if isinstance(m, str))


def test_the_cookie_of_a_good_answer_opens_the_socket(guarded: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=30)
    connection.request("GET", "/live/wheel.png", headers=basic(*AUTH))
    cookie = connection.getresponse().getheader("Set-Cookie")
    connection.close()
    assert cookie is not None
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
    url = f"ws://127.0.0.1:{guarded.port}/live/view"
    with connect(url, additional_headers={"Cookie": cookie.split(";")[0]}) as socket:
        assert json.loads(socket.recv(30))["type"] == "hello"


def test_another_sites_page_is_refused(demo: Served) -> None:
    url = f"ws://127.0.0.1:{demo.port}/live/view"
    with pytest.raises(InvalidStatus):
        connect(url, origin="http://evil.example")  # type: ignore[arg-type]
    with pytest.raises(InvalidStatus):
        connect(url, origin=f"http://localhost:{demo.port + 1}")  # type: ignore[arg-type]
    with connect(url, origin=f"http://127.0.0.1:{demo.port}", close_timeout=0.1):  # type: ignore[arg-type]
        pass
    assert status_of(demo, "/live/study/stop", {"Origin": "http://evil.example"}, "POST") == 403
    for origin in ("null", "http://[", f"http://127.0.0.1:{demo.port}@evil.example"):
        assert status_of(demo, "/live/study/stop", {"Origin": origin}, "POST") == 403
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert status_of(demo, "/live/wheel.png", embedded) == 403


def test_a_name_rebound_to_loopback_is_refused(demo: Served) -> None:
    assert status_of(demo, "/", {"Host": "evil.example"}) == 421
    assert status_of(demo, "/", {"Host": f"evil.example:{demo.port}"}) == 421
    assert status_of(demo, "/", {"Host": f"localhost:{demo.port}"}) == 200
    assert status_of(demo, "/", {"Host": f"127.0.0.2:{demo.port}"}) == 200  # as --host 127.0.0.2
    assert status_of(demo, "/", {"Host": ""}) == 421


@pytest.fixture(scope="module")
def proxied(untrained: Path) -> Iterator[Served]:
    config = LiveConfig(
        "demo", fps=15, seconds=1, classifier=str(untrained), allow_hosts=("Hub.example",),
        root_path="/user/ana/proxy/7860",
    )  # fmt: skip
    with serving(config) as served:
        yield served


def test_behind_a_proxy_its_name_is_believed_and_no_other(proxied: Served) -> None:
    assert status_of(proxied, "/", {"Host": "hub.example"}) == 200
    assert status_of(proxied, "/", {"Host": "evil.example"}) == 421
    url = f"ws://127.0.0.1:{proxied.port}/live/view"  # as the proxy asks for it
    with connect(url, origin="https://hub.example", close_timeout=0.1):  # type: ignore[arg-type]
        pass
    with pytest.raises(InvalidStatus):
        connect(url, origin="https://evil.example")  # type: ignore[arg-type]


@pytest.mark.parametrize("kept", ["", "/user/ana/proxy/7860"])
def test_behind_a_proxy_its_path_may_be_left_on_or_taken_off(proxied: Served, kept: str) -> None:
    for path in ("/", "/live/static/live.js", "/live/wheel.png", "/theme.css", "/config"):
        assert status_of(proxied, kept + path, {"Host": "hub.example"}) == 200
    request = Request(
        f"http://127.0.0.1:{proxied.port}{kept}/config", headers={"Host": "hub.example"}
    )
    with urlopen(request, timeout=30) as answer:
        assert json.load(answer)["root"].endswith("/user/ana/proxy/7860")
    with connect(f"ws://127.0.0.1:{proxied.port}{kept}/live/view", close_timeout=0.1) as socket:
        assert json.loads(socket.recv(30))["type"] == "hello"


def test_a_proxys_path_is_taken_off_in_whole_parts() -> None:
    for path, root, rest in (
        ("/live/study/state", "/l", "/live/study/state"),
        ("/l/live/study/state", "/l", "/live/study/state"),
        ("/l", "/l", ""),
        ("/", "", "/"),
    ):
        assert strip_root(path, root) == rest


def test_no_page_shows_this_one_inside_itself(demo: Served) -> None:
    with urlopen(f"http://127.0.0.1:{demo.port}/", timeout=30) as answer:
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_a_viewer_who_does_not_acknowledge_gets_two_frames_and_no_more(demo: Served) -> None:
    with connect(f"ws://127.0.0.1:{demo.port}/live/view", max_size=2**24) as socket:
        frames: list[bytes] = []
        told = 0
        while told < 6:  # several status messages, half a second apart
            message = socket.recv(60)
            if isinstance(message, bytes):
                frames.append(message)
            else:
                told += json.loads(message)["type"] == "status"
        assert len(frames) == 2
        socket.send(json.dumps({"ack": header(frames[0])["message"], "painted_s": None}))
        while isinstance(message := socket.recv(60), str):
            pass
        assert header(message)["index"] > header(frames[1])["index"]


def test_a_frame_message_holds_the_analysed_frame(demo: Served) -> None:
    with connect(f"ws://127.0.0.1:{demo.port}/live/view", max_size=2**24) as socket:
        while isinstance(message := socket.recv(60), str):
            pass
    found = header(message)
    sizes = dict(found["parts"])
    at = len(message) - sizes["jpeg"]
    image = cv2.imdecode(np.frombuffer(message[at:], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (found["height"], found["width"], 3)
    assert sizes["heat"] == 32 * 32
    assert sizes["field"] == 2 * 32 * 32
    assert sizes["landmarks"] == 468 * 2 * 4
    for _, strength, threshold, rejected in found["signals"]:
        assert len(strength) == len(threshold) == len(found["regions"])
        for onset_s, apex_s, end_s, kind, reason in rejected:
            assert onset_s <= apex_s <= end_s
            assert kind in ("micro", "macro")
            assert reason


def test_a_viewer_turns_the_picture_of_a_camera_on_its_side(untrained: Path) -> None:
    config = LiveConfig(source="demo", fps=15, width=320, height=240, classifier=str(untrained))
    with (
        serving(config) as served,
        connect(f"ws://127.0.0.1:{served.port}/live/view", max_size=2**24) as socket,
    ):
        socket.send(json.dumps({"do": "rotate", "rotate": 90}))
        told = (json.loads(message) for message in socket if isinstance(message, str))
        status = next(m for m in told if m.get("rotate") == 90 and m["state"] == "running")
        assert (status["width"], status["height"]) == (240, 320)
        assert "turned by 90°" in status["source"]
        socket.send(json.dumps({"do": "rotate", "rotate": 45}))
        told = (json.loads(message) for message in socket if isinstance(message, str))
        assert "--rotate 45" in next(m for m in told if m["type"] == "error")["message"]
        assert served.session.config.rotate == 90


@pytest.mark.parametrize("shown", [False, True])
def test_while_it_records_a_page_learns_no_names_unless_the_plan_shows_them(
    untrained: Path, expression_clip: Path, tmp_path: Path, shown: bool
) -> None:
    plan = RecordPlan(tmp_path / "P07", "P07", show_labels=shown)
    # Back and forth until its expression was seen: a busy machine may drop the frames it is on.
    looped = f"loop:{expression_clip}"
    config = LiveConfig(looped, seconds=60, classifier=str(untrained), record=plan)
    while_recording: list[str] = []
    told: dict[str, Any] = {}
    last: dict[str, Any] = {}
    with (
        serving(config) as served,
        connect(f"ws://127.0.0.1:{served.port}/live/view", max_size=2**24) as socket,
    ):
        runs, ended = True, 0
        while runs or not last.get("label"):
            assert ended < 60, (told, served.session.results.events())
            message = socket.recv(60)
            if isinstance(message, bytes):
                found = header(message)
                socket.send(json.dumps({"ack": found["message"]}))
                message = json.dumps(found)
            told = json.loads(message)
            if told.get("type") == "status":
                runs = told["state"] in ("starting", "running")
                ended += not runs
            if told.get("type") == "event" and told["state"] == "confirmed":
                if not last:
                    socket.send(json.dumps({"do": "stop", "sure": True}))
                last = told
            # Once it has ended, a name may come before the status that says so.
            if runs and (shown or served.session.hides_labels):
                while_recording.append(message)
    words = " ".join(while_recording)
    assert '"type":"event"' in words.replace(" ", "")  # that there was something is told
    assert any(label in words for label in CLASSES) == shown
    assert set(last["probabilities"]) == set(CLASSES)  # told once the recording has ended
    document = json.loads((tmp_path / "P07" / "session.json").read_text("utf-8"))
    assert document["labels_shown"] is shown


def camera_frame(at_s: float) -> bytes:
    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    return FRAME_HEADER.pack(at_s, monotonic_s() - at_s, 0) + jpeg


def test_a_page_that_lost_its_connection_takes_its_camera_up_again(untrained: Path) -> None:
    with serving(LiveConfig(source="browser", classifier=str(untrained))) as served:
        url = f"ws://127.0.0.1:{served.port}/live/camera"
        with connect(f"{url}?page=one") as first:
            first.send(camera_frame(1.0))
            assert json.loads(first.recv(30)) == {"credit": 1}
            for other in (f"{url}?page=two", url):
                with connect(other) as socket:
                    assert "another page's camera" in json.loads(socket.recv(30))["error"]
            with connect(f"{url}?page=one") as again:
                with pytest.raises(ConnectionClosed):
                    first.recv(30)
                again.send(camera_frame(1.1))
                assert json.loads(again.recv(30)) == {"credit": 1}
        with connect(f"{url}?page=two") as other_page:  # the first is gone
            other_page.send(camera_frame(9.0))
            assert json.loads(other_page.recv(30)) == {"credit": 1}


NONSENSE = [
    *(
        "",
        "[",
        "[1]",
        "null",
        '{"ack": []}',
        '{"ack": {}}',
        '{"do": 3}',
        '{"do": "rotate"}',
        '{"do": "ask", "probability": "x"}',
        '{"ping": "x"}',
    ),
    '{"ack": 1, "painted_s": "x"}',
]


@pytest.mark.parametrize("message", NONSENSE)
def test_nonsense_from_a_viewer_is_ignored(demo: Served, message: str) -> None:
    with connect(f"ws://127.0.0.1:{demo.port}/live/view", max_size=2**24) as socket:
        socket.send(message)
        socket.send(json.dumps({"ping": 7}))
        assert any(json.loads(m).get("ping") == 7 for m in socket if isinstance(m, str))


def test_every_region_has_a_lane_and_a_name_in_words() -> None:
    hello = make_hello(may_control=True, shared=False)
    assert {region["lane"] for region in hello["regions"]} == set(hello["lanes"])
    names = {region["name"] for region in hello["regions"]}
    assert {"right inner brow", "left mouth corner", "upper lip", "chin"} <= names


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_a_message_that_is_none_asks_for_nothing(text: str) -> None:
    assert parse_message(text) == ViewerMessage()


@pytest.mark.parametrize("path", ["events/99/0/replay.json", "events/1/9999/crop/apex.png"])
def test_an_event_that_is_not_kept_is_not_found(demo: Served, path: str) -> None:
    assert status_of(demo, f"/live/{path}", {}) == 404


def header(message: bytes) -> dict[str, object]:
    length = int.from_bytes(message[:4], "little")
    found: dict[str, object] = json.loads(message[4 : 4 + length])
    return found
