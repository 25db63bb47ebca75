"""Each sentence says what the event's numbers say, in every language, and nothing else."""

import math
import re
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.labels import CLASSES, EMOTIONS, UNCLEAR
from model.records import Event, Prediction, Stamp, Window
from realtime.results.sentences import (
    LANGUAGES,
    MORE,
    ONE_SIDE,
    STILL,
    _part_of,
    _phrases,
    describe_expression,
    describe_in_all,
    describe_parts,
)
from realtime.spotting.motion import REGIONS

MOTION = dict.fromkeys(REGIONS, (0.01, 0.0))
MOTION |= {
    "brow_inner_left": (0.05, -0.62),
    "brow_inner_right": (0.02, -0.4),
    "mouth_corner_left": (0.4, -0.5),
}
MOVED = ("brow_inner_left", "brow_inner_right", "mouth_corner_left")
WINDOW = Window(Stamp(1, 1.0), Stamp(3, 1.1), Stamp(9, 1.3), 2.0, "micro", MOVED, MOTION)
PREDICTION = Prediction(
    "surprise",
    {"negative": 0.1, "positive": 0.06, "surprise": 0.84},
    {"AU1": 0.9, "AU2": 0.6, "AU4": 0.1},
    "fmanet",
)
EVENT = Event(1, "confirmed", WINDOW, PREDICTION, "", Stamp(9, 1.3))

SENTENCES = {
    "en": "The inner brows rose 0.6 px for 0.3 s (peak after 0.1 s), more on the left; the left "
    "corner of the mouth moved up and out 0.6 px; the lower lids did not follow: surprise, 84 % "
    "(AU1, AU2)",
    "de": "Die inneren Brauen hoben sich um 0,6 px, 0,3 s lang (am stärksten nach 0,1 s), links "
    "stärker; der linke Mundwinkel bewegte sich um 0,6 px nach oben außen; die Unterlider folgten "
    "nicht: Überraschung, 84 % (AU1, AU2)",
    "zh": "双眉内侧上抬0.6像素，历时0.3秒（0.1秒后最强），左侧更明显；左嘴角向外上方移动0.6像素；"
    "双眼下眼睑没有随之运动：惊讶，84%（AU1, AU2）",
}


BROWS = ("brow_inner_right", "brow_inner_left", "brow_outer_right", "brow_outer_left")


def moved(regions: tuple[str, ...], **motion: tuple[float, float]) -> Window:
    return replace(WINDOW, regions=regions, motion_px=dict.fromkeys(REGIONS, (0.0, 0.0)) | motion)


def say(window: Window) -> str:
    return describe_expression(replace(EVENT, window=window), named=False)


def test_an_expression_in_each_language() -> None:
    assert describe_in_all(EVENT) == SENTENCES


def test_without_its_name() -> None:
    """As it is shown while labels are hidden."""
    for language, sentence in describe_in_all(EVENT, named=False).items():
        whole = SENTENCES[language]
        assert whole.startswith(sentence)
        assert not re.search("AU|84|surprise|Überraschung|惊讶", sentence)


def test_an_early_expression_has_no_end_yet() -> None:
    early = replace(EVENT, state="early", window=replace(WINDOW, offset=None))
    assert describe_expression(early).startswith("The inner brows rose 0.6 px so far, more on")


def test_what_was_not_measured_is_not_said() -> None:
    """Recordings of earlier versions have no motion, and what a coder added has no regions."""
    assert say(replace(WINDOW, motion_px={})) == (
        "The inner brows moved for 0.3 s (peak after 0.1 s); the left corner of the mouth moved"
    )
    assert say(replace(WINDOW, motion_px={}, regions=())) == "An expression of 0.3 s"
    assert say(replace(WINDOW, regions=("elbow",))) == "An expression of 0.3 s"


@pytest.mark.parametrize(
    ("label", "probabilities", "said"),
    [
        (UNCLEAR, PREDICTION.probabilities, ": no clear expression"),
        ("anger", {}, ": anger"),
        ("negative", PREDICTION.probabilities, ": negative"),
        ("boredom", {}, ": boredom"),
        ("positive", {"positive": 0.999, "negative": 0.001}, ": positive, > 99 %"),
    ],
)
def test_only_the_networks_own_name_has_a_percent(
    label: str, probabilities: Any, said: str
) -> None:
    named = replace(PREDICTION, label=label, probabilities=probabilities, action_units={})
    assert describe_expression(replace(EVENT, prediction=named)).endswith(said)


