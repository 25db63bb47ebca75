"""Expressions drawn from the catalogue."""

from collections import Counter

import numpy as np
import pytest

from model.errors import InputError
from model.labels import CLASSES
from model.synthetic.action_units import displacement_field, load_catalogue
from model.synthetic.expressions import sample_expression, scale_strengths
from model.synthetic.portrait import astronaut_portrait


def test_labels_are_the_catalogue_s() -> None:
    assert tuple(load_catalogue().expressions) == CLASSES


@pytest.mark.parametrize("label", CLASSES)
def test_expressions_are_combinations_of_their_class(label: str) -> None:
    rng = np.random.default_rng(0)
    allowed = {combination.units for combination in load_catalogue().expressions[label]}
    for _ in range(100):
        strengths = sample_expression(rng, label)
        assert tuple(strengths) in allowed
        assert max(next(iter(strengths.values()))) == 1.0
        assert all(0 <= side <= 1 for sides in strengths.values() for side in sides)


def test_frequencies_follow_the_catalogue() -> None:
    rng = np.random.default_rng(0)
    drawn = Counter(tuple(sample_expression(rng, "positive")) for _ in range(2000))
    combinations = load_catalogue().expressions["positive"]
    share = combinations[0].often / sum(combination.often for combination in combinations)
    assert drawn[combinations[0].units] / 2000 == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(("evenness", "power"), [(0.0, 1.0), (0.7, 0.3), (1.0, 0.0)])
def test_training_sees_rare_combinations_more_often(evenness: float, power: float) -> None:
    rng = np.random.default_rng(0)
    drawn = Counter(tuple(sample_expression(rng, "negative", evenness)) for _ in range(4000))
    combinations = load_catalogue().expressions["negative"]
    whole = sum(combination.often**power for combination in combinations)
    for combination in combinations:
        share = combination.often**power / whole
        assert drawn[combination.units] / 4000 == pytest.approx(share, abs=0.02)


def test_classes_look_different_on_a_face() -> None:
    """Mean fields as the literature draws them: brows down, lip corners up, brows up."""
    rng = np.random.default_rng(0)
    landmarks = astronaut_portrait((640, 480)).landmarks_canvas
    brow = np.rint(landmarks[[107, 336]].mean(axis=0)).astype(int)
    corner = np.rint(landmarks[[61, 291]]).astype(int)
    up = {}
    for label in CLASSES:
        fields = [
            displacement_field(landmarks, sample_expression(rng, label), (176, 208))
            for _ in range(60)
        ]
        mean = np.mean(fields, axis=0)
        up[label] = (-mean[1, brow[1], brow[0]], -mean[1, corner[:, 1], corner[:, 0]].mean())
    assert up["surprise"][0] > 1 > 0 > up["negative"][0]
    assert up["positive"][1] > 2 > max(up["negative"][1], up["surprise"][1])
    assert abs(up["positive"][0]) < 0.3


def test_scaled_keeps_the_proportions() -> None:
    assert scale_strengths({"AU4": (1.0, 0.5)}, 2.0) == {"AU4": (2.0, 1.0)}


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(InputError, match=r"'joy'.*positive"):
        sample_expression(np.random.default_rng(0), "joy")
