"""Names one expression from its crops.

naming = Naming(flow, classifier)                       # flow, then network
naming = Naming(flow, classifier, OneGraph(…))          # both as one CUDA graph
flows, prediction = naming([onset, apex, offset], None)
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.errors import InputError, error_line
from model.flow import Flow
from model.flow.phase_flows import phase_flows
from model.inference.classifier import Classifier
from model.records import FlowPair, FramePair, ImageU8, Prediction

if TYPE_CHECKING:
    from model.inference.one_graph import OneGraph


@dataclass(frozen=True, slots=True)
class NamedExpression:
    """An expression's flow and its name."""

    flows: FlowPair
    prediction: Prediction
    timings_ms: dict[str, float]
    """Milliseconds of `flow` and `classify`; only `classify` if one graph does both."""


def suits_one_graph(flow: Flow, classifier: Classifier, device: str) -> bool:
    """Whether `model.inference.one_graph` works for this flow, classifier and device."""
    return device.startswith("cuda") and flow.name == "lk" and classifier.inputs == "flows"


class Naming:
    """Names expressions, one at a time."""

    def __init__(
        self, flow: Flow, classifier: Classifier, one_graph: "OneGraph | None" = None
    ) -> None:
        """`one_graph`, if given, does both steps at once until it fails."""
        self._flow = flow
        self._classifier = classifier
        self._one_graph = one_graph
        self.trouble = ""
        """Why `one_graph` is no longer used; empty while it is, or if there is none."""

    def __call__(
        self, crops: Sequence[Sequence[ImageU8]], frames: FramePair | None
    ) -> NamedExpression:
        """Name the expression. `crops`: one or more aligned grey crops (S, S) uint8 around onset,
        apex and, if known, offset; `frames` as in `Classifier.classify`."""
        start_s = time.perf_counter()
        if self._one_graph is not None:
            try:
                flows, prediction = self._one_graph(crops)
            except InputError:
                raise
            except Exception as error:  # out of memory, lost device, missing compiler
                self.trouble = (
                    f"the CUDA graph failed: {error_line(error)}; its steps go on one by one"
                )
                self._one_graph = None
            else:
                return NamedExpression(flows, prediction, {"classify": _since_ms(start_s)})
        flows = phase_flows(self._flow, *crops)
        flow_ms, start_s = _since_ms(start_s), time.perf_counter()
        prediction = self._classifier.classify(flows, frames)
        return NamedExpression(flows, prediction, {"flow": flow_ms, "classify": _since_ms(start_s)})


def _since_ms(start_s: float) -> float:
    return (time.perf_counter() - start_s) * 1e3
