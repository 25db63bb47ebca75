"""The video of a session in the form that programs on any system play: MP4, H.264, 8 bit 4:2:0.

Pictures already in that form are copied, packet by packet; others are encoded again.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.container import InputContainer, OutputContainer

from model.errors import InputError
from model.records import ImageU8
from realtime.review.pictures import Pictures
from realtime.sessions.crash_safe_video import TIME_BASE
from realtime.sessions.export_rows import code_and_start
from realtime.sessions.reader import Session
from realtime.sources.video import VideoPacket

PACKED = ("h264", "yuv420p")
OPTIONS = {"crf": "14", "preset": "veryfast"}
_BT601 = 5


def write_mp4(session: Session, folder: Path) -> Path:
    """Write `<code>_<start>.mp4` from all parts, 0 s being the first recorded frame. An existing
    file is the same video and is kept. Raises `InputError` if there are no pictures."""
    path = folder / f"{code_and_start(session)}.mp4"
    parts = [session.folder.video(part) for part in session.folder.parts()]
    if not parts:
        raise InputError(f"{session.folder.path} has no pictures to export")
    if path.exists():
        return path
    partial = path.with_name(path.name + ".partial")
    with ExitStack() as opened:
        try:
            containers = [opened.enter_context(av.open(str(part))) for part in parts]
        except av.error.FFmpegError as error:
            raise InputError(f"{error.filename} cannot be read: {error.strerror}") from None
        out = av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"})
        opened.enter_context(out)
        if _can_be_copied(containers):
            _copy(containers, out)
        else:
            _pack(session, out)
    partial.replace(path)
    return path


def _can_be_copied(containers: list[InputContainer]) -> bool:
    streams = [container.streams.video[0] for container in containers]
    kinds = {(s.width, s.height, s.codec_context.extradata) for s in streams}
    return len(kinds) == 1 and all((s.codec.name, s.pix_fmt) == PACKED for s in streams)


def _copy(containers: list[InputContainer], out: OutputContainer) -> None:
    stream = out.add_stream_from_template(containers[0].streams.video[0])
    packets: Iterator[VideoPacket] = chain.from_iterable(
        container.demux(container.streams.video[0]) for container in containers
    )
    for packet in packets:
        if packet.pts is not None and packet.size:
            packet.stream = stream
            out.mux(packet)


def _pack(session: Session, out: OutputContainer) -> None:
    stream = out.add_stream("libx264", rate=30, options=OPTIONS)
    assert isinstance(stream, av.VideoStream)
    codec = stream.codec_context
    codec.framerate, codec.time_base = Fraction(0), TIME_BASE
    codec.colorspace, codec.color_range = _BT601, 1
    size: tuple[int, int] | None = None
    last_ms = -1
    with closing(Pictures(session)) as pictures:
        for place, stamp in enumerate(pictures.stamps):
            image = pictures.frame(place).image
            if size is None:
                # 4:2:0 needs even sides.
                size = max(2, image.shape[1] // 2 * 2), max(2, image.shape[0] // 2 * 2)
                stream.width, stream.height, stream.pix_fmt = *size, PACKED[1]
            last_ms = max(last_ms + 1, round(1000 * (stamp.time_s - session.zero_s)))
            picture = av.VideoFrame.from_ndarray(_fitted(image, size), "rgb24")
            picture.pts, picture.time_base = last_ms, TIME_BASE
            packed = picture.reformat(format=PACKED[1], dst_colorspace="ITU601")
            _mux(out, stream.encode(packed))
        _mux(out, stream.encode())


def _mux(out: OutputContainer, packets: Sequence[VideoPacket]) -> None:
    for packet in packets:
        packet.duration = packet.duration or 1  # without a length, the last picture is not shown
        out.mux(packet)


def _fitted(image: ImageU8, size: tuple[int, int]) -> ImageU8:
    """Return `image` in `size`, (width, height): without an odd row or column, or scaled if the
    source changed its size."""
    width, height = size
    if (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2) == size:
        return np.ascontiguousarray(image[:height, :width])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
