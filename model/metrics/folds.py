"""Splits by subject: a face never stands on both sides of one.

Leaving one subject out is the field's protocol (See et al., MEGC 2019): scores are pooled over all
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
    """Whose clips are tested."""
    train: Indices
    """Indices of the clips of all others, rising."""
    test: Indices
    """Indices of this subject's clips, rising."""


def leave_one_subject_out(subjects: Sequence[str]) -> Iterator[Fold]:
    """One fold for each subject, in order of name: its clips are tested, all others trained on.

    `subjects` names the subject of each clip. `InputError` with fewer than two subjects.
    """
    names = np.asarray(subjects, dtype=object)
    distinct = sorted(set(subjects))
    if len(distinct) < 2:
        raise InputError(f"leaving one subject out needs two or more, there are {len(distinct)}")
    for subject in distinct:
        tested = names == subject
        yield Fold(subject, np.flatnonzero(~tested), np.flatnonzero(tested))


def validation_split(subjects: Sequence[str], share: float, seed: int) -> tuple[Indices, Indices]:
    """Indices (kept, held out): about `share` of the subjects, at least one and not all, drawn
    by `seed`, are held out with all their clips."""
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
