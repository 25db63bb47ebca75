"""Plays a piece of a recording or of the demo from memory, back and forth without end.

It is for benchmarks: frames need no drawing or decoding, so any rate is possible and nothing
competes with the program for the processor. Every other pass runs backwards, so there is no jump,
which would lose the spotter's reference.
"""

from collections.abc import Generator
from dataclasses import replace
from itertools import chain, islice

from model.errors import SourceError
from model.records import Frame, ImageU8
from realtime.sources import Source, SourceInfo, SourceOptions, open_source, split_spec
from realtime.sources.demo_face import DEMO_FPS, Demo, number_frames
from realtime.sources.frame_source import FrameSource

PIECE_S = 3.0
"""Length of the piece if memory allows: an expression with its context."""
PIECE_BYTES = 640 * 2**20
"""Limit of its pictures in bytes; more than any processor's cache, so frames come from memory."""
_SEARCH_S = 30.0


class Loop(FrameSource):
    """Frame n at n / fps seconds: the frames of the piece forwards, then backwards, and so on."""

    def __init__(self, spec: str, options: SourceOptions) -> None:
        """`spec` names a file, a folder or `demo` (the default). The piece is taken around the
        demo's first micro-expression, or from the beginning of anything else. `options.fps` is the
        rate of playing. Raises `SourceError` if memory cannot hold the piece."""
        super().__init__()  # the piece is already turned
        spec = "demo" if spec == "loop" else spec
        own_rate = split_spec(spec)[0] not in ("demo", "folder")
        fps = None if own_rate else options.fps
        inner = open_source(spec, replace(options, seconds=None, fps=fps))
        try:
            if inner.info.live:
                raise SourceError(
                    f"source loop:{inner.info.spec} is live: loop a file, a folder or demo"
                )
            self._fps = options.fps or inner.info.fps_nominal or DEMO_FPS
            self._images = _piece(inner, self._fps)
        finally:
            inner.close()
        if len(self._images) < 2:
            raise SourceError(
                f"source loop:{inner.info.spec} has fewer than two frames: nothing to loop"
            )
        self._numbers = number_frames(options.seconds, self._fps)
        height, width = self._images[0].shape[:2]
        self._info = SourceInfo(
            spec=inner.info.spec,
            kind="loop",
            description=f"{inner.info.description}: {len(self._images)} frames from memory, back "
            f"and forth at {self._fps:.4g} fps",
            live=False,
            clock="synthetic",
            width=width,
            height=height,
            fps_asked=options.fps,
            fps_nominal=self._fps,
            lossless=inner.info.lossless,
            duration_s=options.seconds,
        )

    def _run(self) -> Generator[Frame | None, None, None]:
        there = len(self._images) - 1
        for index in self._numbers:
            back = there - index % (2 * there)  # each end appears once per pass
            yield self._gate.admit(self._images[there - abs(back)], index / self._fps)

    def _release(self) -> None:
        self._images = []


def _piece(source: Source, fps: float) -> list[ImageU8]:
    """Return the frames to hold: at most `PIECE_S` at `fps`, at most `PIECE_BYTES`."""
    frames = iter(source)
    first = next(frames, None)
    if first is None:
        return []
    count = min(round(PIECE_S * fps), PIECE_BYTES // first.image.nbytes)
    start = 0
    if isinstance(source, Demo):
        truth = source.truth(_SEARCH_S)
        apex_s = next((e.apex_s for e in truth if e.kind == "micro"), 0.0)
        start = max(0, round(apex_s * fps) - count // 2)
    return [frame.image for frame in islice(chain([first], frames), start, start + count)]
