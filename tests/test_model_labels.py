"""The three classes, and the action units beside them."""

from model.labels import ACTION_UNITS, CLASS_OF_EMOTION, CLASSES, UNCLEAR
from model.synthetic.action_units import load_catalogue


def test_every_emotion_belongs_to_a_class_or_is_left_out() -> None:
    assert {label for label in CLASS_OF_EMOTION.values() if label} == set(CLASSES)
    assert UNCLEAR not in CLASSES


def test_action_units_are_those_of_the_catalogue_but_the_blink() -> None:
    assert [*ACTION_UNITS, "AU45"] == list(load_catalogue().units)
