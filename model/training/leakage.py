"""Which data sets weights have seen: no face may be tested by a network trained on it."""

from collections.abc import Iterable
from typing import Any

from model.errors import InputError
from model.inference.checkpoint import Checkpoint

_EXTENDS = {"samm_lv": "samm"}
"""The long videos are of SAMM's recordings and hold its micro-expressions (Yap et al., FG 2020)."""


def find_face_source(name: str) -> str:
    """The data set whose faces `name` shows, usually `name` itself."""
    return _EXTENDS.get(name, name)


def list_training_sets(checkpoint: Checkpoint) -> frozenset[str]:
    """Names of the data sets its weights were trained on, including those its initial weights saw;
    empty if the checkpoint does not say."""
    seen: set[str] = set()
    recipe: Any = checkpoint.recipe
    while recipe:
        seen |= set(recipe.get("data", {}).get("sets", ()))
        recipe = recipe.get("init")
    return frozenset(seen)


def refuse_overlap(name: str, checkpoint: Checkpoint, tested: Iterable[str]) -> None:
    """Raise `InputError` if the weights called `name` saw faces of a data set in `tested`."""
    shown = set(map(find_face_source, tested))
    seen = sorted(
        each for each in list_training_sets(checkpoint) if find_face_source(each) in shown
    )
    if seen:
        raise InputError(
            f"{name} was trained on {', '.join(seen)}: it would be tested on faces that it has "
            "seen; give a network that was not, or other data"
        )
