"""Samples expressions of a class: which action units act, how strongly, and on which side. Their
frequencies are in `action_units.toml`."""

import numpy as np

from model.errors import InputError
from model.synthetic.action_units import Strengths, load_catalogue

_WEAK_SIDE = (0.0, 0.3)  # the other side's share if one side acts nearly alone
_BOTH_SIDES = (0.55, 1.0)  # the weaker side's share otherwise: faces are never symmetric
_OTHER_UNITS = (0.4, 1.0)  # strength of the other units as a share of the leading one's


def sample_expression(rng: np.random.Generator, label: str, evenness: float = 0.0) -> Strengths:
    """Strengths of a random expression of class `label`. The leading unit has strength 1 on its
    stronger side. `evenness`: 0 for combinations as frequent as in the catalogue, 1 for all equally
    frequent.

    Displacement fields are linear in the strengths, so scaling these scales the amplitude. Raises
    `InputError` for an unknown class.
    """
    expressions = load_catalogue().expressions
    if label not in expressions:
        choices = ", ".join(expressions)
        raise InputError(f"unknown class {label!r}: choose one of {choices}")
    combinations = expressions[label]
    often = np.array([combination.often for combination in combinations]) ** (1 - evenness)
    units = combinations[rng.choice(len(combinations), p=often / often.sum())].units
    leading = load_catalogue().units[units[0]]
    alone = rng.random() < leading.one_sided
    weaker = rng.uniform(*(_WEAK_SIDE if alone else _BOTH_SIDES))
    sides = (1.0, weaker) if rng.random() < 0.5 else (weaker, 1.0)
    strengths = {}
    for number in units:
        strength = 1.0 if number == units[0] else rng.uniform(*_OTHER_UNITS)
        strengths[number] = (strength * sides[0], strength * sides[1])
    return strengths


def scale_strengths(strengths: Strengths, factor: float) -> Strengths:
    """The same expression, `factor` times as strong."""
    return {number: (right * factor, left * factor) for number, (right, left) in strengths.items()}
