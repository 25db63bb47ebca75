"""The spotter's test bed: footage with known truth, one nuisance at a time.

The usual footage shows a face that sways, blinks, talks between its expressions and now and then
makes a macro-expression. It makes micro-expressions (ME) of 0.5 to 2 px twelve times a minute, at
30 fps, in front of a camera with a webcam's noise. Each condition changes one thing. Conditions
without an ME show only what a spotter must not take for one.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from model.datasets import LongVideo
from model.errors import InputError
from model.records import Frame, ImageU8, Stamp, Window
from model.synthetic import FaceNuisance, Schedule, SyntheticFace, TrueExpression
from model.synthetic.compression import compress, compress_jpeg
from model.synthetic.footage import ExpressionOverlay, FaceTrack, follow_face, read_frames
from model.synthetic.movements import MOVEMENTS
from model.synthetic.photographs import photograph_portrait
from model.synthetic.portrait import astronaut_portrait
from model.synthetic.scanned_face import SkinMotion
from realtime.sources import open_source
from realtime.spotting.spotting_scores import Expression, read_intervals

USUAL_FPS = 30.0
BASELINE_S = 20.0
"""Seconds of rest for a baseline, as `calibrate baseline` asks for."""


class TestFootage(Protocol):
    """Frames and their truth."""

    @property
    def name(self) -> str:
        """Footage with the same name is the same."""

    def frames(self) -> Iterator[Frame]:
        """The frames in order, with the camera's times."""

    def truth(self) -> Sequence[TrueExpression | Expression]:
        """Everything the face does, as far as it is known."""


@dataclass(frozen=True)
class DrawnFootage:
    """Footage of the synthetic face, or of a photograph brought to life."""

    seed: int
    seconds: float
    fps: float = USUAL_FPS
    schedule: Schedule = field(default_factory=Schedule)
    nuisance: FaceNuisance = field(default_factory=FaceNuisance)
    crf: int | None = None
    """Constant rate factor of H.264; None for frames that were never compressed so."""
    bit_rate: int | None = None
    """Of H.264 as in a video call, bit/s; None for frames that were never compressed so."""
    jpeg: int | None = None
    """Quality of Motion JPEG, 1 to 100; None for frames that were never compressed so."""
    across: float = 0.5
    """Where the face's middle is, as a share of the frame's width."""
    photograph: Path | None = None
    """The face; None for the demo's."""
    motion: SkinMotion = "catalogue"

    @property
    def name(self) -> str:
        at = self.photograph and self.photograph.stat()
        return f"{self!r} {at.st_size} {at.st_mtime_ns}" if at else repr(self)

    def frames(self) -> Iterator[Frame]:
        images: Iterator[ImageU8] = (self._face.image(k) for k in range(self._count))
        if self.crf is not None or self.bit_rate is not None:
            images = compress(images, self.fps, self.crf, bit_rate=self.bit_rate)
        if self.jpeg is not None:
            images = compress_jpeg(images, self.jpeg)
        for index, image in enumerate(images):
            image.setflags(write=False)
            yield Frame(Stamp(index, index / self.fps), image, 0.0)

    def truth(self) -> tuple[TrueExpression, ...]:
        return self._face.truth(self.seconds)

    def at_rest(self) -> "DrawnFootage":
        """The same face at rest in front of the same camera, for measuring its baseline."""
        rests = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=0)
        still = replace(self.nuisance, glances_per_min=0.0, light=0.0, hunting=0.0)
        return replace(self, seconds=BASELINE_S, schedule=rests, nuisance=still)

    @property
    def _count(self) -> int:
        return round(self.seconds * self.fps)

    @cached_property
    def _face(self) -> SyntheticFace:
        return SyntheticFace(
            seed=self.seed,
            fps=self.fps,
            size=FRAME_SIZE,
            schedule=self.schedule,
            nuisance=self.nuisance,
            portrait=(
                astronaut_portrait(FRAME_SIZE, self.across)
                if self.photograph is None
                else photograph_portrait(self.photograph, FRAME_SIZE, self.across)
            ),
            motion=self.motion,
        )


