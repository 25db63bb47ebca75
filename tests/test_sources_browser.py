"""The browser's camera, without a browser: pictures offered from one thread, read in another."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from fakes import picture
from hypothesis import given
from hypothesis import strategies as st

from model.records import Frame
from realtime.sources import SourceOptions
from realtime.sources.browser import QUEUE_FRAMES, BrowserSource
from realtime.sources.picture_decoding import (
    add_huffman_tables,
    decode_picture,
    read_jpeg_size,
)

WAIT_S = 30.0
"""Bound of every wait for another thread: reached only if something is broken."""


def jpeg(value: int = 100, width: int = 64, height: int = 48) -> bytes:
    return cv2.imencode(".jpg", picture(value, width, height))[1].tobytes()


def open_browser() -> BrowserSource:
    return BrowserSource("browser", SourceOptions(), now=lambda: 1000.0)


def test_a_page_that_is_gone_is_waited_for() -> None:
    source = open_browser()
    source.offer(jpeg(), 100.0)
    frames = iter(source)
    next(frames)
    source.mark_away()
    status = source.status()
    assert status.state == "reconnecting"
    assert "away; nothing is recorded" in status.message
    source.offer(jpeg(), 101.0)
    next(frames)
    assert (source.status().state, source.status().message) == ("open", "")


def test_frames_bear_the_browsers_times() -> None:
    source = open_browser()
    assert source.info.clock == "browser"
    assert not source.info.lossless
    assert "waiting" in source.status().message
    for i in range(QUEUE_FRAMES):
        source.offer(jpeg(50 * i), 100.0 + i / 30)
    frames = iter(source)
    got = [next(frames) for _ in range(QUEUE_FRAMES)]
    assert [f.stamp.time_s for f in got] == [100.0 + i / 30 for i in range(QUEUE_FRAMES)]
    assert [f.stamp.index for f in got] == list(range(QUEUE_FRAMES))
    assert [round(float(f.image[-1, -1, 0]) / 50) for f in got] == [0, 1, 2, 3]
    assert all(f.received_s > 0 and not f.image.flags.writeable for f in got)
    assert source.status().message == ""


def test_a_frame_comes_with_its_jpeg() -> None:
    source = open_browser()
    assert source.info.jpeg
    source.offer(jpeg(), 100.0)
    assert next(iter(source)).packed == jpeg()


def test_what_is_no_jpeg_or_claims_too_much_is_not_decoded() -> None:
    source = open_browser()
    whole = jpeg()
    size_at = whole.index(b"\xff\xc0") + 5
    bomb = whole[:size_at] + b"\xff\xff\xff\xff" + whole[size_at + 4 :]
    source.offer(bomb, 100.0)
    source.offer(cv2.imencode(".png", picture(7))[1].tobytes(), 100.1)
    source.offer(cv2.imencode(".tiff", picture(7))[1].tobytes(), 100.2)
    source.offer(whole, 100.3)
    frame = next(iter(source))
    assert frame.stamp.index == 3
    assert dict(source.status().unusable) == {"picture too large": 1, "damaged JPEG": 2}


@given(st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_the_size_of_a_jpeg_is_in_its_header(width: int, height: int, progressive: bool) -> None:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    data = cv2.imencode(".jpg", picture(100, width, height), options)[1].tobytes()
    assert read_jpeg_size(data) == (width, height)
    assert read_jpeg_size(b"\xff\xd8\xff\xff" + data[3:]) == (width, height)  # filling


def test_a_second_header_does_not_hide_a_jpegs_size() -> None:
    data = cv2.imencode(".jpg", picture(100, 640, 480))[1].tobytes()
    small = cv2.imencode(".jpg", picture(100, 16, 16))[1].tobytes()
    assert read_jpeg_size(data) == (640, 480)
    comment = b"\xff\xfe" + (2 + len(small)).to_bytes(2) + small
    # OpenCV reads on behind a restart marker, and finds the large picture; taken for a segment,
    # it leads into the comment.
    at = data.index(b"\xff\xda")
    head = b"\xff\xd8\xff\xd0" + (at - 2 + 2 + 4 + 2).to_bytes(2)
    hidden = head + data[2:at] + comment + data[at:]
    shown = cv2.imdecode(np.frombuffer(hidden, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (480, 640, 3)
    assert read_jpeg_size(hidden) is None


def without_huffman_tables(whole: bytes) -> bytes:
    """The JPEG as many cameras send it."""
    kept, at = whole[:2], 2
    while whole[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(whole[at + 2 : at + 4])
        if whole[at + 1] != 0xC4:
            kept += whole[at:end]
        at = end
    return kept + whole[at:]


def test_a_jpeg_without_huffman_tables_gets_the_standard_ones() -> None:
    whole = jpeg()
    bare = without_huffman_tables(whole)
    assert b"\xff\xc4" not in bare
    completed = add_huffman_tables(bare)
    assert len(completed) == len(whole)
    assert without_huffman_tables(completed) == bare
    np.testing.assert_array_equal(decode_picture(completed), decode_picture(whole))
    for as_it_is in (completed, whole, b"no picture"):
        assert add_huffman_tables(as_it_is) == as_it_is


def test_a_picture_of_a_few_kilobytes_does_not_fill_gigabytes() -> None:
    whole = cv2.imencode(".jpg", picture(3))[1].tobytes()
    at = whole.index(b"\xff\xc0") + 5
    for side in (8193, 32_000):
        claimed = side.to_bytes(2) * 2
        assert decode_picture(whole[:at] + claimed + whole[at + 4 :]) is None


@given(st.binary(max_size=40))
def test_any_bytes_have_a_size_or_none(data: bytes) -> None:
    read_jpeg_size(data)
    read_jpeg_size(b"\xff\xd8" + data)


def test_a_full_queue_drops_its_oldest_and_counts_it() -> None:
    source = open_browser()
    for i in range(QUEUE_FRAMES + 3):
        source.offer(jpeg(), float(i))
    frames = iter(source)
    got = [next(frames) for _ in range(QUEUE_FRAMES)]
    assert [f.stamp.index for f in got] == [3, 4, 5, 6]
    assert [f.stamp.time_s for f in got] == [3.0, 4.0, 5.0, 6.0]
    assert source.status().dropped == {"overtaken in the queue": 3}


@pytest.mark.parametrize(
    ("data", "time_s", "cause"),
    [
        (b"", 2.0, "damaged JPEG"),
        (b"no picture", 2.0, "damaged JPEG"),
        (jpeg()[:-20], 2.0, "damaged JPEG"),
        (jpeg(), 1.0, "timestamp stands still"),
        (jpeg(), 0.5, "timestamp runs back"),
        (jpeg(), float("nan"), "no timestamp"),
        (jpeg(), 1002.0, "capture time in the future"),
    ],
)
def test_what_cannot_be_used_is_counted(data: bytes, time_s: float, cause: str) -> None:
    source = open_browser()
    source.offer(jpeg(), 1.0)
    source.offer(data, time_s)
    source.offer(jpeg(), 3.0)
    frames = iter(source)
    assert [next(frames).stamp.time_s, next(frames).stamp.time_s] == [1.0, 3.0]
    assert source.status().unusable == {cause: 1}


def test_the_size_may_change_on_the_way() -> None:
    source = open_browser()
    source.offer(jpeg(), 1.0)
    source.offer(jpeg(width=48, height=64), 2.0)  # the phone was turned
    frames = iter(source)
    assert [next(frames).image.shape for _ in range(2)] == [(48, 64, 3), (64, 48, 3)]


def test_a_waiting_reader_is_woken_by_a_picture_and_by_interrupt() -> None:
    source = open_browser()
    got: list[Frame] = []

    def read() -> None:
        for frame in source:
            got.append(frame)
            source.offer(jpeg(), frame.stamp.time_s + 1.0)
            if len(got) == 5:
                source.interrupt()

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        source.offer(jpeg(), 0.0)
        reading.result(WAIT_S)
        assert [f.stamp.time_s for f in got] == [0, 1, 2, 3, 4]
        other = open_browser()
        waiting = pool.submit(list, other)
        other.interrupt()
        assert waiting.result(WAIT_S) == []
    assert source.status().state == "ended"
    source.close()
    source.offer(jpeg(), 99.0)  # a page that has not heard of it yet
    assert list(source) == []


def test_what_the_browser_skipped_is_counted_before_the_frame_after_it() -> None:
    source = open_browser()
    source.offer(jpeg(), 1.0)
    source.offer(jpeg(), 1.2, 2)
    for i in range(QUEUE_FRAMES - 1):  # the first is overtaken
        source.offer(jpeg(), 2.0 + i, 1)
    frames = iter(source)
    assert [next(frames).stamp.index for _ in range(2)] == [3, 5]
    assert source.status().dropped == {"overtaken in the queue": 1, "skipped by the browser": 3}
