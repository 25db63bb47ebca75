"""A driver's lists of formats, sizes and rates, in the structures of videodev2.h."""

import struct

import pytest

from realtime.sources.camera_modes import CameraChoice, read_modes

YUYV, MJPG = (int.from_bytes(code, "little") for code in (b"YUYV", b"MJPG"))
MODES = {YUYV: {(640, 480): (30,)}, MJPG: {(1920, 1080): (30, 5), (640, 480): (15, 60)}}
"""Rates by format and size."""
STEPPED = 3


class Driver:
    """Answers as a driver does: by index, until the list ends."""

    def __init__(self, *, stepped: bool = False) -> None:
        self.stepped = stepped

    def __call__(self, number: int, data: bytearray) -> None:
        index, first = struct.unpack_from("<2I", data)
        kind = number & 0xFF
        if kind == 2:
            assert (first, len(data)) == (1, 64)
            struct.pack_into("<I", data, 44, entry(list(MODES), index))
        elif kind == 74:
            width, height = entry(list(MODES[first]), index)
            if self.stepped:
                struct.pack_into("<7I", data, 8, STEPPED, 16, width, 16, 16, height, 16)
            else:
                struct.pack_into("<3I", data, 8, 1, width, height)
        else:
            width, height = struct.unpack_from("<2I", data, 8)
            struct.pack_into("<3I", data, 16, 1, 1, entry(MODES[first][width, height], index))


def entry(values, index: int):
    if index >= len(values):
        raise OSError(22, "Invalid argument")
    return values[index]


@pytest.mark.parametrize("stepped", [False, True])
def test_each_size_has_its_highest_rate_over_all_formats(stepped: bool) -> None:
    assert read_modes(Driver(stepped=stepped)) == ((1920, 1080, 30.0), (640, 480, 60.0))


def test_a_node_without_formats_has_no_modes() -> None:
    def refuse(number: int, data: bytearray) -> None:
        raise OSError(25, "Inappropriate ioctl for device")

    assert read_modes(refuse) == ()


def test_a_driver_whose_lists_never_end_is_left() -> None:
    def endless(number: int, data: bytearray) -> None:
        struct.pack_into("<6I", data, 8, 1, 640, 480, 1, 1, 30)

    assert len(read_modes(endless)) == 1


def test_largest_and_fastest_mode_are_told() -> None:
    camera = CameraChoice("0", "HD Webcam", ((1920, 1080, 30.0), (1280, 720, 50), (640, 480, 60.0)))
    assert camera.words == "HD Webcam: 1920×1080 at 30 fps, 640×480 at 60 fps"
    assert (
        CameraChoice("0", "HD Webcam", ((640, 480, 30.0),)).words == "HD Webcam: 640×480 at 30 fps"
    )
    assert CameraChoice("1", "Camera 1", ()).words == "Camera 1"