@dataclass(frozen=True)
class OverlaidFootage:
    """Micro-expressions of one amplitude written over footage of a real face."""

    video: Path
    seed: int
    amplitude_px: float
    """0 for the unchanged footage."""
    motion: SkinMotion = "scan"

    @property
    def name(self) -> str:
        at = self.video.stat()
        file = f"{self.video.name} {at.st_size} {at.st_mtime_ns}"
        return f"{file} {self.seed} {self.amplitude_px} {self.motion}"

    def frames(self) -> Iterator[Frame]:
        for frame in read_frames(self.video):
            image = self._overlay.image(frame) if self.amplitude_px else frame.image
            image.setflags(write=False)
            yield Frame(frame.stamp, image, 0.0)

    def truth(self) -> tuple[TrueExpression, ...]:
        return self._overlay.truth() if self.amplitude_px else ()

    @cached_property
    def _overlay(self) -> ExpressionOverlay:
        amplitude = self.amplitude_px
        often = Schedule(
            micro_per_min=30,
            macro_per_min=0,
            speech_per_min=0,
            amplitude_px=(amplitude, amplitude),
        )
        track = _follow_face(self.video)
        return ExpressionOverlay(track, seed=self.seed, schedule=often, motion=self.motion)


_TRACKS: dict[Path, FaceTrack] = {}


def _follow_face(video: Path) -> FaceTrack:
    """The face of `video` in each frame, found once for all footage written over it."""
    if video not in _TRACKS:
        _TRACKS[video] = follow_face(read_frames(video))
    return _TRACKS[video]


@dataclass(frozen=True)
class RecordedFootage:
    """A recording from any source that is not live, with a table of its truth."""

    spec: str
    table: Path

    @property
    def title(self) -> str:
        """For a person."""
        return Path(self.spec).name

    @property
    def name(self) -> str:
        path = Path(self.spec)
        if not path.is_file():
            return self.spec
        return f"{path.absolute()} {path.stat().st_size} {path.stat().st_mtime_ns}"

    def frames(self) -> Iterator[Frame]:
        with closing(open_source(self.spec)) as source:
            if source.info.live or source.info.kind == "demo":
                raise InputError(f"{self.spec} is no recording, and has no end: give a file")
            yield from source

    def truth(self) -> tuple[Expression, ...]:
        return read_intervals(self.table)


@dataclass(frozen=True)
class AnnotatedFootage:
    """A long recording of a data set."""

    video: LongVideo

    @property
    def title(self) -> str:
        """For a person."""
        return f"{self.video.subject} {self.video.name}"

    @property
    def name(self) -> str:
        return f"{self.video.dataset} {self.video.folder.absolute()} {self.video.fps}"

    def frames(self) -> Iterator[Frame]:
        return self.video.frames()

    def truth(self) -> tuple[Expression, ...]:
        return tuple(
            replace(interval_of(window), label=label)
            for window, label in zip(self.video.windows, self.video.labels, strict=True)
        )


def interval_of(window: Window) -> Expression:
    """The interval of a window; an open window ends at its apex."""
    return Expression(window.onset.time_s, window.apex.time_s, window.end.time_s, window.kind)


@dataclass(frozen=True, slots=True)
class FootageCondition:
    """What is varied, and its value."""

    group: str
    """What is varied, as a heading."""
    value: str
    footage: DrawnFootage
    """Footage of this condition; its seed and length are placeholders."""

    def draw(self, seed: int, seconds: float) -> DrawnFootage:
        """The footage for `seed`."""
        return replace(self.footage, seed=seed, seconds=seconds)

    def draw_photograph(
        self, photograph: Path, motion: SkinMotion, seed: int, seconds: float
    ) -> DrawnFootage:
        """The footage of a photograph. People differ in when they move, too, by their file's
        name."""
        person = zlib.crc32(photograph.name.encode()) % _PEOPLE
        footage = self.draw(seed + _SEED_STEP * person, seconds)
        return replace(footage, photograph=photograph, motion=motion)


USUAL = "usual"
AMPLITUDES_PX = (0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0)
NO_MICRO = "no ME"
"""The group of conditions without a micro-expression."""
_NOTHING = Schedule(micro_per_min=0, macro_per_min=0, speech_per_min=0)
_TALKS = replace(_NOTHING, speech_per_min=8)
PEOPLE_PX = (0.7, 1.2, 2.0)
"""Amplitudes of the MEs on photographs and over footage."""
_FACES = Schedule(
    micro_per_min=20, macro_per_min=0, speech_per_min=0, blinks_per_min=20, partial_blinks=0.2
)
_FACES_CRF = 23
_MOVES = {"speech_per_min": 0, "macro_per_min": 0, "movements_per_min": 6}
FRAME_SIZE = (640, 480)
_RIM = 0.13  # the face's middle there puts one cheek out of the frame
_LOW_LIGHT = FaceNuisance(noise=6, darkness=0.5, exposure_s=1 / 20)
_PEOPLE, _SEED_STEP = 10_000, 100_000


