"""Samples for training and measuring, from any origin: synthetic pairs, a data set's clips, or maps
that others computed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.classifiers import Inputs
from model.errors import InputError
from model.records import ArrayF32

_ARRAYS = ("phases", "both_phases", "labels", "action_units", "amplitude_px")
_TEXTS = ("subjects", "clips")  # of these and the arrays, a `SampleSet` has one for each sample


@dataclass(frozen=True, slots=True)
class SampleSet:
    """N samples in memory: a hundred thousand are 3 GiB of flows, 8 of frames, 12 of long flows."""

    name: str
    """Where they came from, for reports: "synthetic", "casme2", "casme2+samm"."""
    inputs: Inputs
    phases: NDArray[np.float16]
    """(N, 2, *inner, 64, 64): onset→apex, apex→offset, in the form of `inputs`
    (`model.classifiers`), in px of the 128 px crop. Zeros if the second phase is unknown."""
    both_phases: NDArray[np.bool_]
    """(N,): False if only the first phase is known."""
    labels: NDArray[np.int64]
    """(N,): indices into `classes`, or `NO_EXPRESSION`."""
    classes: tuple[str, ...]
    action_units: ArrayF32
    """(N, A): zeros and ones in the order of `action_unit_names`; NaN if not coded."""
    action_unit_names: tuple[str, ...]
    amplitude_px: ArrayF32
    """(N,): greatest displacement at the apex; NaN if the truth is unknown."""
    subjects: tuple[str, ...]
    """Unique over data sets ("casme2/01"); folds split by subject."""
    clips: tuple[str, ...]
    """Unique names, for reports."""
    problems: tuple[str, ...] = ()
    """Clips of the data that could not be used, and why."""
    notes: tuple[str, ...] = ()
    """What else a reader of its scores has to know, as sentences."""
    landmarks: ArrayF32 | None = None
    """(N, 2, F, L, 2), of frames whose truth is known: where each of `TAUGHT_POINTS`
    (`model.face.mesh_points`) lies in each frame of `phases`, (x right, y down) from −1 to 1 over
    the crop; NaN if unknown."""

    def __len__(self) -> int:
        return len(self.phases)

    def summary(self) -> str:
        """Text for a person: how many clips there are, and what was left out; the notes on lines of
        their own."""
        line = f"{self.name}: {len(self)} clips of {len(set(self.subjects))} subjects"
        if self.problems:
            line += f"; {len(self.problems)} left out, the first: {self.problems[0]}"
        return "\n  ".join((line, *self.notes))

    def take(self, indices: ArrayLike) -> "SampleSet":
        """The samples at `indices`, in that order."""
        chosen = np.asarray(indices, np.int64)
        columns: dict[str, Any] = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        columns |= {name: tuple(getattr(self, name)[i] for i in chosen) for name in _TEXTS}
        if self.landmarks is not None:
            columns["landmarks"] = self.landmarks[chosen]
        return replace(self, **columns)


def join_samples(sets: Sequence[SampleSet]) -> SampleSet:
    """One set with the samples of all `sets`. Raises `InputError` unless inputs, shapes, classes
    and action units agree."""
    if not sets:
        raise InputError("give one set of samples or more to join")
    first = sets[0]
    for one in sets[1:]:
        for what, a, b in (
            ("inputs", first.inputs, one.inputs),
            ("shapes", first.phases.shape[1:], one.phases.shape[1:]),
            ("classes", first.classes, one.classes),
            ("action units", first.action_unit_names, one.action_unit_names),
        ):
            if a != b:
                raise InputError(f"{first.name} and {one.name} differ in their {what}: {a}, {b}")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in sets]) for name in _ARRAYS
    }
    for name in (*_TEXTS, "problems", "notes"):
        columns[name] = tuple(text for one in sets for text in getattr(one, name))
    columns["landmarks"] = _join_landmarks(sets)
    return replace(first, name="+".join(dict.fromkeys(one.name for one in sets)), **columns)


def _join_landmarks(sets: Sequence[SampleSet]) -> ArrayF32 | None:
    """Those of all sets, NaN where a set has none; None if no set has any."""
    known = [one.landmarks for one in sets if one.landmarks is not None]
    if not known:
        return None
    joined = [
        np.full((len(one), *known[0].shape[1:]), np.nan, np.float32)
        if one.landmarks is None
        else one.landmarks
        for one in sets
    ]
    return np.concatenate(joined)
