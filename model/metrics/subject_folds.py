"""Splits by subject: the same face is never on both sides.

Leaving one subject out is the standard protocol (See et al., MEGC 2019). Scores are pooled over all
folds, see `model.metrics.recognition`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """One split by subject."""

    subject: str
    """The subject whose clips are tested."""
    train: Indices
    """Indices of all other subjects' clips, rising."""
    test: Indices
    """Indices of this subject's clips, rising."""


def leave_one_subject_out(subjects: Sequence[str]) -> Iterator[Fold]:
    """One fold per subject, by name: its clips are for testing, all others for training.

    `subjects` names the subject of each clip. Raises `InputError` with fewer than two subjects.
    """
    names = np.asarray(subjects, dtype=object)
    distinct = sorted(set(subjects))
    if len(distinct) < 2:
        raise InputError(f"leaving one subject out needs two or more, there are {len(distinct)}")
    for subject in distinct:
        tested = names == subject
        yield Fold(subject, np.flatnonzero(~tested), np.flatnonzero(tested))


def validation_split(subjects: Sequence[str], share: float, seed: int) -> tuple[Indices, Indices]:
    """Indices (kept, held out). About `share` of the subjects, at least one and not all, are drawn
    by `seed` and held out with all their clips."""
    distinct = sorted(set(subjects))
    if len(distinct) < 2 or not 0 < share < 1:
        raise InputError(
            f"a split by subject needs two subjects or more and a share between 0 and 1, got "
            f"{len(distinct)} and {share}"
        )
    count = min(max(1, round(share * len(distinct))), len(distinct) - 1)
    drawn = np.random.default_rng(seed).permutation(len(distinct))[:count]
    held = {distinct[i] for i in drawn}
    out = np.array([subject in held for subject in subjects])
    return np.flatnonzero(~out), np.flatnonzero(out)
