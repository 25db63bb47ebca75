"""Packs frames as JPEG, in a tenth of the memory: for viewing, not for measuring."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from model.records import Frame, ImageU8, Stamp

PACKED_QUALITY = 95


@dataclass(frozen=True, slots=True)
class PackedFrame:
    """A frame with its picture as JPEG."""

    stamp: Stamp
    received_s: float
    jpeg: bytes
    shape: tuple[int, ...]
    """(H, W, 3) of the picture."""

    @property
    def nbytes(self) -> int:
        """Size in memory, in bytes."""
        return len(self.jpeg)


RingFrame = Frame | PackedFrame


def pack(frame: RingFrame, *, as_sent: bool = False) -> PackedFrame:
    """Return `frame` packed; a packed frame stays as it is. If its source does not turn pictures,
    they are `as_sent`: then the camera's own JPEG is taken, where there is one."""
    if isinstance(frame, PackedFrame):
        return frame
    jpeg = frame.packed if as_sent else None
    if jpeg is None:
        jpeg = encode_jpeg(frame.image, PACKED_QUALITY)
    return PackedFrame(frame.stamp, frame.received_s, jpeg, frame.image.shape)


def unpack(frame: RingFrame) -> Frame:
    """Return `frame` with its picture decoded."""
    if isinstance(frame, Frame):
        return frame
    return Frame(frame.stamp, _image(frame.jpeg), frame.received_s)


def blacken(frame: RingFrame) -> RingFrame:
    """Return `frame` with a black picture, packed if it was packed."""
    if isinstance(frame, PackedFrame):
        return PackedFrame(frame.stamp, frame.received_s, _black_jpeg(frame.shape), frame.shape)
    return Frame(frame.stamp, _black(frame.image.shape), frame.received_s)


@lru_cache(maxsize=2)
def _black(shape: tuple[int, ...]) -> ImageU8:
    image = np.zeros(shape, np.uint8)
    image.setflags(write=False)
    return image


@lru_cache(maxsize=2)
def _black_jpeg(shape: tuple[int, ...]) -> bytes:
    return encode_jpeg(_black(shape), PACKED_QUALITY)


def encode_jpeg(image: ImageU8, quality: int) -> bytes:
    """Return (H, W, 3) uint8 RGB as a JPEG; `quality` up to 100."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"OpenCV could not pack a picture of {image.shape} as JPEG")
    return data.tobytes()


def _image(jpeg: bytes) -> ImageU8:
    rgb = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    image = np.asarray(rgb, dtype=np.uint8)
    image.setflags(write=False)
    return image
