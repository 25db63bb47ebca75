"""Cameras: a real `Camera` on a fake device, and what can be said of devices without one."""

import os
import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import (
    FakeClock,
    FakePort,
    camera_jpeg,
    jpeg_packets,
    mux_jpegs,
    picture,
    write_clip,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import SourceError
from model.records import Frame
from realtime.sources import SourceOptions
from realtime.sources import camera_opening as device
from realtime.sources.camera import Camera
from realtime.sources.camera_opening import CaptureDevice, CaptureMode
from realtime.sources.picture_decoding import decode_picture

WAIT_S = 30.0
"""Bound of every wait for another thread: reached only if something is broken."""

linux = pytest.mark.skipif(platform.system() != "Linux", reason="device files are Linux's")


def run(port: FakePort, options: SourceOptions | None = None) -> tuple[Camera, list[Frame]]:
    """The camera and its frames until the script is over."""
    camera = Camera(
        "0",
        options or SourceOptions(),
        open_device=port.open,
        now=port.clock.now,
        wait=port.clock.wait,
    )
    port.at_end = camera.interrupt
    frames = list(camera)
    camera.close()
    camera.close()
    assert all(device.released for device in port.devices)
    for before, after in pairwise(frames):
        assert after.stamp.index > before.stamp.index
        assert after.stamp.time_s > before.stamp.time_s
    return camera, frames


def gaps(frames: list[Frame]) -> list[int]:
    """Frames missing before each frame but the first."""
    return [b.stamp.index - a.stamp.index - 1 for a, b in pairwise(frames)]


def test_it_is_asked_and_says_what_it_gives() -> None:
    port = FakePort(FakeClock(), ["ok"] * 10, mode=CaptureMode(1280, 720, 25.0, "YUYV"))
    camera, frames = run(port, SourceOptions(width=640, height=480, fps=50))
    assert port.opened == [("0", 640, 480, 50)]
    info = camera.info
    assert (info.width, info.height, info.fps_asked, info.fps_nominal) == (1280, 720, 50, 25)
    assert info.lossless
    assert info.live
    assert info.description == (
        "/dev/video0 (Fake): asked 640×480 at 50 fps MJPG, gives 1280×720 at 25 fps YUYV; "
        "times from the driver"
    )
    measured = camera.status().fps_measured
    assert measured == pytest.approx(30)
    assert [f.stamp.index for f in frames] == list(range(10))
    assert not frames[0].image.flags.writeable


def test_true_driver_times_are_capture_times() -> None:
    port = FakePort(FakeClock(), ["ok"] * 5, age_s=lambda grab: 0.01 * (1 + grab % 2))
    camera, frames = run(port)
    assert camera.info.clock == "driver"
    ages_s = [f.received_s - f.stamp.time_s for f in frames]
    assert ages_s == pytest.approx([0.01, 0.02, 0.01, 0.02, 0.01])


@pytest.mark.parametrize(
    "age_s",
    [
        lambda grab: 1000.0 + grab / 30,  # stands still
        lambda grab: 0.7,  # too old
        lambda grab: -0.1,  # in the future
        lambda grab: -1.7e9,  # since 1970
        lambda grab: 0.05 if grab % 2 else 0.005,  # shakes, but true
    ],
)
def test_driver_times_that_cannot_be_true_are_not_used(age_s) -> None:  # type: ignore[no-untyped-def]
    camera, frames = run(FakePort(FakeClock(), ["ok"] * 5, age_s=age_s))
    assert len(frames) == 5
    assert camera.status().unusable == {}
    if camera.info.clock == "receipt":
        assert [f.stamp.time_s for f in frames] == [f.received_s for f in frames]
    else:
        assert age_s(1) == 0.05


@pytest.mark.parametrize("how", [["unplug"], ["zombie"], ["timeout"], ["fail"] * 5])
def test_a_lost_camera_comes_back_by_itself_and_the_gap_shows(how: list[str]) -> None:
    port = FakePort(FakeClock(), ["ok"] * 40 + how + ["ok"] * 40, away=4)
    camera, frames = run(port)
    assert len(frames) == 80
    before, after = frames[39], frames[40]
    gap_s = after.stamp.time_s - before.stamp.time_s
    status = camera.status()
    assert status.dropped == {"camera away": gaps(frames)[39]}
    # The first picture after the reopening closes the gap: one period of it is not missing.
    assert gaps(frames)[39] == pytest.approx(gap_s * 30 - 1, abs=1)
    assert set(gaps(frames)[:39] + gaps(frames)[40:]) == {0}
    assert [address for address, *_ in port.opened[1:]] == ["/dev/v4l/by-id/usb-fake"] * (
        len(port.opened) - 1
    )
    if how[0] in ("unplug", "zombie"):
        assert port.clock.waits == [0.25, 0.5, 1.0, 2.0]


def test_while_it_is_away_the_status_says_so() -> None:
    clock = FakeClock()
    port = FakePort(clock, ["ok", "unplug", "ok"], away=2)
    seen = []

    def wait(seconds: float) -> bool:
        seen.append(camera.status())
        return clock.wait(seconds)

    camera = Camera("0", SourceOptions(), open_device=port.open, now=clock.now, wait=wait)
    port.at_end = camera.interrupt
    assert camera.status().state == "open"
    frames = iter(camera)
    next(frames)
    next(frames)
    assert [status.state for status in seen] == ["reconnecting"] * 2
    assert "was unplugged: reconnecting" in seen[0].message
    assert "no camera is connected" in seen[1].message
    assert camera.status().state == "open"
    assert camera.status().message.startswith("camera back after")
    assert list(frames) == []
    assert camera.status().state == "ended"
    camera.close()


def test_one_failed_read_is_no_loss() -> None:
    camera, frames = run(FakePort(FakeClock(), ["ok", "fail", "ok", "fail", "fail", "ok"]))
    assert gaps(frames) == [0, 0]
    assert camera.status().dropped == {}


def test_what_the_driver_dropped_is_counted_and_a_jump_of_the_index() -> None:
    camera, frames = run(FakePort(FakeClock(), ["ok"] * 20 + ["lost"] + ["ok"] * 5))
    assert gaps(frames) == [0] * 19 + [1] + [0] * 5
    assert camera.status().dropped == {"dropped by the driver": 1}
    untimed = FakePort(FakeClock(), ["ok"] * 20 + ["lost"], age_s=lambda grab: 1e6)
    camera, frames = run(untimed)
    assert camera.info.clock == "receipt"
    assert camera.status().dropped == {}, "a time of receipt says nothing of the driver"


def test_unusable_pictures_and_times_are_counted() -> None:
    port = FakePort(FakeClock(), ["ok", "damaged", "ok", "future", "ok", "twice", "ok"])
    camera, frames = run(port)
    assert gaps(frames) == [1, 1, 0]
    assert camera.status().unusable == {
        "damaged picture": 1,
        "implausible driver time": 1,
        "timestamp stands still": 1,
    }


def test_a_camera_that_gives_nothing_usable_is_reopened() -> None:
    port = FakePort(FakeClock(), ["ok"] + ["damaged"] * 62 + ["ok"], away=1)
    camera, frames = run(port)
    assert len(frames) == 2
    assert len(port.opened) == 2
    status = camera.status()
    assert (
        frames[1].stamp.index
        == 1 + status.unusable["damaged picture"] + (status.dropped["camera away"])
    )


SCRIPT = st.lists(
    st.sampled_from(
        ["ok", "ok", "ok", "late", "damaged", "future", "twice", "fail", "timeout", "unplug"]
    ),
    max_size=60,
)


@settings(deadline=None)
@given(SCRIPT, st.booleans())
def test_every_frame_has_one_fate(script: list[str], true_times: bool) -> None:
    """Whatever happens: stamps increase, and the index is the sum of all counts."""
    port = FakePort(FakeClock(), [*script, "ok"], age_s=lambda grab: 0.02 if true_times else 900)
    camera, frames = run(port)
    status = camera.status()
    assert status.frames == len(frames)
    jumped = sum(status.dropped.values()) + sum(
        n for cause, n in status.unusable.items() if cause != "timestamp stands still"
    )
    assert len(frames) - 1 <= (frames[-1].stamp.index if frames else -1) < len(frames) + jumped + 1


def test_a_cameras_jpeg_comes_with_its_picture() -> None:
    port = FakePort(FakeClock(), ["ok", "damaged", "ok"], mode=CaptureMode(64, 48, 30.0, "MJPG"))
    camera, frames = run(port)
    assert camera.info.jpeg
    assert [frame.packed for frame in frames] == [camera_jpeg(grab, 64, 48) for grab in (6, 8)]
    for frame in frames:
        assert frame.packed is not None
        np.testing.assert_array_equal(frame.image, decode_picture(frame.packed))
    assert camera.status().unusable == {"damaged picture": 1}


def test_a_camera_whose_jpegs_never_end_shows_its_pictures_all_the_same() -> None:
    port = FakePort(
        FakeClock(),
        ["ok", "unplug", *["fail"] * 9, "ok"],
        mode=CaptureMode(64, 48, 30.0, "MJPG"),
        jpeg=lambda grab, width, height: camera_jpeg(3, width, height)[:-2],
    )
    camera, frames = run(port)
    assert frames
    assert all(frame.packed is None for frame in frames)
    assert not camera.info.jpeg
    assert not camera.status().unusable


def test_a_camera_that_delivers_nothing_does_not_open() -> None:
    port = FakePort(FakeClock())
    port.script = iter(["timeout"] * 9)
    with pytest.raises(SourceError, match="delivers no picture"):
        Camera("0", SourceOptions(), open_device=port.open, now=port.clock.now)
    assert port.devices[0].released


def test_why_it_does_not_open_is_passed_on() -> None:
    port = FakePort(FakeClock())
    port.plugged = False
    with pytest.raises(SourceError, match="no camera is connected"):
        Camera("0", SourceOptions(), open_device=port.open, now=port.clock.now)


def test_interrupt_ends_a_wait_for_the_camera() -> None:
    """With the real clock and the real event, in a thread of its own."""
    port = FakePort(FakeClock(), ["unplug"], away=1_000_000)
    refused = threading.Event()
    real_open = port.open

    def open_device(address: str, width: int, height: int, fps: float) -> CaptureDevice:
        try:
            return real_open(address, width, height, fps)
        except SourceError:
            refused.set()
            raise

    camera = Camera("0", SourceOptions(), open_device=open_device, now=port.clock.now)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, camera)
        assert refused.wait(WAIT_S)
        camera.interrupt()
        assert reading.result(WAIT_S) == []
    assert camera.status().state == "ended"
    camera.close()


