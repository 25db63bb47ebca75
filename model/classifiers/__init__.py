"""Networks that name an expression from both its phases.

A network of this table is an `nn.Module` built as `Network(classes=3, action_units=12)` with

    inputs: Inputs        what a phase is given as
    phases: PhaseChoice   which phases it looks at
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

from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

Inputs = Literal["flows", "frames", "long_flows"]
PhaseChoice = Literal["both", "onset_apex", "apex_offset"]

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
    "ahmsa": "model.classifiers.ahmsa:AHMSA",
    "mol": "model.classifiers.mol:MOL",
    "ststnet": "model.classifiers.ststnet:STSTNet",
}

_INPUTS: dict[str, Inputs] = {
    "fdp": "frames",
    "dianet": "frames",
    "slstt": "long_flows",
    "mol": "frames",
}


def inputs_of(classifier: str) -> Inputs:
    """The input kind of the network `classifier` in `CLASSIFIERS`, without importing it."""
    return _INPUTS.get(classifier, "flows")


@runtime_checkable
class CustomLoss(Protocol):
    """A network with its own loss."""

    def learn(
        self,
        onset_apex: "Tensor",
        apex_offset: "Tensor",
        has_offset: "Tensor",
        labels: "Tensor",
        landmarks: "Tensor | None" = None,
    ) -> "tuple[Tensor, Tensor, Tensor]":
        """What `forward` returns, and a scalar to add to the loss of those answers.

        `labels` are (N,) int64 class numbers, or −1 if there is no expression. `landmarks` are
        (N, 2, F, L, 2) float32, where the points of `model.face.mesh_points` lie in the frames of
        both phases; None if nobody knows (`model.inference.samples`).
        """
