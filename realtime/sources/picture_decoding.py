"""Decodes single pictures, from a folder of images, a browser's camera or a JPEG stream."""

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from model.records import ImageU8

_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_HUFFMAN = 0xC4  # marker of the tables


class LowBits:
    """Converts 16-bit pictures that use only the lower bits, as cameras of 10 to 14 bits deliver
    them. The first picture decides which, until a brighter one needs more."""

    def __init__(self) -> None:
        self._bits = 0

    @property
    def note(self) -> str:
        """Say which bits are used; empty if all are, or nothing is known yet."""
        return f"{self._bits} of 16 bits are used: brought to 8" if 0 < self._bits < 16 else ""

    def to_8_bit(self, deep: NDArray[np.uint16]) -> ImageU8:
        """Return the upper 8 of the used bits."""
        most = int(deep.max(initial=0)).bit_length()
        if most > self._bits:
            self._bits = next(bits for bits in (10, 12, 14, 16) if most <= bits)
        return (deep >> max(0, self._bits - 8)).astype(np.uint8)


def decode_picture(data: bytes, low: LowBits | None = None) -> ImageU8 | None:
    """Return (H, W, 3) uint8 RGB of a picture in any format that OpenCV reads, including grey and
    16 bits, upright by its EXIF; None if it is damaged. `low`: see `LowBits`; without it, the upper
    8 of 16 bits are used.

    OpenCV fills the missing part of a JPEG with grey and reports success. Here such a picture
    counts as damaged, because the grey part would look like motion.
    """
    if not data or (is_jpeg(data) and not _jpeg_is_whole(data)):
        return None
    # OpenCV swaps the channels of a JPEG on the way; of a TIFF of 16 bits it does so wrongly.
    straight = is_jpeg(data)
    flags = cv2.IMREAD_COLOR_RGB if straight else cv2.IMREAD_COLOR
    try:
        depth = 0 if low is None else cv2.IMREAD_ANYDEPTH
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | depth)
    except cv2.error:  # a size beyond OpenCV's limits
        return None
    if image is None:
        return None
    if low is not None and image.dtype == np.uint16:
        image = low.to_8_bit(image.astype(np.uint16, copy=False))
    elif image.dtype != np.uint8:  # floats
        return decode_picture(data)
    rgb = image if straight else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb.astype(np.uint8, copy=False)


def rotate_image(image: ImageU8, degrees: int) -> ImageU8:
    """Return `image` turned clockwise by 0, 90, 180 or 270 degrees."""
    return image if degrees == 0 else np.asarray(cv2.rotate(image, _TURNS[degrees]), np.uint8)


def is_jpeg(data: bytes) -> bool:
    """Return whether these bytes start a JPEG, complete or not (SOI: ITU-T T.81, table B.1)."""
    return data.startswith(b"\xff\xd8")


def read_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG in px, from its header without decoding; None if the header
    is damaged (SOFn: ITU-T T.81, B.2.2)."""
    for marker, segment in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (_HUFFMAN, 0xC8, 0xCC):
            height, width = (int.from_bytes(segment[n : n + 2]) for n in (5, 7))
            return (width, height) if width and height else None
    return None


def add_huffman_tables(jpeg: bytes) -> bytes:
    """Return the JPEG with Huffman tables: cameras may leave out the standard ones, and then not
    every program can read it. A JPEG that has tables, or cannot be read, stays as it is."""
    markers = {marker for marker, _ in _segments(jpeg)}
    if not markers or _HUFFMAN in markers:
        return jpeg
    return jpeg[:2] + _standard_tables() + jpeg[2:]


@cache
def _standard_tables() -> bytes:
    """The tables of ITU-T T.81, K.3, which OpenCV writes too."""
    _, jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
    return b"".join(part for marker, part in _segments(jpeg.tobytes()) if marker == _HUFFMAN)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and bytes, marker included, of each segment of a JPEG's header, up to the first
    that is damaged (ITU-T T.81, B.1.1.4)."""
    at = 2
    while is_jpeg(data) and at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        # Those without length do not belong here. Then: end of image, start of pixels.
        if marker == 0x01 or 0xD0 <= marker <= 0xDA:
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        yield marker, data[at:end]
        at = end


def _jpeg_is_whole(data: bytes) -> bool:
    """Return whether an end of image follows the last start of scan: neither marker can occur
    within the coded picture (ITU-T T.81, B.1.1.5)."""
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda") > 0
