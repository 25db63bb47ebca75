"""COF, the combined optical flow of both phases without magnitude modulation, and each phase alone.

Khuong, Man, Nguyen, Le, Ngo: "A Novel Combined Optical Flow Approach for Comprehensive
Micro-Expression Recognition", arXiv 2510.15471 (2025). From the abstract [P]: combining the flow of
both phases beats one phase. Ours [I]: the combination is F1 − F2 over the known phases (F2 points
back, so a sum would cancel), with its magnitude. The network after it is MM-COF's, so the variants
differ only in the descriptor. F1 alone is the usual input in the literature.
"""

import torch
from torch import Tensor

from model.classifiers import PhaseChoice
from model.classifiers.blocks import TensorPair
from model.classifiers.mmcof import MMCOFNet
from model.classifiers.normalisation import keep_phases, magnitude, normalise


class COFNet(MMCOFNet):
    """The mean flow towards the apex, [u, v, M], into MM-COF's plain CNN."""

    def describe(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        given = keep_phases(self.phases, onset_apex, apex_offset, has_offset)
        first, second, balance = normalise(*given)
        flow = (first + second) / (1 + given[2].view(-1, 1, 1, 1))
        return torch.cat([flow, magnitude(flow)], dim=1), balance


class OnsetApexNet(COFNet):
    """The same on the first phase alone."""

    phases: PhaseChoice = "onset_apex"


class ApexOffsetNet(COFNet):
    """The same on the second phase alone. If that is unknown, it answers as for a face at rest."""

    phases: PhaseChoice = "apex_offset"