def test_opencv_pictures_come_as_rgb_with_their_mode_and_time(tmp_path: Path) -> None:
    """The device on a `cv2.VideoCapture` of a file: no camera is needed for what it does there."""
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    clip = write_clip(
        tmp_path / "red.avi", [red] * 3, [0, 40, 80], codec="mjpeg", pix_fmt="yuvj420p"
    )
    capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG)
    opened = device.CaptureDevice(capture, "clip", "address", str(clip))
    assert (opened.mode.width, opened.mode.height, opened.mode.fourcc) == (64, 48, "MJPG")
    assert opened.grab()
    first_s = opened.driver_s()
    image = opened.retrieve()
    assert image is not None
    assert image.shape == (48, 64, 3)
    assert image[24, 32, 0] > 240
    assert image[24, 32, 2] < 15
    assert opened.grab()
    assert opened.driver_s() - first_s == pytest.approx(0.04, abs=0.01)
    assert opened.present()
    clip.unlink()
    assert not opened.present()
    opened.release()
    assert not opened.grab()
    assert opened.retrieve() is None


def test_opencv_pictures_that_are_not_converted_come_as_their_bytes(tmp_path: Path) -> None:
    """FFmpeg's backend hands over packets when it is asked to; V4L2's does so in the same shape."""
    (sent,) = jpeg_packets([picture(90)])
    clip = mux_jpegs(tmp_path / "one.avi", [sent], [0])
    capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    opened = device.CaptureDevice(capture, "clip", "address", str(clip))
    assert not opened.jpeg  # no camera of V4L2
    assert opened.grab()
    assert opened.retrieve() == bytes(sent)
    opened.release()


