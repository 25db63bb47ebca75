"""What the cameras of a Linux machine offer, asked of the driver without opening a stream.

The structures and numbers are those of `linux/videodev2.h`. Elsewhere, and where a driver does not
answer, a camera has no modes.
"""

import os
import platform
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from realtime.sources.camera_opening import list_cameras

Ask = Callable[[int, bytearray], None]
"""Sends a request and its structure to a driver, which fills it in; raises `OSError` at the end of
a list."""

_ENUM_FMT, _ENUM_SIZES, _ENUM_RATES = 0xC0405602, 0xC02C564A, 0xC034564B
_FMT, _SIZE, _RATE = struct.Struct("<3I32s5I"), struct.Struct("<3I6I2I"), struct.Struct("<5I6I2I")
_CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
_DISCRETE = 1  # sizes and rates in steps are shown by their largest
_MOST = 64  # entries of a list: a driver that never ends would hang the page


@dataclass(frozen=True, slots=True)
class CameraChoice:
    """A camera that can be chosen as the source."""

    spec: str
    name: str
    modes: tuple[tuple[int, int, float], ...]
    """Width and height, px, and the highest rate at that size, 1/s; largest first."""

    @property
    def words(self) -> str:
        """One line: "HD Webcam: 1920×1080 at 30 fps, 640×480 at 60 fps"."""
        if not self.modes:
            return self.name
        fastest = max(self.modes, key=lambda mode: (mode[2], mode[0]))
        shown = dict.fromkeys((self.modes[0], fastest))
        sizes = ", ".join(f"{width}×{height} at {rate:.4g} fps" for width, height, rate in shown)
        return f"{self.name}: {sizes}"


def find_cameras() -> tuple[CameraChoice, ...]:
    """Return the cameras that are connected; on Linux only those that deliver pictures."""
    if platform.system() != "Linux":
        return tuple(CameraChoice(spec, f"Camera {spec}", ()) for spec in list_cameras())
    found = []
    for node in list_cameras():
        named = Path("/sys/class/video4linux") / Path(node).name / "name"
        name = named.read_text(errors="replace").strip() if named.is_file() else node
        modes = _modes_of(node)
        if modes != ():  # what cannot be asked is listed too: choosing it says why
            number = node.removeprefix("/dev/video")
            found.append(CameraChoice(number, f"{name} ({node})", modes or ()))
    return tuple(found)


def _modes_of(node: str) -> tuple[tuple[int, int, float], ...] | None:
    """Return the modes of a device file; None if it cannot be opened."""
    import fcntl

    try:
        handle = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None

    def ask(number: int, data: bytearray) -> None:
        fcntl.ioctl(handle, number, data)

    try:
        return read_modes(ask)
    finally:
        os.close(handle)


def read_modes(ask: Ask) -> tuple[tuple[int, int, float], ...]:
    """Return what a driver lists: each size with its highest rate, largest first."""
    best: dict[tuple[int, int], float] = {}
    for fmt in _entries(ask, _ENUM_FMT, _FMT, _CAPTURE):
        pixels = fmt[4]
        for size in _entries(ask, _ENUM_SIZES, _SIZE, pixels):
            width, height = (size[3], size[4]) if size[2] == _DISCRETE else (size[4], size[7])
            for rate in _entries(ask, _ENUM_RATES, _RATE, pixels, width, height):
                # An interval; in steps, the first is the shortest.
                seconds, parts = rate[5], rate[6]
                fps = parts / seconds if seconds else 0.0
                best[width, height] = max(fps, best.get((width, height), 0.0))
    by_size = sorted(best.items(), key=lambda mode: -mode[0][0] * mode[0][1])
    return tuple((width, height, fps) for (width, height), fps in by_size)


def _entries(ask: Ask, number: int, form: struct.Struct, *given: int) -> Iterator[tuple[int, ...]]:
    for index in count():
        data = bytearray(form.size)
        struct.pack_into(f"<{1 + len(given)}I", data, 0, index, *given)
        try:
            ask(number, data)
        except OSError:
            return
        yield form.unpack(bytes(data))
        if index == _MOST:
            return
