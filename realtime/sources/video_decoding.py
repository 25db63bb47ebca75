"""Reads pictures from a PyAV container, for files and network streams.

Pictures of any kind (grey, 10 bits, odd or changing sizes) become RGB, see
`realtime.sources.pixel_conversion`.
"""

import math
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TypeAlias

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from model.errors import SourceError
from model.records import ImageU8
from realtime.sources.ffv1 import is_whole
from realtime.sources.frame_source import Gate
from realtime.sources.frame_times import RATE_PACKETS
from realtime.sources.picture_decoding import decode_picture, rotate_image
from realtime.sources.pixel_conversion import RgbConverter

VideoPacket: TypeAlias = "Packet[VideoStream]"  # generic to type checkers alone

DAMAGED = "damaged"
"""Cause under which incompletely decoded pictures are counted."""

MJPEG = "mjpeg"
"""FFmpeg's name of the codec whose packets are JPEGs."""

FFV1 = "ffv1"

LIMITS = {"max_pixels": str(2**26)}
"""Options of decoders; the same limit as for OpenCV (`model`)."""

PLAYLIST_FORMATS = frozenset({"concat", "dash", "hls", "imf"})
"""FFmpeg's formats that name other files, which a page may not be allowed to open."""

LOSSLESS_CODECS = frozenset({"ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "png", "bmp"})


def choose_video_stream(container: InputContainer, spec: str) -> VideoStream:
    """Return the stream to watch; its decoder is not open yet.

    Raises `SourceError` if there is none. Cover art does not count, nor does a text file, which
    FFmpeg would render as a terminal.
    """
    if container.format.name == "tty":
        raise SourceError(f"{spec}: a text file, not a video")
    streams = list_videos(container)
    if not streams:
        raise SourceError(f"{spec}: it has no video in it")
    streams = [stream for stream in streams if stream.codec_context is not None]
    if not streams:
        raise SourceError(
            f"{spec}: its video is in a codec that cannot be read here; convert it, as to H.264"
        )
    best = container.streams.best("video")
    stream = best if isinstance(best, VideoStream) and best in streams else streams[0]
    stream.codec_context.options = LIMITS
    stream.thread_type = "AUTO"  # frame threads: 200 fps footage is decoded in real time
    return stream


def list_videos(container: InputContainer) -> list[VideoStream]:
    """Return all video streams, without cover art."""
    return [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]


def decode(
    container: InputContainer,
    stream: VideoStream,
    gate: Gate,
    pixels: RgbConverter,
    intact: Callable[[bytes], bool] | None = None,
    ahead: list["VideoPacket"] | None = None,
) -> Iterator[tuple[VideoFrame, ImageU8]]:
    """Yield each complete picture with its RGB image, (H, W, 3) uint8, upright, made by `pixels`.
    Damaged pictures are counted at `gate`. The iteration ends where the container ends or breaks
    off. `intact` says which packets may be decoded. `ahead` receives the first packets before any
    picture."""
    packets = _packets(container, stream, gate)
    if ahead is not None:
        ahead += islice(packets, RATE_PACKETS)
        packets = chain(ahead, packets)
    for packet in chain(packets, [None]):  # None draws what the decoder still holds
        if intact and packet is not None and packet.size and not intact(bytes(packet)):
            gate.refuse(DAMAGED)
            continue
        try:
            frames = stream.decode(packet)
        except av.error.EOFError:
            break
        except av.error.FFmpegError:
            gate.refuse(DAMAGED)
            frames = []
        for frame in frames:
            if frame.is_corrupt:
                gate.refuse(DAMAGED)
            else:
                yield from pixels.convert(frame)
    yield from pixels.convert(None)


def seek(container: InputContainer, stream: VideoStream, time_s: float) -> bool:
    """Go to the last key frame before `time_s` of the file, or return False if the file cannot be
    searched; it then goes on where it is. The pictures after that come from a new `decode`."""
    if not stream.time_base:
        return False
    try:
        container.seek(math.floor(time_s / stream.time_base), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def _packets(container: InputContainer, stream: VideoStream, gate: Gate) -> Iterator[VideoPacket]:
    """Yield the packets up to where the container ends or breaks off."""
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        gate.refuse(DAMAGED)


def unpack_jpegs(
    container: InputContainer, stream: VideoStream, gate: Gate
) -> Iterator[tuple[VideoPacket, ImageU8]]:
    """Yield each complete picture of a stream of JPEGs with its packet, the JPEG. They are decoded
    like a camera's (`decode_picture`), so the same bytes give the same pixels. Otherwise as
    `decode`."""
    for packet in _packets(container, stream, gate):
        if not packet.size:  # marks the end
            return
        image = None if packet.is_corrupt else decode_picture(bytes(packet))
        if image is None:
            gate.refuse(DAMAGED)
        else:
            yield packet, image


def decode_recorded(
    container: InputContainer, stream: VideoStream, gate: Gate, rotate: int
) -> Iterator["tuple[VideoFrame | VideoPacket, ImageU8]"]:
    """Yield each complete picture of a session's video with the frame or packet that carries its
    time. If it was kept without loss, every pixel is as the recorder had it. Otherwise as `decode`.
    `rotate`: degrees clockwise by which the session's original JPEGs are turned."""
    codec = stream.codec_context.name
    if codec == MJPEG:
        return (
            (packet, rotate_image(image, rotate))
            for packet, image in unpack_jpegs(container, stream, gate)
        )
    pixels = RgbConverter(stream, "none")
    return decode(container, stream, gate, pixels, is_whole if codec == FFV1 else None)
