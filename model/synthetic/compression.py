"""Compresses pictures as a camera or a video call does with H.264, without a file."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from model.errors import InputError
from model.records import ImageU8

KEY_FRAME_S = 2.0
"""Interval between key frames; at each of them the noise changes at once."""
_MAX_CRF = 51


def compress(images: Iterable[ImageU8], fps: float, crf: int) -> Iterator[ImageU8]:
    """Encode `images` with x264 and yield them decoded, as many and in the same order.

    The images are (H, W, 3) uint8 RGB of one even size. `crf` is x264's constant rate factor, 0 to
    51; 23 is its default, and more is worse. There are no B-frames, as in live video. Raises
    `InputError` for another `crf` or for odd sides.
    """
    if not 0 <= crf <= _MAX_CRF:
        raise InputError(f"crf {crf} must be 0 to {_MAX_CRF}")
    rate = Fraction(fps).limit_denominator(1000)
    encoder: VideoCodecContext | None = None
    decoder = VideoCodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    for index, image in enumerate(images):
        if encoder is None:
            encoder = _encoder(image.shape[1], image.shape[0], rate, crf)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, 1 / rate
        for packet in encoder.encode(frame):
            yield from _pictures(decoder.decode(packet))
    if encoder is not None:
        for packet in encoder.encode(None):
            yield from _pictures(decoder.decode(packet))
        yield from _pictures(decoder.decode(None))


def _encoder(width: int, height: int, rate: Fraction, crf: int) -> VideoCodecContext:
    if width % 2 or height % 2:
        raise InputError(f"size {width}x{height}: h264 needs even width and height")
    encoder = VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = 1 / rate, rate
    encoder.thread_count = 1  # with more, the slices would depend on the machine
    key = str(max(1, round(KEY_FRAME_S * float(rate))))
    encoder.options = {"crf": str(crf), "preset": "veryfast", "bf": "0", "g": key}
    return encoder


def _pictures(frames: Iterable[av.VideoFrame]) -> Iterator[ImageU8]:
    for frame in frames:
        yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