@linux
def test_a_camera_that_is_not_there_is_said_with_the_remedy() -> None:
    with pytest.raises(SourceError, match=r"no camera at /dev/video987: ") as caught:
        Camera("987", SourceOptions())
    assert "\n" not in str(caught.value)


@linux
def test_a_file_that_is_no_camera_is_said(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.write_bytes(b"no camera")
    with pytest.raises(SourceError, match=f"{path} does not open: .* or it is no camera"):
        device.open_opencv(str(path), 640, 480, 30)


@linux
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may open all")
def test_a_camera_without_permission_is_said_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.touch(mode=0o000)
    problem = device.node_problem(str(path))
    assert problem is not None
    assert "usermod -aG video" in problem


@linux
def test_cameras_are_listed_by_number(tmp_path: Path) -> None:
    for name in ("video10", "video2", "video0", "videodev", "vbi0"):
        (tmp_path / name).touch()
    expected = tuple(f"{tmp_path}/video{n}" for n in (0, 2, 10))
    assert device.list_cameras(str(tmp_path)) == expected


@pytest.mark.skipif(platform.system() == "Linux", reason="Linux opens device files")
def test_a_camera_by_path_is_refused_where_cameras_have_numbers() -> None:
    with pytest.raises(SourceError, match="by number"):
        device.open_opencv("front", 640, 480, 30)
