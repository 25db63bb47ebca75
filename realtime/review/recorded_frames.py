"""The recorded frames of a session by their place.

Places number the frames in the video, from 0. To reach a place a little ahead, decoding goes on; to
reach any other, it starts at the key frame before that place.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator

import av
import av.error
import numpy as np

from model.errors import InputError
from model.records import ArrayF64, Frame, ImageU8, Stamp
from realtime.sessions.frame_table import NO_PART, Places
from realtime.sessions.ledger import LedgerLine
from realtime.sessions.reader import Session
from realtime.sources.frame_source import Gate
from realtime.sources.video_decoding import choose_video_stream, decode_recorded

KEPT_BYTES = 96 * 2**20
"""Size of the decoded pictures that are kept, which makes stepping back fast."""
AHEAD_MS = 2000
"""Up to this far ahead, going on is faster than seeking a key frame."""


class RecordedFrames:
    """Random access to the recorded frames. Any thread, one at a time."""

    def __init__(self, session: Session) -> None:
        """The video is opened later, for the first picture."""
        self._folder = session.folder
        self._rotate = session.rotate
        frames = session.frames
        self._records = frames.take(frames.recorded & (frames.part != NO_PART))
        self.times_s: ArrayF64 = self._records.time_s
        """(N,) float64: the live time of each place."""
        self._places = Places(self._records)
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, ImageU8] = OrderedDict()
        self._bytes = 0
        self._decoder: Iterator[tuple[int, ImageU8]] = iter(())
        self._at: LedgerLine | None = None
        self._container: av.container.InputContainer | None = None

    def nearest(self, time_s: float) -> int:
        """Return the place nearest to a time of the source; `InputError` if there is none."""
        after = int(np.searchsorted(self.times_s, time_s))
        near = [place for place in (after - 1, after) if 0 <= place < len(self)]
        if not near:
            raise InputError("this session has no pictures")
        return min(near, key=lambda place: abs(self.times_s[place] - time_s))

    def __len__(self) -> int:
        return len(self.times_s)

    def stamp(self, place: int) -> Stamp:
        """Return the live stamp of `place`. Raises `InputError` if there is none."""
        if not 0 <= place < len(self):
            raise InputError(f"frame {place}: the session has {len(self)} frames, counted from 0")
        return self._records.stamp(place)

    def frame(self, place: int) -> Frame:
        """Return the frame at `place`. Raises `InputError` if there is none, or it cannot be
        decoded."""
        stamp = self.stamp(place)
        with self._lock:
            image = self._kept.get(place)
            if image is None:
                image = self._decode(place)
            self._kept.move_to_end(place)
        return Frame(stamp, image, 0.0)

    def between(self, first: int, last: int) -> list[Frame]:
        """Return the existing frames from place `first` to `last`, both included."""
        places = range(max(0, first), min(last + 1, len(self)))
        return [self.frame(place) for place in places]

    def close(self) -> None:
        """Close the video. A later call opens it again."""
        with self._lock:
            self._close()

    def _decode(self, wanted: int) -> ImageU8:
        record, at = self._records[wanted], self._at
        assert record.pts_ms is not None
        near = (
            at is not None
            and at.part == record.part
            and at.pts_ms is not None
            and 0 < record.pts_ms - at.pts_ms <= AHEAD_MS
        )
        if not near:
            self._seek(record)
        for place, image in self._decoder:
            self._at = self._records[place]
            self._keep(place, image)
            if place == wanted:
                return image
            if place > wanted:
                break
        self._at = None
        raise InputError(
            f"frame {wanted} cannot be decoded: repair the session with fmanet "
            f"session recover {self._folder.path}"
        )

    def _seek(self, record: LedgerLine) -> None:
        self._close()
        assert record.part is not None
        assert record.pts_ms is not None
        path = self._folder.video(record.part)
        try:
            self._container = container = av.open(str(path))
            stream = choose_video_stream(container, str(path))
            assert stream.time_base is not None
            container.seek(round(record.pts_ms / 1000 / stream.time_base), stream=stream)
        except av.error.FFmpegError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        self._decoder = self._pictures(container, stream, record.part)

    def _pictures(
        self, container: av.container.InputContainer, stream: av.VideoStream, part: int
    ) -> Iterator[tuple[int, ImageU8]]:
        for picture, image in decode_recorded(container, stream, Gate(), self._rotate):
            if picture.pts is None or picture.time_base is None:
                continue
            place = self._places.find(part, round(picture.pts * picture.time_base * 1000))
            if place is not None:
                image.setflags(write=False)
                yield place, image

    def _keep(self, place: int, image: ImageU8) -> None:
        if place in self._kept:
            return
        self._kept[place] = image
        self._bytes += image.nbytes
        while len(self._kept) > 1 and self._bytes > KEPT_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes

    def _close(self) -> None:
        self._decoder, self._at = iter(()), None
        if self._container is not None:
            self._container.close()
            self._container = None
