"""Pictures out of a PyAV container: what files and network streams share.

Whatever a decoder gives (grey, 10 bit, odd sizes, a size that changes on the way) becomes RGB of
its own size; a display matrix, by which phones store portrait video, is applied.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from model.errors import SourceError
from model.records import ImageU8
from realtime.sources.ffv1 import is_whole
from realtime.sources.gate import Gate
from realtime.sources.picture import decode_picture, turned

VideoPacket: TypeAlias = "Packet[VideoStream]"  # generic to type checkers alone

DAMAGED = "damaged"
"""Cause under which pictures that could not be decoded whole are counted."""

JPEGS = "mjpeg"
"""FFmpeg's name of the codec whose packets are JPEGs."""

FFV1 = "ffv1"

LOSSLESS_CODECS = frozenset({"ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "png", "bmp"})


def video_stream(container: InputContainer, spec: str) -> VideoStream:
    """The stream to watch, its decoder not opened yet.

    Raises `SourceError` if there is none: cover art does not count, nor does a text file, which
    FFmpeg would render as a terminal.
    """
    if container.format.name == "tty":
        raise SourceError(f"{spec}: a text file, not a video")
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise SourceError(f"{spec}: it has no video in it")
    best = container.streams.best("video")
    stream = best if isinstance(best, VideoStream) and best in streams else streams[0]
    stream.thread_type = "AUTO"  # frame threads: 200 fps footage is decoded in real time
    return stream


def decoded(
    container: InputContainer,
    stream: VideoStream,
    gate: Gate,
    intact: Callable[[bytes], bool] | None = None,
) -> Iterator[tuple[VideoFrame, ImageU8]]:
    """Each whole picture with its RGB image, (H, W, 3) uint8, upright. Damaged ones are counted
    at `gate`; a container that breaks off ends it, as its end does. `intact` says which packets may
    be decoded at all."""
    to_rgb = VideoReformatter()
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            gate.refuse(DAMAGED)
            packet = None
        if intact and packet is not None and packet.size and not intact(bytes(packet)):
            gate.refuse(DAMAGED)
            continue
        try:
            # None at the end draws what the decoder still holds.
            frames = stream.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            gate.refuse(DAMAGED)
            frames = []
        for frame in frames:
            if frame.is_corrupt:
                gate.refuse(DAMAGED)
            else:
                yield frame, upright(to_rgb.reformat(frame, format="rgb24"), frame)
        if packet is None:
            return


def unpacked(
    container: InputContainer, stream: VideoStream, gate: Gate
) -> Iterator[tuple[VideoPacket, ImageU8]]:
    """Each whole picture of a stream of JPEGs with its packet, the JPEG: decoded as a camera's are
    (`decode_picture`), so that of the same bytes come the same pixels. Otherwise as `decoded`."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            gate.refuse(DAMAGED)
            return
        if packet is None or not packet.size:  # an empty one ends it
            return
        image = None if packet.is_corrupt else decode_picture(bytes(packet))
        if image is None:
            gate.refuse(DAMAGED)
        else:
            yield packet, image


def recorded(
    container: InputContainer, stream: VideoStream, gate: Gate, rotate: int
) -> Iterator["tuple[VideoFrame | VideoPacket, ImageU8]"]:
    """Each whole picture of a session's video, pixel by pixel as the recorder had it if it was
    kept without loss, with what bears its presentation time. Otherwise as `decoded`. `rotate`:
    degrees clockwise by which the session's JPEGs, kept as they came, are turned."""
    codec = stream.codec_context.name
    if codec == JPEGS:
        return (
            (packet, turned(image, rotate)) for packet, image in unpacked(container, stream, gate)
        )
    return decoded(container, stream, gate, is_whole if codec == FFV1 else None)


def upright(rgb: VideoFrame, decoded_from: VideoFrame) -> ImageU8:
    """The pixels of `rgb`, turned and mirrored as the display matrix of the frame it was
    converted from says; quarter turns only, as nothing else occurs in video.

    The matrix is row-major 16.16 fixed point with (x', y') = (a·x + c·y, b·x + d·y), y down
    (ISO/IEC 14496-12, 6.2.2; FFmpeg, libavutil/display.h).
    """
    image: ImageU8 = rgb.to_ndarray().astype(np.uint8, copy=False)
    try:
        matrix = cast(Mapping[Any, Any], decoded_from.side_data).get(SideData.DISPLAYMATRIX)
    except ValueError:
        # PyAV 18 cannot list side data among which is a kind it does not know (EXIF): the angle
        # is there all the same.
        return np.ascontiguousarray(np.rot90(image, round(decoded_from.rotation / 90)))
    if matrix is None:
        return np.ascontiguousarray(image)  # rows of odd widths are padded
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        image = image.transpose(1, 0, 2)
        flip_x, flip_y = c < 0, b < 0
    else:
        flip_x, flip_y = a < 0, d < 0
    image = image[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return np.ascontiguousarray(image)
