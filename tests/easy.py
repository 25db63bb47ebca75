"""Samples that any network learns in no time."""

import numpy as np

from model.inference.samples import SampleSet
from model.labels import CLASSES, NO_EXPRESSION


def easy_samples(count: int, seed: int, subjects: int = 4, none_share: float = 0.0) -> SampleSet:
    """Each class moves a place of its own downwards and back; every fourth action unit is not
    coded; those without expression only tremble."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    labels[rng.random(count) < none_share] = NO_EXPRESSION
    flows = 0.1 * rng.normal(size=(count, 2, 2, 64, 64))
    for number, label in enumerate(labels):
        if label != NO_EXPRESSION:
            top = 8 + 18 * label
            flows[number, 0, 1, top : top + 12, 20:44] += 1
            flows[number, 1, 1, top : top + 12, 20:44] -= 1
    units = np.zeros((count, 4), np.float32)
    units[labels >= 0, labels[labels >= 0]] = 1
    units[::4] = np.nan
    return SampleSet(
        name="easy",
        inputs="flows",
        phases=flows.astype(np.float16),
        both_phases=np.arange(count) % 7 != 0,
        labels=labels.astype(np.int64),
        classes=CLASSES,
        action_units=units,
        action_unit_names=("AU1", "AU4", "AU9", "AU12"),
        amplitude_px=rng.uniform(0.2, 2.5, count).astype(np.float32),
        subjects=tuple(f"easy/{number // 3 % subjects:02d}" for number in range(count)),
        clips=tuple(f"easy/{number}" for number in range(count)),
    )
