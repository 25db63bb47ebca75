"""The motion between frames, for networks that see no flow: by the method of the live flow, and as
tensors, so that it runs where the network runs and is exported with it."""

import torch
from torch import Tensor, nn

from model.classifiers.phase_inputs import INPUT_PX
from model.flow.gpu.head_tensor import TensorHeadMotion
from model.flow.gpu.lk_tensor import TensorLucasKanade

_LUCAS_KANADE = {"sigma_px": 5.5, "iterations": 2, "levels": 2, "ridge": 10.0}
"""The live flow's own, but fixed: trained weights fit no others."""
_CONTRAST = 45.0
"""Grey levels of a contrast of 1: what a usual face in usual light has."""


class FrameMotion(nn.Module):
    """Frames in contrasts (`model.classifiers.dynamic_image.standardise`) → their motion since the
    first one, by Lucas and Kanade's method. Light that changes evenly is no motion."""

    def __init__(self) -> None:
        super().__init__()
        size = INPUT_PX, INPUT_PX
        self._flow = TensorLucasKanade(_LUCAS_KANADE, size, "cpu", exact=False)
        self._head = TensorHeadMotion(INPUT_PX, "cpu", exact=False)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The flow from the first of `frames` (N, T, 64, 64) to each of them, and the same without
        the head's motion: (N, T, 2, 64, 64) each, px of 64. The first of each is zero."""
        first, later = frames[:, :1], frames[:, 1:]
        whole = self._flow(_CONTRAST * first, _CONTRAST * later)
        face = self._head(whole.flatten(0, 1)).view(whole.shape)
        still = torch.zeros_like(whole[:, :1])
        return torch.cat([still, whole], dim=1), torch.cat([still, face], dim=1)