@pytest.mark.parametrize(
    ("regions", "motion", "said"),
    [
        (("chin",), {"chin": (0.0, 0.5)}, "The chin sank 0.5 px"),
        (("chin",), {"chin": (-0.5, 0.0)}, "The chin moved right 0.5 px"),
        (("lip_upper",), {"lip_upper": (0.3, 0.4)}, "The upper lip moved 0.5 px"),
        (("cheek_right",), {"cheek_right": (-0.5, 0.0)}, "The right cheek moved out 0.5 px"),
        (("cheek_left",), {"cheek_left": (-0.5, 0.0)}, "The left cheek moved in 0.5 px"),
        (
            ("mouth_corner_left", "mouth_corner_right"),
            {"mouth_corner_left": (1.0, 0.0), "mouth_corner_right": (-1.0, 0.0)},
            "The corners of the mouth moved out 1.0 px",
        ),
        (
            ("mouth_corner_left", "mouth_corner_right"),  # one up, one down: no direction is both's
            {"mouth_corner_left": (0.0, 1.0), "mouth_corner_right": (0.0, -1.0)},
            "The corners of the mouth moved 1.0 px",
        ),
        (
            BROWS,
            dict.fromkeys(BROWS, (0.0, -0.8)),
            "The brows rose 0.8 px",
        ),
        (
            ("brow_inner_left", "brow_outer_left"),
            {"brow_inner_left": (0.0, -0.8), "brow_outer_left": (0.0, 0.5)},
            "The left inner brow rose 0.8 px for 0.3 s (peak after 0.1 s); the left outer brow sa",
        ),
    ],
)
def test_where_to_it_moved(
    regions: tuple[str, ...], motion: dict[str, tuple[float, float]], said: str
) -> None:
    assert say(moved(regions, **motion)).startswith(said)


FAR = st.tuples(st.floats(-2, 2), st.floats(-2, 2)).filter(lambda uv: math.hypot(*uv) > 0.05)


@given(FAR, FAR, FAR, st.integers(2, 60))
def test_its_numbers_are_those_of_the_event(
    right: tuple[float, float], left: tuple[float, float], lid: tuple[float, float], frames: int
) -> None:
    """Recomputed here from the window: amplitude, side, course, and what did not follow."""
    window = moved(
        ("brow_inner_left",), brow_inner_right=right, brow_inner_left=left, lid_lower_left=lid
    )
    window = replace(window, offset=Stamp(1 + frames, 1 + frames / 30), apex=Stamp(2, 1 + 1 / 30))
    text = say(window)
    a, b = math.hypot(*right), math.hypot(*left)
    found = re.search(r" (\d+\.\d+) px for (\d+\.\d+) s \(peak after (\d+\.\d+) s\)", text)
    assert found is not None
    assert float(found[1]) == pytest.approx(max(a, b), abs=0.051)
    assert float(found[2]) == pytest.approx(frames / 30, abs=0.051)
    assert float(found[3]) == pytest.approx(1 / 30, abs=0.0051)
    stronger, share = ("left" if b > a else "right"), min(a, b) / max(a, b)
    assert (f"The {stronger} inner brow " in text) == (share < ONE_SIDE)
    assert (f"more on the {stronger}" in text) == (ONE_SIDE <= share < MORE)
    assert ("the lower lids did not follow" in text) == (math.hypot(*lid) < STILL * max(a, b))


def test_the_phrases_say_the_same_in_every_language() -> None:
    """The same keys, the same numbers in each; a part for each region, a word for each name."""

    def fields(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fields(each) for key, each in value.items()}
        return sorted(name for _, name, _, _ in string.Formatter().parse(value) if name)

    phrases = _phrases()
    assert set(phrases) == set(LANGUAGES)
    english = fields(phrases["en"])
    for language in LANGUAGES:
        assert fields(phrases[language]) == english
    assert set(english["who"]) == {*map(_part_of, REGIONS), "brow"}
    assert set(english["labels"]) >= {*CLASSES, *EMOTIONS, UNCLEAR}
    for region in REGIONS:
        for motion in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 1.0), (-1.0, -1.0)):
            window = moved((region,), **{region: motion})
            assert len(describe_parts(window)) == 1
            assert len({*describe_in_all(replace(EVENT, window=window)).values()}) == len(LANGUAGES)