def conditions() -> tuple[FootageCondition, ...]:
    """All conditions of the test bed; the usual footage comes first."""
    usual = Schedule()

    def vary(group: str, value: str, **changes: Any) -> FootageCondition:
        return FootageCondition(group, value, DrawnFootage(0, 1.0, **changes))

    def vary_course(group: str, value: str, **changes: Any) -> FootageCondition:
        return vary(group, value, schedule=replace(usual, **changes))

    def vary_face(group: str, value: str, **changes: Any) -> FootageCondition:
        return vary(group, value, nuisance=FaceNuisance(**changes))

    return (
        vary(USUAL, "30 fps"),
        *(vary_course("amplitude", f"{px:g} px", amplitude_px=(px, px)) for px in AMPLITUDES_PX),
        *(vary("rate", f"{fps} fps", fps=fps) for fps in (25, 60, 120, 200)),
        *(vary_face("noise", f"{grey:g} grey levels", noise=grey) for grey in (0, 3, 5, 8)),
        *(vary("compression", f"H.264, crf {crf}", crf=crf) for crf in (20, 26, 32, 38)),
        *(
            vary("compression", f"call, H.264, {rate} Mbit/s", bit_rate=rate * 1_000_000)
            for rate in (2, 1)
        ),
        vary("compression", "webcam, JPEG 60", jpeg=60),
        *(vary_face("head motion", f"× {sway:g}", sway=sway) for sway in (0, 2, 4)),
        vary_course("speech", "none", speech_per_min=0),
        vary_course("speech", "over the MEs", speech_over_micro=True),
        vary_course("blinks", "none", blinks_per_min=0),
        vary_course("blinks", "30 a minute", blinks_per_min=30),
        vary_course("blinks", "over the MEs", blinks_per_min=30, blink_over_micro=1),
        vary_course("blinks", "half of them partial", partial_blinks=0.5),
        *(vary_course("movements", name, movement=name, **_MOVES) for name in MOVEMENTS),
        vary_face("in front", "glasses that reflect", glasses=0.4),
        vary_face("in front", "moving hair", hair_mm=3),
        vary("camera", "low light, 15 fps", fps=15, nuisance=_LOW_LIGHT),
        vary("camera", "face at the rim", across=_RIM),
        vary_face("glances", "10 a minute", glances_per_min=10),
        vary_face("light", "changes by 10 %", light=0.1),
        vary_face("light", "flickers by 2 %", flicker=0.02),
        vary_face("light", "exposure hunts by 10 %", hunting=0.1),
        vary(NO_MICRO, "rest and blinks", schedule=_NOTHING),
        vary(NO_MICRO, "speech", schedule=_TALKS),
        vary(NO_MICRO, "speech, 200 fps", fps=200, schedule=_TALKS),
        vary(NO_MICRO, "macro-expressions", schedule=replace(_NOTHING, macro_per_min=8)),
        vary(NO_MICRO, "glances", schedule=_NOTHING, nuisance=FaceNuisance(glances_per_min=15)),
        vary(NO_MICRO, "light", schedule=_NOTHING, nuisance=FaceNuisance(light=0.1)),
        vary_course(NO_MICRO, "all of it", micro_per_min=0, speech_per_min=5),
    )


def face_conditions() -> tuple[FootageCondition, ...]:
    """What photographs are measured in: MEs of each amplitude, and none; sway and blinks in all."""
    courses = {"no ME": replace(_FACES, micro_per_min=0)}
    courses |= {f"{px:g} px": replace(_FACES, amplitude_px=(px, px)) for px in PEOPLE_PX}
    return tuple(
        FootageCondition("faces", value, DrawnFootage(0, 1.0, schedule=course, crf=_FACES_CRF))
        for value, course in courses.items()
    )


def overlay_video(
    video: Path, seeds: tuple[int, ...], motion: SkinMotion
) -> dict[float, tuple[OverlaidFootage, ...]]:
    """Footage by amplitude, 0 for the unchanged video. Each seed puts its MEs elsewhere."""
    written = {
        px: tuple(OverlaidFootage(video, seed, px, motion) for seed in seeds) for px in PEOPLE_PX
    }
    return {0.0: (OverlaidFootage(video, 0, 0.0),), **written}
