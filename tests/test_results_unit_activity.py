"""The activity of action units: that of the unit that moves, and nothing where nothing is known."""

import numpy as np
import pytest
from test_spotting_spotter import sample

from model.records import ArrayF32
from realtime.results.unit_activity import EVERY_S, UnitActivity, activity_units, unit_patterns
from realtime.spotting.motion import REGIONS

STILL = np.full((len(REGIONS), 2), 0.4, np.float32)  # a face may rest anywhere


def measured(*, px: float = 0.0, pattern: int = 0, **last: object) -> ArrayF32 | None:
    """What is measured after three seconds of rest, when the motion of a pattern adds to it."""
    activity = UnitActivity()
    for index in range(90):
        activity.measure(sample(index, index / 30, STILL))
    added = px * unit_patterns()[1][:, pattern].reshape(-1, 2).astype(np.float32)
    found = activity.measure(sample(100, 100 / 30, STILL + added, **last))
    return None if found is None else found.px


@pytest.mark.parametrize("pattern", range(len(unit_patterns()[0])))
def test_the_unit_that_moves_is_the_one_that_is_active(pattern: int) -> None:
    found = measured(px=2.0, pattern=pattern)
    assert found is not None
    unit = unit_patterns()[0][pattern]
    assert dict(zip(activity_units(), found.tolist(), strict=True)) == pytest.approx(
        {name: 2.0 if name == unit else 0.0 for name in activity_units()}, abs=0.01
    )


def test_at_rest_nothing_is_active() -> None:
    found = measured()
    assert found is not None
    assert found.max() < 0.01


@pytest.mark.parametrize("last", [{"flags": ["blink"]}, {"track": 1}])
def test_what_is_disturbed_or_new_is_not_measured(last: dict[str, object]) -> None:
    assert measured(px=2.0, **last) is None


def test_it_is_measured_a_few_times_a_second() -> None:
    activity = UnitActivity()
    found = [activity.measure(sample(index, index / 60, STILL)) for index in range(180)]
    # After the first second, without which no rest is known.
    assert sum(each is not None for each in found) == pytest.approx(2 / EVERY_S, abs=2)
    assert activity.measure(None) is None
