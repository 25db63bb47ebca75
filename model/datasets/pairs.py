"""A data set as networks see it: the flow of both phases of each clip, its subject, its label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.datasets.clips import Problem
from model.datasets.merges import Merge
from model.errors import InputError
from model.records import ArrayF32

Unit = Literal["px", "relative"]
"""`px`: displacement in px of the map. `relative`: maps whose scale was lost by min–max
normalisation; each channel spans at most −1 to 1 about its estimated zero, and u and v of one map
do not compare."""


@dataclass(frozen=True, slots=True)
class FlowPairSet:
    """N clips. 256 KiB each at 128 px."""

    name: str
    """Of the data set."""
    flows: ArrayF32
    """(N, 2, 2, S, S) float32: phase (onset→apex, apex→offset), (u right, v down), y, x."""
    both_phases: NDArray[np.bool_]
    """(N,): False where the second phase is not known; it then holds zeros."""
    subjects: tuple[str, ...]
    clips: tuple[str, ...]
    """Names, unique within the set."""
    labels: tuple[str, ...]
    """As annotated, or classes after `merged`."""
    action_units: tuple[tuple[str, ...], ...]
    """("AU4", "AU7") of each clip; empty where none are coded."""
    unit: Unit = "px"
    flow_name: str = ""
    """In `model.flow.FLOWS`; empty for maps computed elsewhere."""
    flow_parameters: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[Problem, ...] = ()
    """Clips that no flow could be computed for."""

    def __post_init__(self) -> None:
        n = len(self.flows)
        lengths = (self.both_phases, self.subjects, self.clips, self.labels, self.action_units)
        if self.flows.ndim != 5 or self.flows.shape[1:3] != (2, 2):
            raise InputError(f"flow pairs must be (N, 2, 2, S, S), got {self.flows.shape}")
        if any(len(column) != n for column in lengths):
            raise InputError(f"{n} flow pairs need as many subjects, clips and labels")

    def __len__(self) -> int:
        return len(self.flows)

    def take(self, indices: ArrayLike) -> "FlowPairSet":
        """The clips at those indices, in that order."""
        chosen = np.asarray(indices, np.int64)
        return replace(
            self,
            flows=self.flows[chosen],
            both_phases=self.both_phases[chosen],
            subjects=tuple(self.subjects[i] for i in chosen),
            clips=tuple(self.clips[i] for i in chosen),
            labels=tuple(self.labels[i] for i in chosen),
            action_units=tuple(self.action_units[i] for i in chosen),
        )

    def merged(self, merge: Merge) -> "FlowPairSet":
        """Labels replaced by the classes of `merge`; clips that belong to none are not in it."""
        classes = [merge.of(label) for label in self.labels]
        kept = self.take([i for i, name in enumerate(classes) if name is not None])
        return replace(kept, labels=tuple(name for name in classes if name is not None))

    def class_numbers(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """(N,) numbers of the labels in `classes`. `InputError` for a label that is not there."""
        number = {name: i for i, name in enumerate(classes)}
        strange = sorted(set(self.labels) - set(number))
        if strange:
            raise InputError(f"labels {', '.join(strange)} are not among {', '.join(classes)}")
        return np.array([number[label] for label in self.labels], np.int64)


def join(sets: Sequence[FlowPairSet]) -> FlowPairSet:
    """Several data sets as one, subjects and clips prefixed by their data set ("casme2/01"):
    subject 1 of one is not subject 1 of another. With `merge(3)` applied to CASME II, SAMM and
    SMIC-HS before, this is MEGC 2019's composite.

    Raises `InputError` unless names differ, and size, unit and flow agree.
    """
    if not sets:
        raise InputError("give one data set or more to join")
    names = [one.name for one in sets]
    if len(set(names)) < len(names):
        raise InputError(f"data sets to join need different names, got {', '.join(names)}")
    first = sets[0]
    for one in sets[1:]:
        for what, a, b in (
            ("sizes", first.flows.shape[-1], one.flows.shape[-1]),
            ("units", first.unit, one.unit),
            ("flows", first.flow_name, one.flow_name),
            ("flow parameters", dict(first.flow_parameters), dict(one.flow_parameters)),
        ):
            if a != b:
                raise InputError(f"{first.name} and {one.name} differ in their {what}: {a}, {b}")
    return replace(
        first,
        name="+".join(names),
        flows=np.concatenate([one.flows for one in sets]),
        both_phases=np.concatenate([one.both_phases for one in sets]),
        subjects=tuple(f"{one.name}/{subject}" for one in sets for subject in one.subjects),
        clips=tuple(f"{one.name}/{clip}" for one in sets for clip in one.clips),
        labels=tuple(label for one in sets for label in one.labels),
        action_units=tuple(units for one in sets for units in one.action_units),
        left_out=tuple(problem for one in sets for problem in one.left_out),
    )
