"""How probable it is that a spotted micro-expression (ME) is one at all.

The spotter asks an ME for strength: over the thresholds of its regions, over the noise of the whole
face, and for more near a blink. The margin of an ME is its strength over what is asked: 1 is just
enough. The odds that it is a true one grow with a power of its margin. So one number says both how
far to believe an ME and how many there are: who asks for less probability, gets weaker ones too.
"""

from model.errors import InputError

AT_BAR = 0.62
"""The probability of an ME that is just strong enough: what the spotter asks for by default."""
STEEPNESS = 4.8
"""The odds grow with this power of the margin. Both were fitted to photographs of people brought to
life, by `fmanet calibrate spotting evaluate` (docs/evidence/spotting.md)."""
LOWEST, HIGHEST = 0.3, 0.99
"""The limits of what may be asked for. Weaker ones are nearly all noise."""
GREATEST_MARGIN = 20.0
"""Beyond this nothing is more certain."""

_ODDS_AT_BAR = AT_BAR / (1 - AT_BAR)


def me_probability(margin: float) -> float:
    """Return the probability that an ME of this margin, 0 or more, is a true one, 0 to 1."""
    odds = float(_ODDS_AT_BAR * min(margin, GREATEST_MARGIN) ** STEEPNESS)
    return odds / (1 + odds)


def margin_of(probability: float) -> float:
    """Return the margin of an ME of this probability, above 0 and below 1; 1.0 for `AT_BAR`."""
    odds = probability / (1 - probability)
    return float((odds / _ODDS_AT_BAR) ** (1 / STEEPNESS))


def check_least_probability(probability: float) -> None:
    """Raise `InputError` unless an ME may be asked for this probability."""
    if not LOWEST <= probability <= HIGHEST:
        raise InputError(
            f"--least-me-probability {probability:g}: choose {LOWEST:g} (more expressions) to "
            f"{HIGHEST:g} (fewer); {AT_BAR:g} is usual"
        )
