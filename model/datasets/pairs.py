"""The flows of a data set's clips, with their subjects and labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.datasets.clips import Problem
from model.errors import InputError
from model.records import ArrayF32

Unit = Literal["px", "relative"]
"""`px`: displacement in px of the map. `relative`: min–max normalisation lost the scale; each
channel spans at most −1 to 1 around its estimated zero, and sizes of u and v cannot be compared."""


@dataclass(frozen=True, slots=True)
class FlowPairSet:
    """The flows of N clips, 256 KiB each at 128 px."""

    name: str
    """Name of the data set."""
    flows: ArrayF32
    """(N, 2, 2, S, S) float32: phase (onset→apex, apex→offset), (u right, v down), y, x."""
    both_phases: NDArray[np.bool_]
    """(N,): False if the second phase is unknown; it then holds zeros."""
    subjects: tuple[str, ...]
    clips: tuple[str, ...]
    """Names, unique within the set."""
    labels: tuple[str, ...]
    """As annotated."""
    action_units: tuple[tuple[str, ...], ...]
    """Units of each clip, such as ("AU4", "AU7"); empty if not coded."""
    unit: Unit = "px"
    flow_name: str = ""
    """Name in `model.flow.FLOWS`; empty for maps computed elsewhere."""
    flow_parameters: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[Problem, ...] = ()
    """Clips whose flow could not be computed."""

    def __post_init__(self) -> None:
        n = len(self.flows)
        lengths = (self.both_phases, self.subjects, self.clips, self.labels, self.action_units)
        if self.flows.ndim != 5 or self.flows.shape[1:3] != (2, 2):
            raise InputError(f"flow pairs must be (N, 2, 2, S, S), got {self.flows.shape}")
        if any(len(column) != n for column in lengths):
            raise InputError(f"{n} flow pairs need as many subjects, clips and labels")

    def __len__(self) -> int:
        return len(self.flows)
