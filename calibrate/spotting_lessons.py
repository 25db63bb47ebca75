"""What a spotter's scorer is made from: footage with its truth, in parts that share no face."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calibrate.spotting_figures import resting_baseline
from calibrate.spotting_footage import Drawn, varied
from calibrate.spotting_motion import MotionCache, Motions
from model.errors import InputError
from model.synthetic import TrueExpression
from realtime.scoring import Interval
from realtime.spotting import SpotterConfig

LEFT_OUT = 5
"""Of so many faces one is left out of training to choose on, and one to report on."""
MIN_LESSONS = 10
FAST_FPS, FAST_REST_S = 100.0, 12.0


@dataclass(frozen=True)
class Lesson:
    """A piece of footage, and the spotters that go through it."""

    motions: Motions
    truth: Sequence[TrueExpression | Interval]
    configs: Sequence[SpotterConfig]
    face: str
    """Whose it is: all pieces of one face stand in one part."""


@dataclass(frozen=True)
class Parts:
    """Lessons by what they are for."""

    train: tuple[Lesson, ...]
    choose: tuple[Lesson, ...]
    report: tuple[Lesson, ...]

    def faces(self) -> dict[str, list[str]]:
        """Whose lessons stand in each part."""
        parts = {"train": self.train, "choose": self.choose, "report": self.report}
        return {name: list(dict.fromkeys(each.face for each in ls)) for name, ls in parts.items()}


def parted(taken: Sequence[Lesson]) -> Parts:
    """Every `LEFT_OUT`th face, in order of appearance, is to report on, the one before to choose
    on. Raises `InputError` where there are fewer faces."""
    faces = list(dict.fromkeys(each.face for each in taken))
    if len(faces) < LEFT_OUT:
        raise InputError(
            f"{len(faces)} faces are too few to leave one out to choose on and one to report on: "
            f"give {LEFT_OUT} or more, or --seeds {LEFT_OUT}"
        )
    place = {face: k % LEFT_OUT for k, face in enumerate(faces)}
    return Parts(
        train=tuple(each for each in taken if place[each.face] < LEFT_OUT - 2),
        choose=tuple(each for each in taken if place[each.face] == LEFT_OUT - 2),
        report=tuple(each for each in taken if place[each.face] == LEFT_OUT - 1),
    )


def drawn_lessons(seeds: int, cache: Path, jobs: int, tick: Callable[[], None]) -> list[Lesson]:
    """Synthetic footage of seeds 0 up to `seeds`, under the baseline of each face at rest and under
    the usual one; `tick` after each of two pieces for each seed."""
    if not 0 <= seeds <= 1000:
        raise InputError(f"--seeds {seeds}: choose 0 to 1000; later ones are for reports")
    motions = MotionCache(cache)
    footage = [varied(seed) for seed in range(seeds)]
    motions.fill([each for drawn in footage for each in (_rest(drawn), drawn)], jobs, tick)
    return [
        Lesson(
            motions.get(drawn),
            drawn.truth(),
            (
                SpotterConfig(baseline=resting_baseline(motions.get(_rest(drawn)))),
                SpotterConfig(),
            ),
            face=f"synthetic, seed {drawn.seed}",
        )
        for drawn in footage
    ]


def check_enough(pieces: int) -> None:
    """`InputError` unless so many pieces of footage can be learned from."""
    if pieces < MIN_LESSONS:
        raise InputError(f"{pieces} pieces of footage are too few: give {MIN_LESSONS} or more")


def _rest(drawn: Drawn) -> Drawn:
    """It is frames that cost: a fast camera sees less of it."""
    rest = drawn.resting()
    return replace(rest, seconds=FAST_REST_S) if drawn.fps > FAST_FPS else rest
