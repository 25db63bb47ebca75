"""Networks that name an expression from both its phases.

A network of this table is an `nn.Module` built as `Network(classes=3, action_units=12)` with

    inputs: Inputs      what a phase is given as
    phases: Phases      which phases it looks at
    forward(onset_apex, apex_offset, has_offset) -> class logits (N, C), action unit logits (N, A)

`has_offset` is (N,) float32: 1 if the second phase is known, 0 if not; an unknown phase's values
are ignored. A phase is float32, S = `model.classifiers.phase_inputs.INPUT_PX`:

    flows       (N, 2, S, S): its optical flow in px of the 128 px crop, (u right, v down)
    frames      (N, F, S, S): its aligned frames, evenly spaced in time, first and last moment
                included, grey 0 to 1; F = `model.flow.key_frames.PHASE_FRAMES`. They still hold
                the head motion that alignment has left
    long_flows  (N, F − 1, 2, S, S): the flow from the onset frame to each frame of the phase
                except its first. Both phases start from the same onset

A network whose paper adds terms to the loss of the answers is also a `CustomLoss`.
`model.load_classifier` wraps a trained network for numpy.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from model.records import ArrayF32, FlowPair, FramePair, Prediction

if TYPE_CHECKING:
    from torch import Tensor

Inputs = Literal["flows", "frames", "long_flows"]
Phases = Literal["both", "onset_apex", "apex_offset"]

CLASSIFIERS = {
    "fmanet": "model.classifiers.fmanet:FMANet",
    "mmcof-cnn": "model.classifiers.mmcof:MMCOFNet",
    "cof-cnn": "model.classifiers.cof:COFNet",
    "onset-apex-cnn": "model.classifiers.cof:OnsetApexNet",
    "apex-offset-cnn": "model.classifiers.cof:ApexOffsetNet",
    "jfm": "model.classifiers.jfm:JFMNet",
    "fdp": "model.classifiers.fdp:FDP",
    "dianet": "model.classifiers.dianet:DIANet",
    "slstt": "model.classifiers.slstt:SLSTT",
    "tstsan": "model.classifiers.tstsan:TSTSAN",
    "ststnet": "model.classifiers.ststnet:STSTNet",
}

_INPUTS: dict[str, Inputs] = {"fdp": "frames", "dianet": "frames", "slstt": "long_flows"}


def inputs_of(classifier: str) -> Inputs:
    """The input kind of the network `classifier` in `CLASSIFIERS`, without importing it."""
    return _INPUTS.get(classifier, "flows")


@runtime_checkable
class CustomLoss(Protocol):
    """A network with its own loss."""

    def learn(
        self, onset_apex: "Tensor", apex_offset: "Tensor", has_offset: "Tensor", labels: "Tensor"
    ) -> "tuple[Tensor, Tensor, Tensor]":
        """What `forward` returns, and a scalar to add to the loss of those answers.

        `labels` are (N,) int64 class numbers, or −1 if there is no expression
        (`model.inference.samples`).
        """


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
    def inputs(self) -> Inputs:
        """The form of a phase; see the module's docstring."""

    @property
    def flow_name(self) -> str:
        """The flow it was trained on, a name in `model.flow.FLOWS`."""

    @property
    def flow_parameters(self) -> Mapping[str, float]:
        """That flow's parameters."""

    def predict(self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None) -> ArrayF32:
        """Probabilities (N, C) float32 in the order of `labels`; each row sums to 1.

        `onset_apex`, `apex_offset`: float32, both phases as `inputs` says, on any square crop of
        16 px or more: flows (N, 2, S, S), long flows (N, F − 1, 2, S, S), in px of that crop, head
        motion removed; frames (N, F, S, S), grey 0 to 255. Without the second phase, the answer is
        based on the first alone. Raises `InputError` on any other shape or type and on values that
        are not finite.
        """

    def predict_action_units(
        self, onset_apex: ArrayF32, apex_offset: ArrayF32 | None = None
    ) -> ArrayF32:
        """Independent probabilities (N, A) float32 in the order of `action_units`; takes and raises
        what `predict` does."""

    def classify(self, flows: FlowPair, frames: FramePair | None = None) -> Prediction:
        """Name one expression from the flow of its phases. The label is the likeliest class, or
        `model.labels.UNCLEAR` if its probability is below the checkpoint's least confidence.

        `frames` are the frames of the same phases. Unless `inputs` is "flows", they are required
        and the flows are ignored; without them `InputError` is raised.
        """
