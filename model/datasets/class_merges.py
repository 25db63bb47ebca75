"""Which annotated emotions count as one class: the merges that papers use.

| classes | data sets | from |
|---|---|---|
| 3: negative, positive, surprise | all | MEGC 2019 (`model.labels`); *others* is left out |
| 4: the same and others | all | MEGC 2022, CAS(ME)² and CAS(ME)³ |
| 5, CASME II | happiness, surprise, disgust, repression, others | its paper |
| 5, SAMM | anger, contempt, happiness, surprise, other | its users |
| 7, CASME II | the five, sadness and fear | its table |
| 7, SAMM | its eight without other | its table |
| 7, MMEW and CAS(ME)³ | happiness, surprise, disgust, others, fear, sadness, anger | their papers |

The published tables give these counts. CASME II with 5 classes: 246 of 255 rows (99 others,
63 disgust, 32 happiness, 27 repression, 25 surprise). Papers report 244 to 247, depending on the
release and on the rows they drop for a missing apex or missing pictures. SAMM with 5 classes: 136.
CASME II with 3 classes: 99 negative by MEGC's rule. The challenge's own list has 88 (of
24 subjects), because it lacks fear and sadness (9 rows) and two more
(`model.datasets.megc2019`). So scores on "CASME II, 3 classes" can be compared only if the number
of clips is stated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model.errors import InputError
from model.labels import CLASS_OF_EMOTION, CLASSES

SYNONYMS = {"happy": "happiness", "sad": "sadness", "other": "others"}
"""Spellings in some tables, and the word used here."""

_COARSE = {name: name for name in CLASSES}  # SMIC and CAS(ME)² annotate the classes themselves
_THREE: Mapping[str, str | None] = {**CLASS_OF_EMOTION, **_COARSE, "tense": None}  # CASME's
_FOUR: Mapping[str, str | None] = {**_THREE, "others": "others"}
_BASIC = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")

_BY_DATASET: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("casme2", 5): ("disgust", "happiness", "others", "repression", "surprise"),
    ("samm", 5): ("anger", "contempt", "happiness", "others", "surprise"),
    ("casme2", 7): (
        "disgust", "fear", "happiness", "others", "repression", "sadness", "surprise",
    ),
    ("samm", 7): tuple(sorted((*_BASIC, "contempt"))),
    ("samm_lv", 5): ("anger", "contempt", "happiness", "others", "surprise"),
    ("samm_lv", 7): tuple(sorted((*_BASIC, "contempt"))),
    ("mmew", 7): tuple(sorted((*_BASIC, "others"))),
    ("casme3", 7): tuple(sorted((*_BASIC, "others"))),
}  # fmt: skip


def list_words() -> frozenset[str]:
    """All words for an emotion or a class that the merges know."""
    return frozenset((*_FOUR, *SYNONYMS))


@dataclass(frozen=True, slots=True)
class Merge:
    """Classes, and the class of each annotated emotion."""

    name: str
    """"3", "4", "5 of casme2": for reports and checkpoints."""
    classes: tuple[str, ...]
    class_of: Mapping[str, str | None]
    """Class by emotion; None if the emotion is left out."""

    def find_class(self, label: str) -> str | None:
        """The class of an annotated label (any case); None if it is empty or left out.
        Raises `InputError` for a word that no published table uses."""
        word = label.strip().lower()
        word = SYNONYMS.get(word, word)
        if not word:
            return None
        if word not in self.class_of:
            known = ", ".join(sorted(self.class_of))
            raise InputError(f"unknown emotion {label!r}: known are {known}")
        return self.class_of[word]


def merge(classes: int, dataset: str | None = None) -> Merge:
    """The merge into `classes` classes; 5 and 7 depend on the data set.

    Raises `InputError` with the choices if there is no such merge.
    """
    if classes == 3:
        return Merge("3", CLASSES, _THREE)
    if classes == 4:
        return Merge("4", (*CLASSES, "others"), _FOUR)
    names = _BY_DATASET.get((dataset or "", classes))
    if names is None:
        choices = ", ".join(f"{n} of {name}" for name, n in _BY_DATASET)
        of = f" of {dataset}" if dataset else ""
        raise InputError(f"no merge into {classes} classes{of}: choose 3, 4, {choices}")
    class_of = {word: word if word in names else None for word in (*CLASS_OF_EMOTION, *_COARSE)}
    return Merge(f"{classes} of {dataset}", names, class_of)


def list_merges(dataset: str) -> tuple[Merge, ...]:
    """All merges that make sense for a data set, coarsest first."""
    finer = sorted(n for name, n in _BY_DATASET if name == dataset)
    return (merge(3), merge(4), *(merge(n, dataset) for n in finer))
