"""The viewer's own camera: the page sends a JPEG per frame.

The page's socket offers pictures from the event loop, which must not wait. The capture thread takes
and decodes them. The queue between them is short and drops its oldest picture, so the analysis is
never far behind. The browser's JPEG compression is lossy.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator

from model.records import Frame
from realtime.sources import SourceInfo, SourceOptions
from realtime.sources.frame_source import FrameSource
from realtime.sources.picture_decoding import decode_picture, read_jpeg_size
from realtime.stream.clock import monotonic_s

QUEUE_FRAMES = 4
MAX_JPEG_BYTES = 8 * 2**20
"""The page's socket refuses larger pictures; no camera sends them."""
MAX_PIXELS = 4096 * 4096
"""Checked before decoding: a picture of a few kilobytes can claim a huge size and fill memory."""
MAX_AHEAD_S = 1.0
"""A capture time further in the future is wrong. Accepting it would make all later ones fail."""

OVERTAKEN = "overtaken in the queue"
SKIPPED = "skipped by the browser"
BAD_JPEG = "damaged JPEG"
TOO_LARGE = "picture too large"
FROM_THE_FUTURE = "capture time in the future"


class BrowserSource(FrameSource):
    """Frames at the browser's capture times."""

    def __init__(
        self, spec: str, options: SourceOptions, *, now: Callable[[], float] = monotonic_s
    ) -> None:
        super().__init__(options.rotate)
        self._now = now
        self._gate.set_state("open", "waiting for the browser's camera")
        self._offered = threading.Condition()
        self._queue: deque[tuple[bytes, float, float, int]] = deque()
        self._overtaken = self._skipped = 0
        self._info = SourceInfo(
            spec=spec,
            kind="browser",
            description=f"the viewer's camera: {options.width}×{options.height}"
            + (f" at {options.fps:.4g} fps" if options.fps else "")
            + " asked, compressed by the browser",
            live=True,
            clock="browser",
            width=options.width,
            height=options.height,
            fps_asked=options.fps,
            fps_nominal=None,
            lossless=False,
            jpeg=True,
        )

    def offer(self, jpeg: bytes, captured_s: float, skipped: int = 0) -> None:
        """Offer one picture with its capture time on this program's `realtime.stream.clock`, and
        the number of pictures before it that the browser did not send. Any thread; returns at once.
        A full queue drops and counts its oldest picture."""
        received_s = self._now()
        with self._offered:
            if self._stop.is_set():
                return
            if len(self._queue) == QUEUE_FRAMES:
                _, _, _, lost = self._queue.popleft()
                self._overtaken += 1
                self._skipped += lost
            self._queue.append((jpeg, captured_s, received_s, skipped))
            self._offered.notify()

    def mark_away(self) -> None:
        """Set the state: the page that sends is gone, and may come back. Any thread."""
        if not self._stop.is_set():
            self._gate.set_state(
                "reconnecting", "the browser's camera is away; nothing is recorded"
            )

    def interrupt(self) -> None:
        """End the iteration now; the queue is discarded."""
        super().interrupt()
        with self._offered:
            self._offered.notify()

    def _run(self) -> Generator[Frame | None, None, None]:
        while True:
            with self._offered:
                self._offered.wait_for(lambda: self._stop.is_set() or self._queue)
                if self._stop.is_set():
                    return
                jpeg, captured_s, received_s, skipped = self._queue.popleft()
                # All dropped pictures came before the one that is now the oldest.
                overtaken, self._overtaken = self._overtaken, 0
                skipped, self._skipped = skipped + self._skipped, 0
            for cause, lost in ((OVERTAKEN, overtaken), (SKIPPED, skipped)):
                if lost:
                    self._gate.drop(cause, lost)
            # The page sends only JPEGs; other data must not reach another decoder.
            size = read_jpeg_size(jpeg)
            if size and size[0] * size[1] > MAX_PIXELS:
                self._gate.refuse(TOO_LARGE)
            elif captured_s - received_s > MAX_AHEAD_S:
                self._gate.refuse(FROM_THE_FUTURE)
            elif size is None or (image := decode_picture(jpeg)) is None:
                self._gate.refuse(BAD_JPEG)
            else:
                frame = self._gate.admit(image, captured_s, received_s, jpeg)
                if frame is not None:
                    self._gate.set_state("open")
                yield frame
