"""The options of a benchmark, checked before anything slow begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.sources import split_spec

T = TypeVar("T")

WARM_UP_S = 2.0
"""Warm-up of each load, kept in the samples but not in the figures: caches fill, clocks rise."""
SHORTEST_S = 1.0
LOOPED = ("demo", "file", "folder")
"""Kinds of source that play from memory, so that drawing or decoding costs nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The loads of a benchmark, and how each is run."""

    loads: tuple[LiveConfig, ...]
    """Each with the `seconds` to measure; a warm-up comes before."""
    deadline_ms: float | None = None
    """When a result is due, from its frame's arrival on; None: by the next frame's arrival."""
    page: bool = False
    """With the page open in a real browser."""

    def __post_init__(self) -> None:
        if self.deadline_ms is not None and not 0 < self.deadline_ms < float("inf"):
            raise InputError(f"--deadline-ms {self.deadline_ms:g}: choose more than 0")
        for load in self.loads:
            if load.seconds is None or load.seconds < SHORTEST_S:
                raise InputError(f"--seconds {load.seconds:g}: choose {SHORTEST_S:g} or more")


def loads(
    config: LiveConfig, rates: Sequence[float | None], sizes: Sequence[tuple[int, int]]
) -> tuple[LiveConfig, ...]:
    """Return `config` at each of `rates` and `sizes` (width, height), with its source played from
    memory if possible. Raises `InputError` for impossible values."""
    kind, rest = split_spec(config.source)
    if kind == "browser":
        raise InputError(
            "--source browser is fed by a person's page: give a camera, a file or demo"
        )
    source = f"loop:{rest}" if kind in LOOPED else config.source
    return tuple(
        replace(config, source=source, fps=fps, width=width, height=height)
        for (width, height), fps in product(sizes, rates)
    )


def parse_list(option: str, text: str, example: str, one: Callable[[str], T]) -> tuple[T, ...]:
    """`text`, values with commas between, each once and read by `one`; `InputError` with `example`
    where that raises a `ValueError`."""
    try:
        values = tuple(one(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text}: give {example}") from None
    if len(set(values)) < len(values):
        raise InputError(f"{option} {text}: each once")
    return values


def parse_rates(text: str) -> tuple[float, ...]:
    """`30,60,200` as rates per second."""
    return parse_list("--fps", text, "rates with commas between, as 30,60,200", float)


def parse_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """`640x480,1280x720` as (width, height) in px."""

    def size(part: str) -> tuple[int, int]:
        width, height = (_whole(side) for side in part.split("x"))
        return width, height

    return parse_list("--size", text, "sizes as 640x480,1280x720", size)


def parse_numbers(option: str, text: str, least: int, most: int) -> tuple[int, ...]:
    """`128,224` as whole numbers from `least` to `most`."""
    example = f"whole numbers from {least} to {most}"
    return parse_list(option, text, example, lambda part: _whole(part, least, most))


def _whole(text: str, least: int = 1, most: int = 100_000) -> int:
    if not (text.isdecimal() and least <= int(text) <= most):
        raise ValueError(text)
    return int(text)
