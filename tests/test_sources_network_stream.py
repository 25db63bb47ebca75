"""Network sources against real servers on the loopback."""

import socket
from contextlib import closing
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from fakes import motion_jpeg, picture, serve_file, web_server, write_clip
from fakes_rtsp import rtsp_camera
from hypothesis import given
from hypothesis import strategies as st

from model.errors import SourceError
from realtime.sources import SourceOptions, open_source
from realtime.sources.network_stream import (
    LIVE_OPTIONS,
    OPEN_TIMEOUT_S,
    NetworkStream,
    hide_password,
    open_address,
)


def no_wait(seconds: float) -> bool:
    """Waits between attempts take no time in these tests."""
    return False


def test_a_recording_on_a_web_server_is_read_like_a_file(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", [picture(90)] * 8, [33 * i for i in range(8)])
    with serve_file(clip) as address:
        source = open_source(address)
        frames = list(source)
        source.close()
    assert (source.info.kind, source.info.clock, source.info.live) == ("network", "file", False)
    assert [round(f.stamp.time_s * 1000) for f in frames] == [33 * i for i in range(8)]


def test_a_live_stream_bears_times_of_receipt() -> None:
    with web_server(motion_jpeg(200)) as address:
        source = open_source(address)
        assert source.info.live
        assert source.info.clock == "receipt"
        assert (source.info.width, source.info.height) == (64, 48)
        frames = list(islice(source, 20))
        assert all(f.stamp.time_s == f.received_s for f in frames)
        assert all(a.stamp.time_s < b.stamp.time_s for a, b in pairwise(frames))
        assert [f.stamp.index for f in frames] == list(range(20))
        source.interrupt()
        assert list(source) == []
        source.close()


def test_a_stream_that_breaks_off_comes_back_by_itself_and_the_gap_shows() -> None:
    with web_server(motion_jpeg(100)) as address:
        source = NetworkStream(
            address,
            open_address(address, OPEN_TIMEOUT_S, LIVE_OPTIONS),
            SourceOptions(),
            wait=no_wait,
        )
        frames = []
        for frame in source:
            frames.append(frame)
            if source.status().dropped.get("stream away"):
                source.interrupt()
        source.close()
        assert frames[-1].stamp.index - frames[-2].stamp.index > 1
        assert source.status().message == ""
        assert source.status().state == "ended"


def test_a_stream_that_does_not_come_back_is_tried_until_interrupted() -> None:
    said = []
    with web_server(motion_jpeg(100)) as address:
        container = open_address(address, OPEN_TIMEOUT_S, LIVE_OPTIONS)

    def wait(seconds: float) -> bool:
        said.append((source.status().state, source.status().message, seconds))
        return len(said) == 4

    source = NetworkStream(address, container, SourceOptions(), wait=wait)
    for _ in source:
        pass
    source.close()
    assert [seconds for *_, seconds in said] == [0.25, 0.5, 1.0, 2.0]
    assert {state for state, *_ in said} == {"reconnecting"}
    assert "broke off" in said[0][1]
    assert "Connection refused" in said[1][1]


def test_an_rtsp_camera_is_read_and_reconnected() -> None:
    with rtsp_camera([picture(10 * i) for i in range(25)] * 4) as address:
        source = NetworkStream(
            address,
            open_address(address, OPEN_TIMEOUT_S, LIVE_OPTIONS),
            SourceOptions(),
            wait=no_wait,
        )
        assert source.info.kind == "network"
        assert "h264" in source.info.description
        frames = []
        for frame in source:
            frames.append(frame)
            if source.status().dropped.get("stream away"):
                source.interrupt()
        source.close()
    assert len(frames) > 20
    assert all(f.image.shape == (48, 64, 3) for f in frames)
    assert all(a.stamp.time_s < b.stamp.time_s for a, b in pairwise(frames))
    assert frames[-1].stamp.index - frames[-2].stamp.index > 1


def nothing_there() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_an_address_where_nobody_answers_is_said(scheme: str) -> None:
    with pytest.raises(SourceError, match="Connection refused") as caught:
        open_source(f"{scheme}://{nothing_there()}/live")
    assert "\n" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(SourceError, match=r"no answer within 0\.2 s"),
    ):
        open_address(f"http://127.0.0.1:{server.getsockname()[1]}/", 0.2, LIVE_OPTIONS)


def test_a_page_or_a_missing_one_is_no_video() -> None:
    def page(request: BaseHTTPRequestHandler) -> None:
        body = b"<html>hello</html>" * 50
        request.send_response(200 if request.path == "/page" else 404)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    with web_server(page) as address:
        with pytest.raises(SourceError, match="Invalid data"):
            open_source(f"{address}/page")
        with pytest.raises(SourceError, match="404"):
            open_source(f"{address}/nothing", SourceOptions())


