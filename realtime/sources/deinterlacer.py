"""Deinterlaces pictures, even if the file is wrong about its fields.

A woven picture shows two moments at once, which tears every motion. FFmpeg's `bwdif` makes one
picture of each field. Files are often wrong about which field comes first, or whether there are
fields at all; FFmpeg's `idet` tells from the pictures.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import av.error
from av.filter import Graph
from av.video.frame import VideoFrame

EXAMINED_PICTURES = 25
"""How many pictures are examined to decide."""
BROADCAST_LINES = frozenset({480, 486, 576, 1080, 1088})
"""Heights of woven pictures. At other heights, pictures are examined only if the file says that
they are woven."""
MIN_WOVEN = 8
"""At least this many pictures must look woven if the file does not say so."""
MIN_WHOLE = 5
"""At least this many pictures must look whole if the file says that they are woven."""

FieldMode = Literal["each", "one", "none"]
"""`each`: one picture per field. `one`: one picture for both fields, at once, for a live stream,
where both arrive together. `none`: no fields."""


class Deinterlacer:
    """Takes pictures and returns deinterlaced ones, in order. Only one thread may use it."""

    def __init__(self, mode: FieldMode) -> None:
        self._mode = mode
        self._examined: list[VideoFrame] = []
        self._decided = mode == "none"
        self._graph: Graph | None = None
        self._filter = ""
        self._kind: tuple[object, ...] = ()
        self.note = ""
        """How fields were handled, in words; empty if there are none."""

    @property
    def per_picture(self) -> int:
        """How many pictures one coded picture gives."""
        return 2 if self._filter and self._mode == "each" else 1

    def deinterlace(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """Yield the pictures that `frame` completes; None marks the end."""
        if self._decided:
            yield from self._pass(frame)
        elif self._mode == "one":
            if frame is not None and frame.interlaced_frame:
                self._decide("bwdif=mode=send_frame:parity=auto:deint=interlaced", "deinterlaced")
            yield from self._pass(frame)
        elif frame is not None and (self._examined or _is_doubtful(frame)):
            self._examined.append(frame)
            if len(self._examined) == EXAMINED_PICTURES:
                yield from self._examine()
        elif frame is not None:
            yield frame
        else:
            yield from self._examine()
            yield from self._pass(None)

    def _examine(self) -> Iterator[VideoFrame]:
        """Decide from the examined pictures, and yield them."""
        self._decide_from(self._examined)
        for frame in self._examined:
            yield from self._pass(frame)
        self._examined = []

    def _decide(self, filter_: str, note: str) -> None:
        self._decided, self._filter = True, filter_
        self.note = f"interlaced: {note}"

    def _decide_from(self, frames: Sequence[VideoFrame]) -> None:
        flagged = any(frame.interlaced_frame for frame in frames)
        looks = _count_kinds(frames)
        top, bottom, whole = looks["tff"], looks["bff"], looks["progressive"]
        first = "tff" if top > 2 * bottom else "bff" if bottom > 2 * top else "auto"
        bwdif = f"bwdif=mode=send_field:parity={first}:deint="
        if flagged and whole >= MIN_WHOLE and 3 * (top + bottom) < whole:
            self._decided = True
            self.note = "says that it is interlaced, but its pictures are whole: used as they are"
        elif flagged:
            self._decide(f"{bwdif}interlaced", "each field a picture")
        elif max(top, bottom) >= MIN_WOVEN and max(top, bottom) > 9 * (min(top, bottom) + whole):
            self._decide(f"{bwdif}all", "although it does not say so; each field a picture")
        else:
            self._decided = True

    def _pass(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """Yield pictures through the filter, if there is one."""
        if not self._filter:
            if frame is not None:
                yield frame
            return
        if frame is None:
            yield from self._flush()
            return
        kind = (frame.width, frame.height, frame.format.name)
        if self._graph is None or kind != self._kind:
            yield from self._flush()
            self._graph, self._kind = _graph(frame, self._filter), kind
        self._graph.vpush(frame)
        yield from _pull(self._graph)

    def _flush(self) -> Iterator[VideoFrame]:
        if self._graph is not None:
            self._graph.vpush(None)
            yield from _pull(self._graph)


def _is_doubtful(frame: VideoFrame) -> bool:
    return frame.interlaced_frame or frame.height in BROADCAST_LINES


def _count_kinds(frames: Sequence[VideoFrame]) -> Counter[str]:
    """Count how the pictures look: `tff`, `bff` (woven, top or bottom field first), `progressive`
    or `undetermined` (for instance a face at rest)."""
    found: Counter[str] = Counter()
    if not frames:
        return found
    graph = _graph(frames[0], "idet")
    alike = [f for f in frames if (f.width, f.height) == (frames[0].width, frames[0].height)]
    for frame in (*alike, None):
        graph.vpush(frame)
        for looked_at in _pull(graph):
            found[str(looked_at.metadata.get("lavfi.idet.single.current_frame"))] += 1
    return found


def _graph(like: VideoFrame, filter_: str) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=like.width, height=like.height, format=like.format, time_base=like.time_base
    )
    name, _, options = filter_.partition("=")
    graph.link_nodes(source, graph.add(name, options or None), graph.add("buffersink")).configure()
    return graph


def _pull(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
