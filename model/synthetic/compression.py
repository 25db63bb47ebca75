"""Compresses pictures as a camera or a video call does, without a file."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext

from model.errors import InputError
from model.records import ImageU8

KEY_FRAME_S = 2.0
"""Interval between key frames; at each of them the noise changes at once."""
_MAX_CRF = 51
_LEAST_BIT_RATE = 50_000
_BUFFER_S = 0.3  # of a call's rate control


def compress(
    images: Iterable[ImageU8], fps: float, crf: int | None = None, *, bit_rate: int | None = None
) -> Iterator[ImageU8]:
    """Encode `images` with x264 and yield them decoded, as many and in the same order.

    The images are (H, W, 3) uint8 RGB of one even size. Give one of two: `crf` is x264's constant
    rate factor, 0 to 51; 23 is its default, and more is worse. `bit_rate`, bit/s, is held as in a
    video call: fast choices, a short buffer, and a filter that drops what looks like noise, so that
    blocks in which little changes are skipped. There are no B-frames, as in live video. Raises
    `InputError` for another `crf` or `bit_rate`, or for odd sides.
    """
    if (crf is None) == (bit_rate is None):
        raise InputError(f"crf {crf}, bit rate {bit_rate}: give one of them")
    if crf is not None and not 0 <= crf <= _MAX_CRF:
        raise InputError(f"crf {crf} must be 0 to {_MAX_CRF}")
    if bit_rate is not None and bit_rate < _LEAST_BIT_RATE:
        raise InputError(f"bit rate {bit_rate} must be at least {_LEAST_BIT_RATE}")
    rate = Fraction(fps).limit_denominator(1000)
    how = {"crf": str(crf), "preset": "veryfast"} if bit_rate is None else _call_options(bit_rate)
    encoder: VideoCodecContext | None = None
    decoder = VideoCodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    for index, image in enumerate(images):
        if encoder is None:
            encoder = _encoder(image.shape[1], image.shape[0], rate, how)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, 1 / rate
        for packet in encoder.encode(frame):
            yield from _pictures(decoder.decode(packet))
    if encoder is not None:
        for packet in encoder.encode(None):
            yield from _pictures(decoder.decode(packet))
        yield from _pictures(decoder.decode(None))


def compress_jpeg(images: Iterable[ImageU8], quality: int) -> Iterator[ImageU8]:
    """Encode each of `images`, (H, W, 3) uint8 RGB, as a webcam does that sends Motion JPEG, and
    yield it decoded. Raises `InputError` unless `quality` is 1 to 100."""
    if not 1 <= quality <= 100:
        raise InputError(f"JPEG quality {quality} must be 1 to 100")
    for image in images:
        coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        yield np.ascontiguousarray(decoded[..., ::-1], dtype=np.uint8)


def _call_options(bit_rate: int) -> dict[str, str]:
    return {
        "preset": "superfast",
        "tune": "zerolatency",
        "b": str(bit_rate),
        "maxrate": str(bit_rate),
        "bufsize": str(int(bit_rate * _BUFFER_S)),
        "nr": "600",
    }


def _encoder(width: int, height: int, rate: Fraction, options: dict[str, str]) -> VideoCodecContext:
    if width % 2 or height % 2:
        raise InputError(f"size {width}x{height}: h264 needs even width and height")
    encoder = VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = 1 / rate, rate
    encoder.thread_count = 1  # with more, the slices would depend on the machine
    key = str(max(1, round(KEY_FRAME_S * float(rate))))
    encoder.options = {**options, "bf": "0", "g": key}
    return encoder


def _pictures(frames: Iterable[av.VideoFrame]) -> Iterator[ImageU8]:
    for frame in frames:
        yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