def test_other_schemes_are_said_with_the_choices() -> None:
    with pytest.raises(SourceError, match="no source for ftp://; choose rtsp://"):
        open_source("ftp://host/clip.mp4")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(SourceError) as caught:
        open_source(f"http://me:secret@{nothing_there()}/live")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("spec", ["http://[", "http://[x", "http://", "https://127.0.0.1:port/"])
def test_what_is_no_address_is_told_in_one_line(spec: str) -> None:
    with pytest.raises(SourceError, match="check the address") as error:
        open_source(spec)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ("rtsp://a:b@c@host/x", "rtsp://host/x"),
        ("rtsp://user:p/ss@host:554/live", "rtsp://host:554/live"),
        ("rtsp://user:p?ss@host/live", "rtsp://host/live"),
        ("rtsp://user:p#ss@host/live", "rtsp://host/live"),
        (
            "rtsp://host/live?user=admin&pwd=1234&channel=2",
            "rtsp://host/live?user=…&pwd=…&channel=2",
        ),
        (
            "rtsp://host/user=admin&password=a/b&channel=1",
            "rtsp://host/user=…&password=…&channel=1",
        ),
        ("http://host/live?token=a?b#c", "http://host/live?token=…"),
        ("http://host/live?hunter2", "http://host/live?…"),
        ("http://host/live/4f2a9b0c7d1e8a6b/video.mjpg", "http://host/live/…/video.mjpg"),
        ("rtsp://host/x?mail=a@b", "rtsp://host/x?mail=…"),
        ("loop:rtsp://user:secret@host/x", "loop:rtsp://host/x"),
        ("user:secret@host/x", "host/x"),
        ("zip://a.mkv::https://u:secret@host/x.zip?k=1", "zip://a.mkv::https://host/x.zip?k=…"),
        (
            "zip://a.mkv?k=1::simplecache::s3://u:secret@b/x",
            "zip://a.mkv?k=…::simplecache::s3://b/x",
        ),
        ("rtsp://user:secret@[fe80::1]/x", "rtsp://[fe80::1]/x"),
        ("rtsp://host:8554/Streaming/Channels/101", "rtsp://host:8554/Streaming/Channels/101"),
        ("clips/a@b.mp4", "clips/a@b.mp4"),
        ("demo", "demo"),
    ],
)
def test_what_is_shown_of_an_address(spec: str, shown: str) -> None:
    assert hide_password(spec) == shown


# Letters that no scheme, host or path below has: what is left of them is a leak.
SECRET = st.text(st.sampled_from("QXZ74/?#@:&=;, %+"), min_size=1).filter(
    lambda text: {*text} & {*"QXZ"}
)


@given(password=SECRET, tail=st.sampled_from(["", "/live", "/live?channel=1", ":554/live"]))
def test_no_password_is_shown_whatever_is_in_it(password: str, tail: str) -> None:
    assert not {*"QXZ"} & {*hide_password(f"rtsp://user:{password}@host{tail}")}
    assert not {*"QXZ"} & {*hide_password(f"zip://a.mkv::https://user:{password}@host{tail}")}


@given(
    value=SECRET.filter(lambda text: "&" not in text), name=st.sampled_from(["pwd", "token", "k"])
)
def test_no_value_of_a_query_is_shown(value: str, name: str) -> None:
    assert not {*"QXZ"} & {*hide_password(f"rtsp://host/live?{name}={value}&channel=1")}


def test_a_server_without_byte_ranges_is_named_as_the_cause(tmp_path: Path) -> None:
    """As `python -m http.server`; the index of an MP4 lies at its end."""
    noise = [np.random.default_rng(n).integers(0, 256, (240, 320, 3), np.uint8) for n in range(20)]
    clip = write_clip(tmp_path / "c.mp4", noise, [40 * n for n in range(20)])
    with (
        serve_file(clip) as address,
        pytest.raises(SourceError, match=r"c\.mp4: .*does not support byte ranges, download it"),
    ):
        open_source(address)
    clip = write_clip(tmp_path / "c.mkv", noise, [40 * n for n in range(20)])
    with serve_file(clip) as address, closing(open_source(address)) as source:
        assert len(list(source)) == 20  # its index is not needed


def test_a_network_cameras_pixels_become_square_too() -> None:
    shown = [picture(10 * i) for i in range(25)] * 4
    with rtsp_camera(shown, Fraction(16, 11)) as address, closing(open_source(address)) as source:
        assert (source.info.width, source.info.height) == (94, 48)
        assert "; pixels of 16:11 made square" in source.info.description
        assert next(iter(source)).image.shape == (48, 94, 3)
