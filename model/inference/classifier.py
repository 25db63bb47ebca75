"""A trained network for numpy: takes both phases, returns probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from model.classifiers import Inputs
from model.classifiers.phase_inputs import PHASE_SHAPES, prepare_phase
from model.engine.forward import Forward, sigmoid, softmax
from model.errors import InputError
from model.flow import load_flow
from model.flow.long_term import long_flows
from model.labels import UNCLEAR
from model.records import ArrayF32, FlowPair, FramePair, Prediction


class NetworkClassifier:
    """A `model.classifiers.Classifier` around one network. Call it from one thread at a time."""

    def __init__(
        self,
        forward: Forward,
        *,
        inputs: Inputs,
        name: str,
        labels: tuple[str, ...],
        action_units: tuple[str, ...],
        flow_name: str,
        flow_parameters: Mapping[str, float],
        temperature: float = 1.0,
        least_confidence: float = 0.0,
    ) -> None:
        """`forward` runs the network; `inputs` is the kind it takes; `temperature` and
        `least_confidence` as in `model.inference.checkpoint.Checkpoint`."""
        self.name = name
        self.labels = labels
        self.action_units = action_units
        self.flow_name = flow_name
        self.flow_parameters = flow_parameters
        self.inputs = inputs
        self._temperature = temperature
        self._least_confidence = least_confidence
        self._forward = forward

    def predict(self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None) -> ArrayF32:
        return self._answer(onset_apex, apex_offset)[0]

    def predict_action_units(
        self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None
    ) -> ArrayF32:
        return self._answer(onset_apex, apex_offset)[1]

    def classify(self, flows: FlowPair, frames: FramePair | None = None) -> Prediction:
        first, second = self._phases(flows, frames)
        classes, units = self._answer(first[None], None if second is None else second[None])
        return self._named(classes[0], units[0])

    def prediction(self, classes: ArrayF32, units: ArrayF32) -> Prediction:
        """The prediction for one expression, from the network's raw outputs: class logits (1, C)
        and action unit logits (1, A)."""
        shares, chances = self._probabilities(classes, units)
        return self._named(shares[0], chances[0])

    def _named(self, classes: ArrayF32, units: ArrayF32) -> Prediction:
        likeliest = int(classes.argmax())
        clear = classes[likeliest] >= self._least_confidence
        return Prediction(
            label=self.labels[likeliest] if clear else UNCLEAR,
            probabilities=dict(zip(self.labels, map(float, classes), strict=True)),
            action_units=dict(zip(self.action_units, map(float, units), strict=True)),
            classifier=self.name,
        )

    def _phases(
        self, flows: FlowPair, frames: FramePair | None
    ) -> tuple[ArrayF32, ArrayF32 | None]:
        """Both phases of one expression in the form that the network takes."""
        if self.inputs == "flows":
            return flows.onset_apex, flows.apex_offset
        if frames is None:
            raise InputError(f"{self.name} looks at frames: give those of both phases too")
        if self.inputs == "frames":
            return frames.onset_apex, frames.apex_offset
        return long_flows(load_flow(self.flow_name, **self.flow_parameters), frames)

    def _answer(
        self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None
    ) -> tuple[ArrayF32, ArrayF32]:
        self._check("onset_apex", onset_apex)
        if apex_offset is not None:
            self._check("apex_offset", apex_offset)
            if apex_offset.shape != onset_apex.shape:
                raise InputError(
                    f"both phases need one shape, got {onset_apex.shape} and {apex_offset.shape}"
                )
        if len(onset_apex) == 0:
            empty = np.zeros((0, len(self.labels)), np.float32)
            return empty, np.zeros((0, len(self.action_units)), np.float32)
        first = prepare_phase(self.inputs, onset_apex)
        second = np.zeros_like(first)
        if apex_offset is not None:
            second = prepare_phase(self.inputs, apex_offset)
        known = np.full(len(first), float(apex_offset is not None), np.float32)
        return self._probabilities(*self._forward(first, second, known))

    def _probabilities(self, classes: ArrayF32, units: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
        return softmax(classes / np.float32(self._temperature)), sigmoid(units)

    def _check(self, phase: str, given: Any) -> None:
        inner = PHASE_SHAPES[self.inputs]
        shape = f"(N, {', '.join(map(str, inner))}, S, S)"
        if not isinstance(given, np.ndarray) or given.dtype != np.float32:
            kind = given.dtype if isinstance(given, np.ndarray) else type(given).__name__
            raise InputError(f"{phase} needs to be a float32 array {shape}, got {kind}")
        square = given.ndim == 3 + len(inner) and given.shape[-1] == given.shape[-2]
        if not square or given.shape[1:-2] != inner:
            raise InputError(f"{phase} needs the shape {shape}, got {given.shape}")
        if given.shape[-1] < 16:
            raise InputError(f"{phase} needs crops of 16 px or more, got {given.shape[-1]}")
        if not np.isfinite(given).all():
            raise InputError(f"{phase} holds NaN or infinity: it has to be finite")
