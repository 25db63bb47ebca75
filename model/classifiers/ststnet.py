"""STSTNet: three shallow streams on the flow of the first phase, the small baseline.

Liong, Gan, See, Khor, Huang: "Shallow Triple Stream Three-dimensional CNN (STSTNet) for
Micro-expression Recognition", FG 2019, arXiv 1902.03634.

From the paper [P]: u, v and optical strain from onset to apex at 28×28, three parallel streams of
one 3×3 convolution with 3, 5 and 8 maps, pooled, one fully connected layer. From public code [C]:
padding 2, max pooling by 3, average pooling by 2, which leaves 5×5. Ours [I]: the normalisation
that all networks here share, batch norm, the action unit head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import Heads, TensorPair, strain
from model.classifiers.normalisation import keep_phases, normalise

STREAM_MAPS = (3, 5, 8)
SIDE_PX = 28


class STSTNet(nn.Module):
    """See the module's docstring; `model.classifiers` describes `forward`."""

    inputs: Inputs = "flows"
    phases: PhaseChoice = "onset_apex"

    def __init__(self, classes: int, action_units: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.streams = nn.ModuleList([_stream(maps) for maps in STREAM_MAPS])
        self.heads = Heads(5 * 5 * sum(STREAM_MAPS), classes, action_units, dropout)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        flow, _, _ = normalise(*keep_phases(self.phases, onset_apex, apex_offset, has_offset))
        small = F.interpolate(flow, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)
        maps = torch.cat([small, strain(small)], dim=1)
        features = torch.cat([stream(maps) for stream in self.streams], dim=1)
        return self.heads(F.avg_pool2d(features, 2).flatten(1))


def _stream(maps: int) -> nn.Sequential:
    """(N, 3, 28, 28) → (N, maps, 10, 10)."""
    return nn.Sequential(
        nn.Conv2d(3, maps, 3, padding=2),
        nn.ReLU(),
        nn.BatchNorm2d(maps),
        nn.MaxPool2d(3, stride=3, padding=1),
    )
