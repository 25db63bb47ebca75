"""One sentence that says what an expression was: which parts of the face moved, where to, how far,
on which side, how long, and what the network calls it.

    The inner brows rose 0.6 px for 0.3 s (peak after 0.1 s), more on the left; the lower lids did
    not follow: surprise, 84 % (AU1, AU2)

Each word follows from the event's numbers by a rule of this module, and all words are in
`phrases.toml`. So a sentence claims nothing that is not in the event. It is an answer in words, as
MELLM gives, without a language model. Left and right are the person's.
"""

import argparse
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from model.records import Event, Window
from realtime.spotting.motion import REGIONS

Language = Literal["en", "de", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

NAMED_FROM = 0.5
"""Probability from which an action unit is named."""
SURE = 0.995
"""Nothing is 100 % sure: from this probability it says "> 99 %"."""
MOST_PARTS = 2
"""How many parts of the face a sentence names: those that moved most."""
ONE_SIDE = 0.35
"""If the weaker side moves less than this share of the stronger, the stronger is named alone."""
MORE = 0.75
"""If it moves less than this share, the sentence says which side moved more."""
DIAGONAL = 0.5
"""From this ratio of the smaller to the greater component, both directions are named."""
STILL = 0.25
"""A part that moved less than this share of another "did not follow" it."""

_FOLLOWER = {
    "brow": "lid_lower",
    "brow_outer": "lid_lower",
    "brow_middle": "lid_lower",
    "brow_inner": "lid_lower",
    "mouth_corner": "cheek",
}
"""What may move with a part, and says something if it does not: squinting with the brows, the
cheeks with a smile."""
_BROWS = ("brow_inner", "brow_middle", "brow_outer")


@dataclass(frozen=True, slots=True)
class PartMotion:
    """How one part of the face moved, both of its sides together."""

    part: str
    """A key of the phrases' `who`."""
    sides: Literal["both", "left", "right", "one"]
    """Which moved; `one`: the part has no sides."""
    px: float
    """How far the stronger side moved, px of the crop; NaN if that was not measured."""
    direction: str
    """A key of the phrases' `moved`."""
    more: Literal["", "left", "right"] = ""
    """The side that moved more, if both did."""


def describe_expression(event: Event, language: Language = "en", *, named: bool = True) -> str:
    """The sentence on `event`, early or confirmed. With `named` False it does not say what the
    network calls it."""
    words, window = _phrases()[language], event.window
    text: str
    parts = describe_parts(window)
    values = {
        "s": _number(words, _duration_s(window)),
        "peak": _number(words, window.apex.time_s - window.onset.time_s),
    }
    if parts:
        course = words["early" if window.offset is None else "course"].format(**values)
        courses = [course, *[""] * (MOST_PARTS - 1)]  # said once
        clauses = [_clause(words, *each) for each in zip(parts, courses, strict=False)]
        text = words["between"].join(clauses) + _still(words, window, parts)
    else:
        text = words["nameless"].format(**values)
    if named and event.prediction is not None:
        text += _naming(words, event)
    return text[:1].upper() + text[1:]


def add_language(parser: argparse.ArgumentParser) -> None:
    """Add the option `--language`."""
    parser.add_argument(
        "--language",
        choices=LANGUAGES,
        default="en",
        help="of the sentence on each expression",
    )


def describe_in_all(event: Event, *, named: bool = True) -> dict[str, str]:
    """`describe_expression` by language, for a page that chooses its own."""
    return {each: describe_expression(event, each, named=named) for each in LANGUAGES}


def describe_parts(window: Window) -> list[PartMotion]:
    """The parts of the face that moved, strongest first as in `window.regions`. Brows that moved
    alike in two or three places are one part."""
    found: list[PartMotion] = []
    for name in dict.fromkeys(_part_of(r) for r in window.regions if r in REGIONS):
        found.append(_measure(window, name))
    brows = [part for part in found if part.part in _BROWS]
    if len(brows) > 1 and len({(part.sides, part.direction) for part in brows}) == 1:
        strongest = max(brows, key=lambda part: -1 if math.isnan(part.px) else part.px)
        whole = PartMotion(
            "brow", strongest.sides, strongest.px, strongest.direction, strongest.more
        )
        found = [whole if part is brows[0] else part for part in found]
        found = [part for part in found if part.part not in _BROWS]
    return found


def _measure(window: Window, part: str) -> PartMotion:
    """The motion of `part`. "Out" is away from the middle of the face on either side; left and
    right are the person's."""
    if part in REGIONS:
        motion = window.motion_px.get(part)
        if motion is None:
            return PartMotion(part, "one", math.nan, "unmeasured")
        return PartMotion(part, "one", math.hypot(*motion), _direction(*motion, "left", "right"))
    sides = {side: window.motion_px.get(f"{part}_{side}") for side in ("right", "left")}
    right, left = sides["right"], sides["left"]
    if right is None or left is None:
        moved = [side for side in sides if f"{part}_{side}" in window.regions]
        only: Any = moved[0] if len(moved) == 1 else "both"
        return PartMotion(part, only, math.nan, "unmeasured")
    far = {"right": math.hypot(*right), "left": math.hypot(*left)}
    stronger: Literal["left", "right"] = "right" if far["right"] >= far["left"] else "left"
    weaker = "left" if stronger == "right" else "right"
    share = far[weaker] / max(far[stronger], 1e-9)
    # The person's right is on the picture's left, so u points outwards on the left side alone.
    outwards = {"right": (-right[0], right[1]), "left": left}
    if share < ONE_SIDE:
        return PartMotion(part, stronger, far[stronger], _direction(*outwards[stronger]))
    apart = sum(a * b for a, b in zip(outwards["right"], outwards["left"], strict=True)) <= 0
    mean = [(a + b) / 2 for a, b in zip(outwards["right"], outwards["left"], strict=True)]
    direction = "some" if apart else _direction(mean[0], mean[1])
    return PartMotion(part, "both", far[stronger], direction, stronger if share < MORE else "")


def _direction(out: float, down: float, positive: str = "out", negative: str = "in") -> str:
    sideways, upright = positive if out > 0 else negative, "down" if down > 0 else "up"
    if abs(out) < DIAGONAL * abs(down):
        return upright
    if abs(down) < DIAGONAL * abs(out):
        return sideways
    # A part in the middle has no outside.
    return f"{upright}_{sideways}" if positive == "out" else "some"


def _clause(words: Mapping[str, Any], part: PartMotion, course: str) -> str:
    number = "many" if part.sides == "both" else "one"
    px = "" if math.isnan(part.px) else _number(words, part.px)
    motion = words["moved"][part.direction][number].format(who=_who(words, part), px=px)
    side: str = words[f"more_{part.more}"] if part.more else ""
    return f"{motion}{course}{side}"


def _who(words: Mapping[str, Any], part: PartMotion) -> str:
    who: str = words["who"][part.part][part.sides]
    return who


def _still(words: Mapping[str, Any], window: Window, parts: list[PartMotion]) -> str:
    """What might have followed the strongest part and did not; empty if that is not known."""
    strongest = parts[0]
    follower = _FOLLOWER.get(strongest.part)
    if follower is None or math.isnan(strongest.px) or follower in map(_part_of, window.regions):
        return ""
    motion = _measure(window, follower)
    if math.isnan(motion.px) or motion.px >= STILL * strongest.px:
        return ""
    said: str = words["still"].format(who=words["who"][follower]["both"])
    return said


def _naming(words: Mapping[str, Any], event: Event) -> str:
    prediction = event.prediction
    assert prediction is not None
    percent = ""
    shares = prediction.probabilities
    # A coder's own name has no probability, and a refusal has none either.
    if prediction.label == max(shares, key=shares.__getitem__, default=None):
        share = shares[prediction.label]
        text = "> 99" if share >= SURE else str(round(100 * share))  # as the page writes it
        percent = words["percent"].format(percent=text)
    named = [unit for unit, share in prediction.action_units.items() if share >= NAMED_FROM]
    units = words["units"].format(units=", ".join(named)) if named else ""
    label = words["labels"].get(prediction.label, prediction.label)
    said: str = words["naming"].format(label=label, percent=percent, units=units)
    return said


def _duration_s(window: Window) -> float:
    return window.end.time_s - window.onset.time_s


def _number(words: Mapping[str, Any], value: float) -> str:
    """With one decimal; below 0.1 with two."""
    text = f"{value:.2f}" if value < 0.0995 else f"{value:.1f}"
    return text.replace(".", words["decimal"])


def _part_of(region: str) -> str:
    return region.removesuffix("_right").removesuffix("_left")


@cache
def _phrases() -> Mapping[str, Any]:
    with Path(__file__).with_name("phrases.toml").open("rb") as file:
        return tomllib.load(file)
