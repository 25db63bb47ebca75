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
