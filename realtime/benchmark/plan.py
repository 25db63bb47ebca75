"""The loads of a benchmark. Options are checked before anything slow begins."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import TypeVar

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.sources import split_spec

T = TypeVar("T")

WARM_UP_S = 2.0
"""Length of each load's warm-up, in which caches fill and processor clocks rise. Its frames are in
the samples, but not in the figures."""
SHORTEST_LOAD_S = 1.0
LOOPED = ("demo", "file", "folder")
"""Kinds of source that are played from memory: drawing or decoding them would cost time."""


def plan_loads(
    config: LiveConfig, rates: Sequence[float | None], sizes: Sequence[tuple[int, int]]
) -> tuple[LiveConfig, ...]:
    """Return `config` for each of `rates` and `sizes` (width, height). Its source is played from
    memory if possible. Raises `InputError` for impossible values."""
    if config.seconds is None or config.seconds < SHORTEST_LOAD_S:
        raise InputError(f"--seconds {config.seconds}: choose {SHORTEST_LOAD_S:g} or more")
    kind, rest = split_spec(config.source)
    if kind == "browser":
        raise InputError(
            "--source browser needs a person with a browser: give a camera, a file or demo"
        )
    source = f"loop:{rest}" if kind in LOOPED else config.source
    return tuple(
        replace(config, source=source, fps=fps, width=width, height=height)
        for (width, height), fps in product(sizes, rates)
    )


def parse_list(option: str, text: str, example: str, parse: Callable[[str], T]) -> tuple[T, ...]:
    """Return the values in `text`, which are separated by commas, each read by `parse`. Raises
    `InputError` with `example` if `parse` raises `ValueError`, and if a value comes twice."""
    try:
        values = tuple(parse(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text}: give {example}") from None
    if len(set(values)) < len(values):
        raise InputError(f"{option} {text}: give each value once")
    return values


def parse_rates(text: str) -> tuple[float, ...]:
    """Return the rates per second in `30,60,200`."""
    return parse_list("--fps", text, "rates separated by commas, as 30,60,200", float)


def parse_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Return the sizes in `640x480,1280x720`: (width, height) in px."""

    def size(part: str) -> tuple[int, int]:
        width, height = (_whole(side) for side in part.split("x"))
        return width, height

    return parse_list("--size", text, "sizes as 640x480,1280x720", size)


def parse_numbers(option: str, text: str, least: int, most: int) -> tuple[int, ...]:
    """Return the numbers in `128,224`, which must be whole, from `least` to `most`."""
    example = f"whole numbers from {least} to {most}"
    return parse_list(option, text, example, lambda part: _whole(part, least, most))


def _whole(text: str, least: int = 1, most: int = 100_000) -> int:
    if not (text.isdecimal() and least <= int(text) <= most):
        raise ValueError(text)
    return int(text)
