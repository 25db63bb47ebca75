"""Video files by PyAV: each frame at its own presentation time, variable rates included.

Times are taken from the file as they are: a frame whose time does not exceed the last one's is
refused and counted, because a time made up for it would move every onset after it.
"""

import os
from collections.abc import Generator
from itertools import chain

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from model.errors import SourceError
from model.records import Frame
from realtime.sources import SourceInfo, SourceOptions
from realtime.sources.gate import NO_TIME
from realtime.sources.gated import GatedSource
from realtime.sources.video import LOSSLESS_CODECS, decoded, video_stream

INCOMPLETE_S = 0.5
"""A file that ends this much before the length it states is called incomplete."""


class Recording(GatedSource):
    """A container that is open and has an end. Times are seconds since its first picture."""

    def __init__(
        self, container: InputContainer, options: SourceOptions, *, spec: str, kind: str, name: str
    ) -> None:
        """Reads up to the first picture, so that a file without one is told at once; raises
        `SourceError`. `container` is closed with this, and if this fails."""
        super().__init__(options.rotate)
        self._container = container
        try:
            stream = video_stream(container, spec)
            # A picture patched up by the decoder would move where the face did not: rather none.
            stream.codec_context.options = {"err_detect": "explode"}
            pictures = decoded(container, stream, self._gate)
            first = next(pictures, None)
            if first is None:
                damaged = sum(self._gate.status().unusable.values())
                why = f"all {damaged} pictures in it are damaged" if damaged else "it has no frames"
                raise SourceError(f"{spec}: {why}")
        except SourceError:
            container.close()
            raise
        self._pictures = chain([first], pictures)
        height, width = first[1].shape[:2]
        rate = stream.average_rate or stream.guessed_rate
        codec = stream.codec_context.name
        self._length_s = _length_s(container, stream)
        parts = [f"{name}: {width}×{height}"]
        if rate:
            parts.append(f"{float(rate):.4g} fps")
        if self._length_s:
            parts.append(f"{self._length_s:.1f} s")
        self._info = SourceInfo(
            spec=spec,
            kind=kind,
            description=", ".join([*parts, codec]),
            live=False,
            paced_by_stamps=True,
            clock="file",
            width=width,
            height=height,
            fps_asked=None,
            fps_nominal=float(rate) if rate else None,
            lossless=codec in LOSSLESS_CODECS,
            duration_s=container.duration / av.time_base if container.duration else None,
        )

    def _run(self) -> Generator[Frame, None, None]:
        start_s: float | None = None
        time_s = 0.0
        size = self.info.height, self.info.width
        note = ""
        yielded = False
        for picture, image in self._pictures:
            if self._stop.is_set():
                break
            stamp_s = _time_s(picture)
            if stamp_s is None:
                self._gate.refuse(NO_TIME)
            else:
                start_s = stamp_s if start_s is None else start_s
                frame = self._gate.admit(image, stamp_s - start_s)
                if frame is not None:
                    time_s = frame.stamp.time_s
                    if frame.image.shape[:2] != size:
                        size = frame.image.shape[0], frame.image.shape[1]
                        note = f"size changed to {size[1]}×{size[0]} at {time_s:.2f} s"
                        self._gate.open(note)
                    yielded = True
                    yield frame
        if self._stop.is_set():
            self._gate.ended(note)
        elif not yielded:
            raise SourceError(
                f"{self._info.spec}: its pictures have no times; put them into a container that "
                "has (ffmpeg -r RATE -i FILE -c copy clip.mp4)"
            )
        elif self._length_s and time_s < self._length_s - INCOMPLETE_S:
            self._gate.ended(
                f"ended at {time_s:.1f} s of {self._length_s:.1f} s: the file is incomplete"
            )
        else:
            self._gate.ended(note)

    def _release(self) -> None:
        self._container.close()


class VideoFile(Recording):
    """A video file."""

    def __init__(self, spec: str, options: SourceOptions) -> None:
        """Raises `SourceError` if there is no such file or no picture can be read from it."""
        if not os.path.isfile(spec):
            raise SourceError(f"{spec}: no such file")
        if not os.access(spec, os.R_OK):
            raise SourceError(f"{spec}: no permission to read it")
        try:
            # Absolute, so that no name is taken for one of FFmpeg's protocols ("12:30.mp4").
            container = av.open(os.path.abspath(spec), metadata_errors="replace")
        except av.error.FFmpegError as error:
            raise SourceError(
                f"{spec}: not a video, without frames, or cut off before its index "
                f"({error.strerror})"
            ) from None
        super().__init__(container, options, spec=spec, kind="file", name=os.path.basename(spec))


def _time_s(picture: VideoFrame) -> float | None:
    """Presentation time; where a container states decoding times only (AVI), those."""
    ticks = picture.pts if picture.pts is not None else picture.dts
    if ticks is None or picture.time_base is None:
        return None
    return float(ticks * picture.time_base)


def _length_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Of the pictures, if the file says; sound beside them may be longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    return None
