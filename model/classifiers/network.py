"""A trained network for numpy: flows in px in, probabilities out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model.classifiers.inputs import resized
from model.errors import InputError
from model.records import ArrayF32, FlowPair, Prediction


class NetworkClassifier:
    """A `model.classifiers.Classifier` around one network. Calls from one thread at a time."""

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        labels: tuple[str, ...],
        action_units: tuple[str, ...],
        flow_name: str,
        flow_parameters: Mapping[str, float],
        device: str = "cpu",
    ) -> None:
        self.name = name
        self.labels = labels
        self.action_units = action_units
        self.flow_name = flow_name
        self.flow_parameters = flow_parameters
        self._device = torch.device(device)
        self._network = network.eval().to(self._device)

    def predict(self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None) -> ArrayF32:
        return self._answer(onset_apex, apex_offset)[0]

    def predict_action_units(
        self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None
    ) -> ArrayF32:
        return self._answer(onset_apex, apex_offset)[1]

    def classify(self, flows: FlowPair) -> Prediction:
        second = None if flows.apex_offset is None else flows.apex_offset[None]
        classes, units = self._answer(flows.onset_apex[None], second)
        return Prediction(
            label=self.labels[int(classes[0].argmax())],
            probabilities=dict(zip(self.labels, map(float, classes[0]), strict=True)),
            action_units=dict(zip(self.action_units, map(float, units[0]), strict=True)),
            classifier=self.name,
        )

    def _answer(
        self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None
    ) -> tuple[ArrayF32, ArrayF32]:
        _check("onset_apex", onset_apex)
        if apex_offset is not None:
            _check("apex_offset", apex_offset)
            if apex_offset.shape != onset_apex.shape:
                raise InputError(
                    f"both phases need one shape, got {onset_apex.shape} and {apex_offset.shape}"
                )
        if len(onset_apex) == 0:
            empty = np.zeros((0, len(self.labels)), np.float32)
            return empty, np.zeros((0, len(self.action_units)), np.float32)
        with torch.inference_mode():
            first = self._input(onset_apex)
            second = torch.zeros_like(first) if apex_offset is None else self._input(apex_offset)
            known = first.new_full((len(first),), 0.0 if apex_offset is None else 1.0)
            classes, units = self._network(first, second, known)
            return classes.softmax(dim=1).cpu().numpy(), units.sigmoid().cpu().numpy()

    def _input(self, flow: ArrayF32) -> Tensor:
        return resized(torch.tensor(flow, device=self._device))


def _check(phase: str, flow: Any) -> None:
    if not isinstance(flow, np.ndarray) or flow.dtype != np.float32:
        kind = flow.dtype if isinstance(flow, np.ndarray) else type(flow).__name__
        raise InputError(f"{phase} needs to be a float32 array (N, 2, S, S), got {kind}")
    if flow.ndim != 4 or flow.shape[1] != 2 or flow.shape[2] != flow.shape[3]:
        raise InputError(f"{phase} needs the shape (N, 2, S, S), got {flow.shape}")
    if flow.shape[2] < 16:
        raise InputError(f"{phase} needs crops of 16 px or more, got {flow.shape[2]}")
    if not np.isfinite(flow).all():
        raise InputError(f"{phase} holds NaN or infinity: displacements have to be finite")
