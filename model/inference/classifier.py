"""A trained network for numpy: takes both phases, returns probabilities.

classifier = load_classifier("fmanet")          # shipped, or a path to your own
p = classifier.predict(onset_apex, apex_offset)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.classifiers.phase_inputs import PHASE_SHAPES, prepare_phase
from model.engine.forward import Forward, sigmoid, softmax
from model.errors import InputError
from model.flow import Flow, load_flow
from model.flow.phase_flows import long_flows
from model.inference.checkpoint import Checkpoint, check_fit, checkpoint_path
from model.inference.engine_choice import forward_of
from model.labels import UNCLEAR
from model.records import ArrayF32, FlowPair, FramePair, Prediction


class Classifier:
    """A trained network for numpy: what `model.load_classifier` returns. Call it from one thread at
    a time."""

    def __init__(self, forward: Forward, checkpoint: Checkpoint) -> None:
        """`forward` runs the network that `checkpoint` describes."""
        self.name = checkpoint.classifier
        """Its name in `model.classifiers.CLASSIFIERS`."""
        self.labels = checkpoint.labels
        """The classes, in the order of `predict`'s columns."""
        self.action_units = checkpoint.action_units
        """The FACS action units ("AU12"), in the order of `predict_action_units`' columns."""
        self.inputs = checkpoint.inputs
        """The form of a phase; see `model.classifiers`."""
        self.flow_name = checkpoint.flow
        """The flow it was trained on, a name in `model.flow.FLOWS`."""
        self.flow_parameters = checkpoint.flow_parameters
        self._temperature = checkpoint.temperature
        self._least_confidence = checkpoint.least_confidence
        self._forward = forward

    def predict(self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None) -> ArrayF32:
        """Probabilities (N, C) float32 in the order of `labels`; each row sums to 1.

        `onset_apex`, `apex_offset`: float32, both phases as `inputs` says, on any square crop of
        16 px or more: flows (N, 2, S, S), long flows (N, F − 1, 2, S, S), in px of that crop, head
        motion removed; frames (N, F, S, S), grey 0 to 255. Without the second phase, the answer is
        based on the first alone. Raises `InputError` on any other shape or type and on values that
        are not finite.
        """
        return self._probabilities(*self._run(onset_apex, apex_offset))[0]

    def predict_action_units(
        self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None
    ) -> ArrayF32:
        """Independent probabilities (N, A) float32 in the order of `action_units`; takes and raises
        what `predict` does."""
        return self._probabilities(*self._run(onset_apex, apex_offset))[1]

    def classify(self, flows: FlowPair, frames: FramePair | None = None) -> Prediction:
        """Name one expression from the flow of its phases. The label is the likeliest class, or
        `model.labels.UNCLEAR` if its probability is below the checkpoint's least confidence.

        `frames` are the frames of the same phases. Unless `inputs` is "flows", they are required
        and the flows are ignored; without them `InputError` is raised.
        """
        first, second = self._phases(flows, frames)
        return self.name_logits(*self._run(first[None], None if second is None else second[None]))

    def name_logits(self, classes: ArrayF32, units: ArrayF32) -> Prediction:
        """The prediction for one expression, from the network's raw outputs: class logits (1, C)
        and action unit logits (1, A)."""
        shares, chances = self._probabilities(classes, units)
        likeliest = int(shares[0].argmax())
        clear = shares[0, likeliest] >= self._least_confidence
        return Prediction(
            label=self.labels[likeliest] if clear else UNCLEAR,
            probabilities=dict(zip(self.labels, map(float, shares[0]), strict=True)),
            action_units=dict(zip(self.action_units, map(float, chances[0]), strict=True)),
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

    def _run(self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None) -> tuple[ArrayF32, ArrayF32]:
        """The network's raw outputs, (N, C) and (N, A) logits."""
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
        return self._forward(first, second, known)

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


def load_classifier(
    name_or_path: str | Path,
    *,
    flow: Flow | None = None,
    labels: Sequence[str] | None = None,
    device: str = "cpu",
    forward: Forward | None = None,
) -> Classifier:
    """A trained classifier: a shipped one by name, or any checkpoint by path.

    `flow` is the flow that will feed it. It must be the flow the classifier was trained on, with
    the same parameters, because amplitudes mean something else in another flow. `labels` are the
    expected classes, in order.

    `forward`, if given, runs the network, such as a `model.inference.engine_choice.Serving` of the
    same checkpoint. Otherwise ONNX Runtime runs it on the CPU if an ONNX file of the same weights
    lies beside the checkpoint, as it does for shipped ones, and PyTorch on `device` if not.

    Raises `CheckpointError` if flow or labels do not fit, and if the checkpoint is missing, damaged
    or of another kind.
    """
    path = checkpoint_path(name_or_path)
    checkpoint = check_fit(path, flow=flow, labels=labels)
    if forward is None:
        forward = forward_of(path, device)
    return Classifier(forward, checkpoint)
