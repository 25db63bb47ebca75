"""Names one expression from its crops in a single CUDA graph."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.classifiers.normalisation import resize_flow
from model.flow import Flow
from model.flow.gpu.cuda_graph import Function, RecordedGraph
from model.flow.gpu.gpu_flow import tensor_flow
from model.flow.gpu.head_tensor import TensorHeadMotion
from model.flow.phase_flows import average_crops
from model.inference.classifier import Classifier
from model.inference.engine_choice import LoadedEngine, Serving
from model.records import FlowPair, ImageU8, Prediction


class OneGraph:
    """Flow, head motion, normalisation and network, recorded as one CUDA graph. Crops go to the GPU
    once, and flows and answers come back once.

    On a device without CUDA the same steps run one after another, so that their numbers can be
    compared. Call it from one thread at a time.
    """

    def __init__(self, flow: Flow, classifier: Classifier, serving: Serving) -> None:
        self._flow = flow
        self._classifier = classifier
        self._serving = serving
        self._ready: tuple[LoadedEngine, int, Function] | None = None

    def __call__(self, crops: Sequence[Sequence[ImageU8]]) -> tuple[FlowPair, Prediction]:
        """Flows and prediction for `crops`, as in `model.inference.naming.Naming`. Raises whatever
        the GPU raises."""
        given = stack_crops(crops)
        known = bool(given[1])
        maps, classes, units = self.function(given)(*given)
        flows = maps.numpy()
        prediction = self._classifier.name_logits(classes.float().numpy(), units.float().numpy())
        return FlowPair(flows[0], flows[1] if known else None), prediction

    def function(self, given: tuple[Tensor, Tensor]) -> Function:
        """The whole computation for tensors shaped like `given`, as `stack_crops` makes them. It
        returns the maps of both phases (2, 2, S, S) px and the network's answers."""
        loaded, size = self._serving.loaded, given[0].shape[-1]
        if self._ready is None or self._ready[:2] != (loaded, size):
            device = loaded.device
            steps = self._steps(loaded, size)
            if device.startswith("cuda"):
                steps = RecordedGraph(steps, given, device)
            self._ready = loaded, size, steps
        return self._ready[2]

    def _steps(self, loaded: LoadedEngine, size: int) -> Function:
        solve = tensor_flow(self._flow, (size, size), 2, loaded.device)
        still = TensorHeadMotion(size, loaded.device)
        network = loaded.function()

        def run(crops: Tensor, known: Tensor) -> tuple[Tensor, ...]:
            with torch.inference_mode():
                maps = still(solve(crops[:2], crops[1:]))
                small = resize_flow(maps)
                return maps, *network(small[:1], small[1:], known)

        return run


def stack_crops(crops: Sequence[Sequence[ImageU8]]) -> tuple[Tensor, Tensor]:
    """The mean crops around onset, apex and offset, (3, S, S) float32, with the apex in place of an
    unknown offset; and (1,) whether the offset is known, 1 or 0."""
    moments = average_crops(crops)
    known = len(moments) == 3
    pictures = np.stack(moments if known else [*moments, moments[-1]])
    return torch.from_numpy(pictures), torch.tensor([float(known)])
