"""Frames as JPEG: for the eye, not for measuring, in a tenth of the memory."""

from dataclasses import dataclass

import cv2
import numpy as np

from model.records import Frame, ImageU8, Stamp

JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class PackedFrame:
    """A frame whose picture is packed."""

    stamp: Stamp
    received_s: float
    jpeg: bytes

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return len(self.jpeg)


Held = Frame | PackedFrame


def pack(held: Held) -> PackedFrame:
    """`held` packed, once: what is packed already stays as it is."""
    if isinstance(held, PackedFrame):
        return held
    return PackedFrame(held.stamp, held.received_s, _jpeg(held.image))


def unpack(held: Held) -> Frame:
    """`held` with its picture."""
    if isinstance(held, Frame):
        return held
    return Frame(held.stamp, _image(held.jpeg), held.received_s)


def _jpeg(image: ImageU8) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise RuntimeError(f"OpenCV could not pack a picture of {image.shape} as JPEG")
    return data.tobytes()


def _image(jpeg: bytes) -> ImageU8:
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    image = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    image.setflags(write=False)
    return image
