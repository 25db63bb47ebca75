"""A recorded session as a source: its frames with the numbers and times that they had live."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import av
import av.error

from model.errors import InputError, SourceError
from model.records import Frame
from realtime.sessions.frame_table import Places
from realtime.sessions.reader import Session, open_session
from realtime.sources import SourceInfo, SourceOptions
from realtime.sources.frame_source import FrameSource
from realtime.sources.video_decoding import (
    LIMITS,
    VideoPacket,
    choose_video_stream,
    decode_recorded,
)

UNLISTED = "not in the ledger"


class SessionSource(FrameSource):
    """The recorded frames of a session, in order, each with its live stamp. Where a frame was
    dropped or redacted, or cannot be decoded, the index jumps."""

    def __init__(self, spec: str, options: SourceOptions) -> None:
        """Raises `SourceError` if `spec` is not a session or has no pictures."""
        super().__init__(options.rotate)
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
        document = self._session.document
        camera, seconds = document["camera"], self._session.seconds
        fps = (len(self._records) - 1) / seconds if seconds else None
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
            fps_nominal=fps,
            lossless=bool(document["video"]["lossless"] and camera["lossless"]),
            duration_s=seconds,
        )

    @property
    def session(self) -> Session:
        """The session: its events, markers, document."""
        return self._session

    def _run(self) -> Generator[Frame | None, None, None]:
        lost = 0
        for part in self._session.folder.parts():
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
