"""The one place where OpenCV touches a camera.

`open_opencv` opens a camera and, if that fails, says why.
"""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

# OpenCV reads these when it opens the first camera, or perhaps when it is imported. By default a
# V4L2 read from a stopped camera blocks for 10 s, and Media Foundation searches for hardware
# transforms for 12–20 s before it opens.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")

import cv2
import numpy as np

from model.errors import SourceError
from model.records import ImageU8

MAX_DRIVER_FPS = 1000.0
"""Drivers that do not know their rate report 0, or nonsense above this."""

JPEG_CODES = frozenset({"MJPG", "JPEG"})
"""Pixel formats in which the camera sends every picture as a JPEG."""

BACKENDS: dict[str, tuple[int, ...]] = {
    "Linux": (cv2.CAP_V4L2,),
    "Darwin": (cv2.CAP_AVFOUNDATION,),
    "Windows": (cv2.CAP_DSHOW, cv2.CAP_MSMF),
}
"""OpenCV's capture backends by platform, in the order in which to try them."""


@dataclass(frozen=True, slots=True)
class CaptureMode:
    """What a camera says it delivers, read back after asking."""

    width: int
    height: int
    fps: float | None
    """None if the driver does not say."""
    fourcc: str
    """Pixel format on the wire ("MJPG", "YUYV"); empty if the driver does not say."""


class CaptureDevice:
    """A camera opened by `cv2.VideoCapture`. Used by one thread."""

    def __init__(self, capture: cv2.VideoCapture, name: str, address: str, node: str) -> None:
        """`name`: for a person, "/dev/video0 (HD Webcam)"; `address` reopens the same camera, even
        if its number has changed; `node`: its device file, empty if it has none."""
        self._capture = capture
        self._node = node
        self.name = name
        self.address = address
        self.mode = _read_back(capture)
        # With V4L2, OpenCV returns what the driver put into its buffer (modules/videoio/src/
        # cap_v4l.cpp, retrieveFrame). The other backends were not tried.
        self.jpeg = self.mode.fourcc in JPEG_CODES and capture.getBackendName() == "V4L2"
        """Whether it returns the JPEGs that the camera sent."""
        if self.jpeg:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)

    def grab(self) -> bool:
        """Wait for the next picture; False if none came in time or the camera is gone."""
        return bool(self._capture.grab())

    def driver_s(self) -> float:
        """Return the driver's time of the grabbed picture, in seconds of the monotonic clock; 0.0
        or anything else if the driver does not use that clock."""
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000.0

    def retrieve(self) -> ImageU8 | bytes | None:
        """Return the grabbed picture: the original JPEG, complete or not, if the camera is `jpeg`
        and `convert` was not called; otherwise (H, W, 3) RGB, or None if it is damaged."""
        try:
            ok, bgr = self._capture.retrieve()
        except cv2.error:  # a picture cut short on the wire
            return None
        if not ok or bgr is None:
            return None
        if bgr.ndim == 2:  # one row, not converted
            return bgr.tobytes()
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)

    def convert(self) -> None:
        """From now on let OpenCV decode the pictures, whatever they lack."""
        self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 1)
        self.jpeg = False

    def present(self) -> bool:
        """Return False once the camera is known to be unplugged; reads may still report success."""
        return not self._node or os.path.exists(self._node)

    def release(self) -> None:
        """Release the camera."""
        self._capture.release()


def open_opencv(spec: str, width: int, height: int, fps: float) -> CaptureDevice:
    """Open camera `spec` (a number, or on Linux a path) and ask it for MJPG, size and rate, in that
    order: the format decides the possible sizes, the size the possible rates.

    Raises `SourceError` with the reason and the remedy.
    """
    node = _node(spec)
    if node and (problem := find_node_problem(node)):
        raise SourceError(problem)
    if not node and not spec.isdecimal():
        raise SourceError(f"camera {spec!r}: cameras are chosen by number here (0, 1, …)")
    for backend in BACKENDS.get(platform.system(), (cv2.CAP_ANY,)):
        capture = cv2.VideoCapture(node or int(spec), backend)
        if capture.isOpened():
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
            capture.set(cv2.CAP_PROP_FPS, fps)
            return CaptureDevice(capture, *_name_and_address(spec, node), node)
        capture.release()
    raise SourceError(_closed_problem(node or spec))


def list_cameras(directory: str = "/dev") -> tuple[str, ...]:
    """Return possible cameras in the order in which to try them: on Linux the existing video
    devices, elsewhere the first numbers."""
    if platform.system() != "Linux":
        return ("0", "1")
    numbers = sorted(
        int(match[1])
        for entry in os.listdir(directory)
        if (match := re.fullmatch(r"video(\d+)", entry))
    )
    return tuple(f"{directory}/video{number}" for number in numbers)


def find_node_problem(node: str) -> str | None:
    """Return why device file `node` cannot be used, with the remedy; None if nothing is wrong."""
    if not os.path.exists(node):
        others = list_cameras()
        remedy = (
            f"choose one of {', '.join(others)}"
            if others
            else "connect a camera, or choose the demo face (--source demo)"
        )
        return f"no camera at {node}: {remedy}"
    if not os.access(node, os.R_OK | os.W_OK):
        return (
            f"no permission to use {node}: add yourself to its group "
            "(sudo usermod -aG video $USER) and log in again"
        )
    return None


def _closed_problem(camera: str) -> str:
    remedy = {
        "Linux": f"`fuser -v {camera}` names that program; if none, choose another number",
        "Darwin": "System Settings → Privacy & Security → Camera must allow this terminal",
        "Windows": "Settings → Privacy & security → Camera must allow desktop apps",
    }.get(platform.system(), "it must be permitted")
    return (
        f"camera {camera} does not open: another program may use it, or it is no camera; {remedy}"
    )


def _node(spec: str) -> str:
    """Return the device file of `spec` on Linux, with links resolved; empty elsewhere."""
    if platform.system() != "Linux":
        return ""
    return os.path.realpath(f"/dev/video{spec}" if spec.isdecimal() else spec)


def _name_and_address(spec: str, node: str) -> tuple[str, str]:
    """Return name and address. A replugged camera may get another number; its link by id stays."""
    if not node:
        return f"camera {spec}", spec
    named = Path("/sys/class/video4linux") / Path(node).name / "name"
    name = f"{node} ({named.read_text().strip()})" if named.is_file() else node
    by_id = Path("/dev/v4l/by-id")
    links = sorted(by_id.iterdir()) if by_id.is_dir() else []
    return name, next((str(link) for link in links if os.path.realpath(link) == node), node)


def _read_back(capture: cv2.VideoCapture) -> CaptureMode:
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    letters = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24))
    return CaptureMode(
        width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        fps=fps if 0 < fps <= MAX_DRIVER_FPS else None,
        fourcc=letters.strip() if letters.isascii() and letters.isprintable() else "",
    )
