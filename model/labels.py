"""The three classes that the field compares on, and the action units that are named beside them.

The merge is that of the Micro-Expression Grand Challenge 2019 (J. See, M. H. Yap, J. Li, X. Hong,
S.-J. Wang: MEGC 2019, FG 2019).
"""

CLASSES = ("negative", "positive", "surprise")

UNCLEAR = "unclear"
"""What stands for a class in records and files where no class is likely enough: "no clear
expression" for people. Never a class itself."""

NO_EXPRESSION = -1
"""What stands for a class in arrays of labels where the sample holds no expression: a face at rest,
a blink, speech, a nod."""

ACTION_UNITS = (
    *("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12", "AU14", "AU15", "AU17"),
    *("AU18", "AU20", "AU23", "AU24", "AU25", "AU26"),
)
"""The units that are named beside a class: all of the catalogue but the blink, AU45."""

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
