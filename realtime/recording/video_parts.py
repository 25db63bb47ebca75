"""The video of a recording in parts: one file after the other, without gaps between them."""

from model.records import Frame
from realtime.sessions.crash_safe_video import VideoWriter, choose_codec
from realtime.sessions.folder import SessionFolder
from realtime.sessions.line_file import sync_folder

PART_S = 300.0
"""Longest part. Forgetting copies the rest of a part, and must finish before the ring overflows."""


class VideoParts:
    """Writes `video.mkv`, `video-2.mkv` …. One thread."""

    def __init__(
        self, folder: SessionFolder, codec: str, sound_hz: int | None, rotate: int
    ) -> None:
        """Opens nothing yet. `sound_hz`, `rotate`: see `VideoWriter`."""
        self._folder = folder
        self._codec = codec
        self._sound_hz = sound_hz
        self._rotate = rotate
        self._part = self._began_ms = 0
        self._writer: VideoWriter | None = None
        self._named = True

    @property
    def writer(self) -> VideoWriter | None:
        """The part being written; None before the first picture and after `close`."""
        return self._writer

    def place(self, frame: Frame, due_ms: int) -> tuple[int, int]:
        """Return where `frame`, captured `due_ms` after the first, will be: the number of the part
        and the presentation time in it, in ms. A new part begins after `PART_S`, after `close`, and
        when size or packing change. Raises `OSError` if it cannot be created."""
        height, width = frame.image.shape[:2]
        codec = choose_codec(self._codec, frame)
        if self._writer is not None and (
            (self._writer.size, self._writer.codec) != ((width, height), codec)
            or due_ms - self._began_ms >= PART_S * 1000
        ):
            self.close()
        if self._writer is None:
            self._part += 1
            self._began_ms = due_ms
            path = self._folder.video(self._part)
            self._writer = VideoWriter(path, width, height, codec, self._sound_hz, self._rotate)
            self._named = False
        return self._part, self._writer.next_pts(due_ms)

    def write(self, frame: Frame, pts_ms: int) -> None:
        """Append the picture for which `place` was last called. Raises `OSError`."""
        assert self._writer is not None
        self._writer.write(frame, pts_ms)
        if not self._named:
            sync_folder(self._folder.path)  # the file's name
            self._named = True

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        if self._writer is not None:
            self._writer.sync()

    def close(self) -> None:
        """Close the open part; the next picture begins another. If this raises `OSError`, the part
        is closed all the same."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
