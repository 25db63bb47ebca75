"""The motion between frames, for networks that see no flow: measured as the live flow measures it,
and as tensors, so that it runs where the network runs and is exported with it."""

from torch import Tensor, nn

from model.classifiers.phase_inputs import INPUT_PX
from model.flow.gpu.head_tensor import TensorHeadMotion
from model.flow.gpu.lk_tensor import TensorLucasKanade
from model.flow.lk import LucasKanade

_CONTRAST = 45.0
"""Grey levels of a contrast of 1: what a usual face in usual light has."""


class FrameMotion(nn.Module):
    """Frames in contrasts (`model.classifiers.dynamic_image.standardise`) → their motion since the
    first one, by Lucas and Kanade's flow. Light that changes evenly is no motion."""

    def __init__(self) -> None:
        super().__init__()
        size = INPUT_PX, INPUT_PX
        self._flow = TensorLucasKanade(LucasKanade().parameters, size, "cpu", exact=False)
        self._head = TensorHeadMotion(INPUT_PX, "cpu", exact=False)

    def forward(self, first: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
        """The flow from `first` (N, 1, 64, 64) to each frame of `later` (N, T, 64, 64), and the
        same without the head's motion: (N, T, 2, 64, 64) each, px of 64."""
        whole: Tensor = self._flow(_CONTRAST * first, _CONTRAST * later)
        face: Tensor = self._head(whole.flatten(0, 1))
        return whole, face.view(whole.shape)
