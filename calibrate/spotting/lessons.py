"""What a spotter's scorer is made from: footage with its truth, in parts that share no face."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from calibrate.spotting.figures import resting_baseline
from calibrate.spotting.footage import DrawnFootage, vary_footage
from calibrate.spotting.motion import MotionCache, Motions
from model.errors import InputError
from model.synthetic import TrueExpression
from realtime.spotting.metrics import Expression
from realtime.spotting.spotter import SpotterConfig

LEFT_OUT = 5
"""Of so many faces of an origin one is left out of training to choose on, and one to report on."""
_PLACES = {LEFT_OUT - 2: "choose", LEFT_OUT - 1: "report"}
MIN_LESSONS = 10
FAST_FPS, FAST_REST_S = 100.0, 12.0

Origin = Literal["recorded", "synthetic"]
ORIGINS: tuple[Origin, ...] = ("recorded", "synthetic")
"""Where footage is from: how a scorer does on one says little of the other."""


@dataclass(frozen=True)
class Lesson:
    """A piece of footage, and the spotters that go through it."""

    motions: Motions
    truth: Sequence[TrueExpression | Expression]
    configs: Sequence[SpotterConfig]
    face: str
    """Whose it is: all pieces of one face stand in one part."""
    origin: Origin


@dataclass(frozen=True)
class Parts:
    """Lessons by what they are for."""

    train: tuple[Lesson, ...]
    choose: tuple[Lesson, ...]
    report: tuple[Lesson, ...]
    whole: Mapping[Origin, int]
    """Origins that had too few faces to leave any out, and how many."""

    def faces(self) -> dict[str, list[str]]:
        """Whose lessons stand in each part."""
        parts = {"train": self.train, "choose": self.choose, "report": self.report}
        return {name: list(dict.fromkeys(each.face for each in ls)) for name, ls in parts.items()}


def split_lessons(taken: Sequence[Lesson]) -> Parts:
    """Of each origin on its own, every `LEFT_OUT`th face, in order of appearance, is to report on,
    the one before to choose on. One with fewer faces is trained on whole. Raises `InputError`
    where that leaves nothing to choose and report on."""
    split: dict[str, list[Lesson]] = {"train": [], "choose": [], "report": []}
    whole: dict[Origin, int] = {}
    for origin in ORIGINS:
        own = [each for each in taken if each.origin == origin]
        faces = list(dict.fromkeys(each.face for each in own))
        if 0 < len(faces) < LEFT_OUT:
            whole[origin] = len(faces)
            split["train"] += own
            continue
        for each in own:
            split[_PLACES.get(faces.index(each.face) % LEFT_OUT, "train")].append(each)
    if not split["report"]:
        faces_each = ", ".join(f"{origin} {count}" for origin, count in whole.items())
        raise InputError(
            f"too few faces ({faces_each}) to leave one out to choose on and one to report on: "
            f"give recordings of {LEFT_OUT} people or more, or --seeds {LEFT_OUT}"
        )
    return Parts(**{name: tuple(lessons) for name, lessons in split.items()}, whole=whole)


def drawn_lessons(seeds: int, cache: Path, jobs: int, tick: Callable[[], None]) -> list[Lesson]:
    """Synthetic footage of seeds 0 up to `seeds`, under the baseline of each face at rest and under
    the usual one; `tick` after each of two pieces for each seed."""
    if not 0 <= seeds <= 1000:
        raise InputError(f"--seeds {seeds}: choose 0 to 1000; later ones are for reports")
    motions = MotionCache(cache)
    footage = [vary_footage(seed) for seed in range(seeds)]
    motions.fill([each for drawn in footage for each in (_rest(drawn), drawn)], jobs, tick)
    return [
        Lesson(
            motions.get(drawn),
            drawn.truth(),
            (
                SpotterConfig(baseline=resting_baseline(motions.get(_rest(drawn)))),
                SpotterConfig(),
            ),
            face=f"seed {drawn.seed}",
            origin="synthetic",
        )
        for drawn in footage
    ]


def check_enough(pieces: int) -> None:
    """`InputError` unless so many pieces of footage can be learned from."""
    if pieces < MIN_LESSONS:
        raise InputError(f"{pieces} pieces of footage are too few: give {MIN_LESSONS} or more")


def _rest(drawn: DrawnFootage) -> DrawnFootage:
    """It is frames that cost: a fast camera sees less of it."""
    rest = drawn.resting()
    return replace(rest, seconds=FAST_REST_S) if drawn.fps > FAST_FPS else rest
