"""Reads video files with PyAV: each frame at its own presentation time, also at a variable rate.

Times are the file's own (`realtime.sources.frame_times`). A frame whose time does not increase is
refused and counted, because an invented time would shift every later onset.
"""

import math
import os
from collections.abc import Generator, Iterator
from itertools import chain

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from model.errors import SourceError
from model.records import Frame, ImageU8
from realtime.sources import SourceInfo, SourceOptions
from realtime.sources.frame_source import FrameSource
from realtime.sources.frame_times import FrameTimes
from realtime.sources.pixel_conversion import RgbConverter
from realtime.sources.video_decoding import (
    LIMITS,
    LOSSLESS_CODECS,
    PLAYLIST_FORMATS,
    VideoPacket,
    choose_video_stream,
    decode,
    list_videos,
    seek,
)

INCOMPLETE_S = 0.5
"""A file that ends this much before its stated length counts as incomplete."""


class RecordedSource(FrameSource):
    """An open container that has an end."""

    def __init__(
        self, container: InputContainer, options: SourceOptions, *, spec: str, kind: str, name: str
    ) -> None:
        """Read up to the first picture, so that a file without one is reported at once; raises
        `SourceError`. `container` is closed with this source, and also if this fails."""
        start_s = options.start_s
        super().__init__(options.rotate, start_s or -math.inf)
        self._container = container
        try:
            stream = choose_video_stream(container, spec)
            # Drop damaged pictures: one that the decoder repairs would show false motion.
            stream.codec_context.options = LIMITS | {"err_detect": "explode"}
            pixels = RgbConverter(stream, "each")
            ahead: list[VideoPacket] = []
            pictures = decode(container, stream, self._gate, pixels, ahead=ahead)
            first = next(pictures, None)
            if first is None:
                damaged = sum(self._gate.status().unusable.values())
                why = f"all {damaged} pictures in it are damaged" if damaged else "it has no frames"
                raise SourceError(f"{spec}: {why}")
            self._times = FrameTimes(
                container,
                stream,
                first[0],
                ahead,
                per_picture=pixels.per_picture,
                fps=options.fps,
                name=name,
            )
        except SourceError:
            container.close()
            raise
        self._pictures: Iterator[tuple[av.VideoFrame, ImageU8]] = chain([first], pictures)
        if start_s > 0 and seek(container, stream, self._times.stored_s(start_s)):
            self._pictures = decode(container, stream, self._gate, RgbConverter(stream, "each"))
        self._begins_late = start_s > 0
        height, width = first[1].shape[:2]
        fps, end_s = self._times.fps, self._times.end_s
        codec = stream.codec_context.name
        parts = [f"{name}: {width}×{height}"]
        if fps:
            parts.append(f"{fps:.4g} fps")
        if end_s:
            parts.append(f"{end_s:.1f} s")
        self._info = SourceInfo(
            spec=spec,
            kind=kind,
            description=", ".join([*parts, codec]),
            live=False,
            clock="file",
            width=width,
            height=height,
            fps_asked=options.fps,
            fps_nominal=fps,
            lossless=codec in LOSSLESS_CODECS,
            duration_s=end_s or (container.duration / av.time_base if container.duration else None),
            notes=(*_choice(container, stream), *self._times.notes, *pixels.notes),
        )

    def _run(self) -> Generator[Frame | None, None, None]:
        time_s, end_s = 0.0, self._times.end_s
        size = self.info.height, self.info.width
        note = ""
        yielded = False
        for picture, image in self._pictures:
            frame = self._gate.admit(image, self._times.time_of(picture))
            if frame is not None:
                yielded = True
                time_s = frame.stamp.time_s
                if frame.image.shape[:2] != size:
                    size = frame.image.shape[0], frame.image.shape[1]
                    note = f"size changed to {size[1]}×{size[0]} at {time_s:.2f} s"
                    self._gate.set_state("open", note)
            yield frame
        if not yielded and not self._begins_late:
            raise SourceError(
                f"{self._info.spec}: its pictures have no times; put them into a container that "
                "has (ffmpeg -r RATE -i FILE -c copy clip.mp4)"
            )
        if yielded and end_s and time_s < end_s - INCOMPLETE_S:
            note = f"ended at {time_s:.1f} s of {end_s:.1f} s: the file is incomplete"
        self._gate.set_state("ended", note)

    def _release(self) -> None:
        self._container.close()


def _choice(container: InputContainer, stream: VideoStream) -> Iterator[str]:
    """Yield which of several videos in the file this is, if there are several."""
    streams = list_videos(container)
    if len(streams) > 1:
        yield f"video {1 + streams.index(stream)} of the {len(streams)} in it"


class VideoFile(RecordedSource):
    """A video file."""

    def __init__(self, spec: str, options: SourceOptions) -> None:
        """Raises `SourceError` if there is no such file or no picture can be read from it."""
        if not os.path.isfile(spec):
            raise SourceError(f"{spec}: no such file")
        if not os.access(spec, os.R_OK):
            raise SourceError(f"{spec}: no permission to read it")
        try:
            # Absolute, or FFmpeg would take part of a name like "12:30.mp4" for a protocol.
            container = av.open(os.path.abspath(spec), metadata_errors="replace")
        except av.error.FFmpegError as error:
            raise SourceError(
                f"{spec}: not a video, without frames, or cut off before its index "
                f"({error.strerror})"
            ) from None
        if PLAYLIST_FORMATS & set(container.format.name.split(",")):
            container.close()
            raise SourceError(f"{spec}: a list of other files, not a video: open one of them")
        super().__init__(container, options, spec=spec, kind="file", name=os.path.basename(spec))
