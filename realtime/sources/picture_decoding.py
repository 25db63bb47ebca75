"""Decodes single pictures, from a folder of images, a browser's camera or a JPEG stream."""

import cv2
import numpy as np
from numpy.typing import NDArray

from model.records import ImageU8

_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


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
    try:
        flags = cv2.IMREAD_COLOR if low is None else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # a size beyond OpenCV's limits
        return None
    if bgr is None:
        return None
    if low is not None and bgr.dtype == np.uint16:
        bgr = low.to_8_bit(bgr.astype(np.uint16, copy=False))
    elif bgr.dtype != np.uint8:  # floats
        return decode_picture(data)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def rotate_image(image: ImageU8, degrees: int) -> ImageU8:
    """Return `image` turned clockwise by 0, 90, 180 or 270 degrees."""
    return image if degrees == 0 else np.asarray(cv2.rotate(image, _TURNS[degrees]), np.uint8)


def is_jpeg(data: bytes) -> bool:
    """Return whether these bytes start a JPEG, complete or not (SOI: ITU-T T.81, table B.1)."""
    return data.startswith(b"\xff\xd8")


def read_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG in px, from its header without decoding; None if the header
    is damaged (SOFn: ITU-T T.81, B.2.2)."""
    if not is_jpeg(data):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif (
            marker == 0x01 or 0xD0 <= marker <= 0xD8
        ):  # they have no length, and do not belong here
            return None
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(data[at + n : at + n + 2]) for n in (5, 7))
            return (width, height) if width and height else None
        elif marker in (0xD9, 0xDA):  # end of image, or start of pixels
            return None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _jpeg_is_whole(data: bytes) -> bool:
    """Return whether an end of image follows the last start of scan: neither marker can occur
    within the coded picture (ITU-T T.81, B.1.1.5)."""
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda") > 0
