"""The video of a session in a form that every system can play: MP4, H.264, 8 bit 4:2:0.

Pictures that have that form are copied packet by packet; others are encoded again.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer, OutputContainer

from model.errors import InputError
from model.records import Frame
from realtime.export.video import write_changed
from realtime.sessions.export_rows import name_session
from realtime.sessions.reader import Session
from realtime.sessions.video_cut import open_video
from realtime.sources.video_decoding import VideoPacket

PACKED = ("h264", "yuv420p")


def write_mp4(session: Session, folder: Path) -> Path:
    """Write `<code>_<start>.mp4` from all parts; 0 s is the first recorded frame. If the file
    exists, it is the same video and is kept. Raises `InputError` if there are no pictures."""
    path = folder / f"{name_session(session)}.mp4"
    parts = [session.folder.video(part) for part in session.folder.parts()]
    if not parts:
        raise InputError(f"{session.folder.path} has no pictures to export")
    if path.exists():
        return path
    partial, packed = path.with_name(path.name + ".partial"), path.with_suffix(".packing.mkv")
    with ExitStack() as ending:
        containers = [ending.enter_context(open_video(part)) for part in parts]
        if not _can_copy(containers):
            ending.callback(packed.unlink, missing_ok=True)
            write_changed(session, packed, crop_to_even)
            containers = [ending.enter_context(open_video(packed))]
        out = av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"})
        ending.enter_context(out)
        _copy(containers, out)
    partial.replace(path)
    return path


def _can_copy(containers: list[InputContainer]) -> bool:
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
            packet.duration = packet.duration or 1  # players do not show a last one of length 0
            out.mux(packet)


def crop_to_even(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield `frames` in the size of the first, without an odd last row or column, because 4:2:0
    needs even sides. Frames of another size are scaled."""
    size: tuple[int, int] | None = None
    for frame in frames:
        image = frame.image
        height, width = max(2, image.shape[0] // 2 * 2), max(2, image.shape[1] // 2 * 2)
        size = size or (width, height)
        image = np.ascontiguousarray(image[:height, :width])
        if (width, height) != size:
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        yield replace(frame, image=image)
