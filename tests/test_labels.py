"""The merge into three classes."""

import pytest

from model.errors import InputError
from model.labels import CLASS_OF_EMOTION, CLASSES, merged


def test_every_emotion_belongs_to_a_class_or_is_left_out() -> None:
    assert {label for label in CLASS_OF_EMOTION.values() if label} == set(CLASSES)
    assert merged("Repression ") == "negative"
    assert merged("happiness") == "positive"
    assert merged("other") is merged("Others") is None


def test_unknown_words_are_refused() -> None:
    with pytest.raises(InputError, match="joy"):
        merged("joy")
