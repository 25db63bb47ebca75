"""From the crops of one expression to its name.

naming = Naming(flow, classifier)                       # flow, then network
naming = Naming(flow, classifier, OneGraph(…))          # both as one CUDA graph
flows, prediction = naming([onset, apex, offset], None)
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.classifiers import Classifier
from model.classifiers.inputs import resized
from model.classifiers.network import NetworkClassifier
from model.cuda_graph import Function, Recorded
from model.engine.serving import Loaded, Serving
from model.errors import InputError, told
from model.flow import Flow
from model.flow.device import tensor_flow
from model.flow.head_tensor import TensorHeadMotion
from model.flow.phases import averaged, phase_flows
from model.records import FlowPair, FramePair, ImageU8, Prediction


@dataclass(frozen=True, slots=True)
class Named:
    """An expression's flow and its name."""

    flows: FlowPair
    prediction: Prediction
    timings_ms: dict[str, float]
    """Milliseconds of `flow` and `classify`; where both are one graph, of `classify` alone."""


class OneGraph:
    """Averaged crops in host memory to flows and answers there, without leaving the GPU between:
    flow, head motion, normalisation and network, recorded as one CUDA graph.

    Elsewhere than on CUDA the same steps run one after the other, so that their numbers can be
    compared. From one thread at a time.
    """

    def __init__(self, flow: Flow, classifier: NetworkClassifier, serving: Serving) -> None:
        self._flow = flow
        self._classifier = classifier
        self._serving = serving
        self._ready: tuple[Loaded, int, Function] | None = None

    @staticmethod
    def suits(flow: Flow, classifier: Classifier, device: str) -> bool:
        """Whether this is for that flow, that classifier and that device."""
        return device.startswith("cuda") and flow.name == "lk" and classifier.inputs == "flows"

    def __call__(self, crops: Sequence[Sequence[ImageU8]]) -> tuple[FlowPair, Prediction]:
        """As `Naming`; raises whatever the GPU raises."""
        moments = averaged(crops)
        known = len(moments) == 3
        given = (
            torch.from_numpy(np.stack(moments if known else [*moments, moments[-1]])),
            torch.tensor([float(known)]),
        )
        maps, classes, units = self._function(given)(*given)
        flows = maps.numpy()
        prediction = self._classifier.prediction(classes, units)
        return FlowPair(flows[0], flows[1] if known else None), prediction

    def _function(self, given: tuple[Tensor, Tensor]) -> Function:
        loaded, size = self._serving.loaded, given[0].shape[-1]
        if self._ready is None or self._ready[:2] != (loaded, size):
            device = loaded.device
            steps = self._steps(loaded, size)
            if device.startswith("cuda"):
                steps = Recorded(steps, given, device)
            self._ready = loaded, size, steps
        return self._ready[2]

    def _steps(self, loaded: Loaded, size: int) -> Function:
        solve = tensor_flow(self._flow, (size, size), 2, loaded.device)
        still = TensorHeadMotion(size, loaded.device)
        network = loaded.function()

        def run(crops: Tensor, known: Tensor) -> tuple[Tensor, ...]:
            with torch.inference_mode():
                maps = still(solve(crops[:2], crops[1:]))
                small = resized(maps)
                return maps, *network(small[:1], small[1:], known)

        return run


class Naming:
    """Names expressions, one at a time."""

    def __init__(
        self, flow: Flow, classifier: Classifier, one_graph: OneGraph | None = None
    ) -> None:
        """`one_graph` does both steps at once, until it fails."""
        self._flow = flow
        self._classifier = classifier
        self._one_graph = one_graph
        self.trouble = ""
        """Why `one_graph` is not used any more; empty while it is, or where there is none."""

    def __call__(self, crops: Sequence[Sequence[ImageU8]], frames: FramePair | None) -> Named:
        """`crops`: one or more aligned grey crops (S, S) uint8 around onset, apex and, if it is
        known, offset; `frames` as in `Classifier.classify`."""
        start_s = time.perf_counter()
        if self._one_graph is not None:
            try:
                flows, prediction = self._one_graph(crops)
            except InputError:
                raise
            except Exception as error:  # lost memory, a lost device, a compiler that is missing
                self.trouble = f"the CUDA graph failed: {told(error)}; its steps go on one by one"
                self._one_graph = None
            else:
                return Named(flows, prediction, {"classify": _since_ms(start_s)})
        flows = phase_flows(self._flow, *crops)
        flow_ms, start_s = _since_ms(start_s), time.perf_counter()
        prediction = self._classifier.classify(flows, frames)
        return Named(flows, prediction, {"flow": flow_ms, "classify": _since_ms(start_s)})


def _since_ms(start_s: float) -> float:
    return (time.perf_counter() - start_s) * 1e3
