"""The demo face as a source, with its truth (`model.synthetic`)."""

from collections.abc import Generator, Iterable
from itertools import count

from model.records import Frame
from model.synthetic import Schedule, SyntheticFace, TrueExpression
from realtime.sources import SourceInfo, SourceOptions
from realtime.sources.frame_source import FrameSource

DEMO_FPS = 30.0
REST = "rest"
"""`demo:rest` only blinks and sways, for measuring a baseline."""

_RESTS = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=0)


class Demo(FrameSource):
    """An animated portrait: frame n at n / fps seconds, the same for the same options."""

    def __init__(self, spec: str, options: SourceOptions, *, why: str = "") -> None:
        """`why` is appended to the description if nobody asked for the demo."""
        super().__init__(options.rotate)
        fps = options.fps or DEMO_FPS
        self._fps = fps
        self._numbers = number_frames(options.seconds, fps)
        self._face = SyntheticFace(
            seed=options.seed,
            fps=fps,
            size=(options.width, options.height),
            schedule=_RESTS if spec == REST else None,
        )
        self._info = SourceInfo(
            spec=spec,
            kind="demo",
            description=f"demo face{' at rest' if spec == REST else ''}, seed {options.seed}: "
            f"{options.width}×{options.height}, {fps:.4g} fps{why}",
            live=False,
            clock="synthetic",
            width=options.width,
            height=options.height,
            fps_asked=options.fps,
            fps_nominal=fps,
            lossless=True,
            duration_s=options.seconds,
        )

    def truth(self, duration_s: float, from_s: float = 0.0) -> tuple[TrueExpression, ...]:
        """Return the expressions that end after `from_s` and within the first `duration_s` seconds,
        which a spotter should find."""
        return self._face.truth(duration_s, from_s)

    def _run(self) -> Generator[Frame | None, None, None]:
        for index in self._numbers:
            yield self._gate.admit(self._face.image(index), index / self._fps)


def number_frames(seconds: float | None, fps: float) -> Iterable[int]:
    """Return the numbers of the frames of the first `seconds`; None: without end."""
    return count() if seconds is None else range(round(seconds * fps))
