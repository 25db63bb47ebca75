"""The three classes that the field compares on, and the action units that are named beside them.

The merge is that of the Micro-Expression Grand Challenge 2019 (J. See, M. H. Yap, J. Li, X. Hong,
S.-J. Wang: MEGC 2019, FG 2019).
"""

from model.errors import InputError

CLASSES = ("negative", "positive", "surprise")

UNCLEAR = "unclear"
"""What stands for a class in records and files where no class is likely enough: "no clear
expression" for people. Never a class itself."""

CLASS_OF_EMOTION = {
    "anger": "negative",
    "contempt": "negative",
    "disgust": "negative",
    "fear": "negative",
    "repression": "negative",
    "sadness": "negative",
    "happiness": "positive",
    "surprise": "surprise",
    "others": None,
}
"""Class by annotated emotion; None where the challenge leaves the clip out."""


def merged(emotion: str) -> str | None:
    """The class of an annotated `emotion` (any case), None if it belongs to none of the three.

    Raises `InputError` for a word that no data set of the challenge uses.
    """
    word = emotion.strip().lower()
    if word == "other":
        word = "others"
    if word not in CLASS_OF_EMOTION:
        raise InputError(
            f"unknown emotion {emotion!r}: known are {', '.join(sorted(CLASS_OF_EMOTION))}"
        )
    return CLASS_OF_EMOTION[word]
