"""Networks that name an expression from the flow of both its phases.

A network of this table is an `nn.Module` built as `Network(classes=3, action_units=12)` whose
`forward(onset_apex, apex_offset, has_offset)` takes two (N, 2, S, S) float32 flows in px of the
128 px crop, S = `model.classifiers.inputs.INPUT_PX`, and (N,) float32 of ones where the second
phase is known and zeros where it is not (what stands there then is ignored), and returns class
logits (N, C) and action unit logits (N, A). `model.load_classifier` wraps a trained one for numpy.
"""

from collections.abc import Mapping
from typing import Protocol

from model.records import ArrayF32, FlowPair, Prediction

CLASSIFIERS = {
    "fmanet": "model.classifiers.fmanet:FMANet",
    "mmcof-cnn": "model.classifiers.mmcof:MMCOFNet",
}


class Classifier(Protocol):
    """A trained network for numpy: what `model.load_classifier` returns."""

    @property
    def name(self) -> str:
        """Its name in `CLASSIFIERS`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of `predict`'s columns."""

    @property
    def action_units(self) -> tuple[str, ...]:
        """The FACS action units ("AU12"), in the order of `predict_action_units`' columns."""

    @property
    def flow_name(self) -> str:
        """The flow that it was trained on, a name in `model.flow.FLOWS`."""

    @property
    def flow_parameters(self) -> Mapping[str, float]:
        """That flow's parameters."""

    def predict(self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None) -> ArrayF32:
        """Probabilities (N, C) float32 in the order of `labels`; each row sums to 1.

        `onset_apex`, `apex_offset`: (N, 2, S, S) float32 flows of both phases, (u right, v down),
        in px of that very square crop, any S from 16, head motion removed. Without the second
        phase the answer rests on the first alone. Raises `InputError` on any other shape or type
        and on values that are not finite.
        """

    def predict_action_units(
        self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None
    ) -> ArrayF32:
        """Probabilities (N, A) float32, each by itself, in the order of `action_units`; takes and
        raises what `predict` does."""

    def classify(self, flows: FlowPair) -> Prediction:
        """Name one expression from the flow of its phases."""
