"""The three classes that papers in the field report, and the action units named beside them.

The merge is that of the Micro-Expression Grand Challenge 2019 (J. See, M. H. Yap, J. Li, X. Hong,
S.-J. Wang: MEGC 2019, FG 2019).
"""

CLASSES = ("negative", "positive", "surprise")

UNCLEAR = "unclear"
"""The label in records and files if no class is likely enough; people read "no clear expression".
It is never a class itself."""

NO_EXPRESSION = -1
"""The label, in arrays, of a sample without expression: a face at rest, a blink, speech, a nod."""

ACTION_UNITS = (
    *("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12", "AU14", "AU15", "AU17"),
    *("AU18", "AU20", "AU23", "AU24", "AU25", "AU26"),
)
"""The units named beside a class: the whole catalogue except the blink, AU45."""

EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
"""The seven emotions that coders name beside the classes."""

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
"""Class by annotated emotion; None if the challenge leaves such clips out."""
