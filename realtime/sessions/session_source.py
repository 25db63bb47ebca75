"""A recorded session as a source: its frames with the numbers and times that they had live."""

import math
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import av
import av.error
import numpy as np

from model.errors import InputError, SourceError
from model.records import Frame
from realtime.sessions.frame_table import NO_PART, Places
from realtime.sessions.reader import Session, open_session
from realtime.sources import SourceInfo, SourceOptions
from realtime.sources.frame_source import FrameSource
from realtime.sources.video_decoding import (
    LIMITS,
    VideoPacket,
    choose_video_stream,
    decode_recorded,
    seek,
)

UNLISTED = "not in the ledger"


class SessionSource(FrameSource):
    """The recorded frames of a session, in order, each with its live stamp. Where a frame was
    dropped or redacted, or cannot be decoded, the index jumps."""

    def __init__(self, spec: str, options: SourceOptions) -> None:
        """Raises `SourceError` if `spec` is not a session or has no pictures."""
        if options.fps is not None:
            raise SourceError(
                f"{spec}: --fps {options.fps:g} does not apply to a session, which has its own "
                "times: leave it out"
            )
        try:
            self._session: Session = open_session(Path(spec))
        except InputError as error:
            raise SourceError(str(error)) from None
        self._records = self._session.frames.take(self._session.frames.recorded)
        self._places = Places(self._records)
        if not len(self._records):
            raise SourceError(f"{spec}: no frame was recorded in this session")
        zero_s = self._session.zero_s
        self._start_s = zero_s + options.start_s if options.start_s else -math.inf
        super().__init__(options.rotate, self._start_s)
        document = self._session.document
        camera, seconds = document["camera"], self._session.seconds
        fps = self._session.fps
        self._info = SourceInfo(
            spec=spec,
            kind="session",
            description=f"session {Path(spec).resolve().name} of {self._session.participant}: "
            f"{camera['width']}×{camera['height']}, {seconds:.1f} s, {document['video']['codec']}",
            live=False,
            clock="file",
            width=camera["width"],
            height=camera["height"],
            fps_asked=None,
            fps_nominal=None if math.isnan(fps) else fps,
            lossless=bool(document["video"]["lossless"] and camera["lossless"]),
            duration_s=seconds,
            zero_s=zero_s,
        )

    @property
    def session(self) -> Session:
        """The session: its events, markers, document."""
        return self._session

    def _run(self) -> Generator[Frame | None, None, None]:
        lost = 0
        # The first picture to be played: its part, and its time in that part, ms.
        begin_part, begin_ms = NO_PART, 0
        if self._start_s > -math.inf:
            later = np.flatnonzero(self._records.time_s >= self._start_s)
            if len(later):
                begin_part = int(self._records.part[later[0]])
                begin_ms = int(self._records.pts_ms[later[0]])
        for part in self._session.folder.parts():
            if part < begin_part:
                continue
            path = self._session.folder.video(part)
            try:
                container = av.open(str(path))
            except av.error.FFmpegError as error:
                raise SourceError(
                    f"{path} is damaged ({error.strerror}): repair it with fmanet "
                    f"session recover {self._session.folder.path}"
                ) from None
            with container:
                stream = choose_video_stream(container, str(path))
                # A picture that the decoder repaired is not what the camera saw: better none.
                stream.codec_context.options = LIMITS | {"err_detect": "explode"}
                if part == begin_part:
                    seek(container, stream, begin_ms / 1000)
                for picture, image in decode_recorded(
                    container, stream, self._gate, self._session.rotate
                ):
                    place = self._place(part, picture)
                    if place is None:
                        self._gate.refuse(UNLISTED)
                        continue
                    stamp = self._records.stamp(place)
                    if stamp.index - place > lost:
                        self._gate.drop("not recorded", stamp.index - place - lost)
                        lost = stamp.index - place
                    frame = self._gate.admit(image, stamp.time_s)
                    # Not the gate's number: the gate does not know which pictures were damaged.
                    yield frame and replace(frame, stamp=stamp)

    def _place(self, part: int, picture: "av.VideoFrame | VideoPacket") -> int | None:
        if picture.pts is None or picture.time_base is None:
            return None
        return self._places.find(part, round(picture.pts * picture.time_base * 1000))
