"""The three classes."""

from model.labels import CLASS_OF_EMOTION, CLASSES, UNCLEAR


def test_every_emotion_belongs_to_a_class_or_is_left_out() -> None:
    assert {label for label in CLASS_OF_EMOTION.values() if label} == set(CLASSES)
    assert UNCLEAR not in CLASSES
