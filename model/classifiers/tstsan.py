"""TSTSAN: three streams, temporal shift, channel attention, self-knowledge distillation.

Zhu et al.: "Three-Stream Temporal-Shift Attention Network Based on Self-Knowledge Distillation for
Micro-Expression Recognition", arXiv 2406.17538 (2024).

From the abstract [P]: a static-spatial, a local-spatial and a dynamic-temporal stream; efficient
channel attention in the local stream makes it focus on regions; temporal shift in the dynamic one
mixes motion of two temporal domains without a parameter; auxiliary classifiers after the shallower
blocks are taught by the deepest. Summaries [2]: the domains are onset → apex and apex → offset, the
local stream takes the face as a grid of blocks, and the spatial streams see frames magnified by a
network that was trained for it.
Ours [I]: the spatial streams see the flow's magnitude and strain in place of magnified frames (a
flow divided by its own strength is motion magnified already), the grid's 4×4 blocks are channels,
so that weighing channels weighs regions, three blocks a stream, all sizes, the temperature and
the weights of the distillation, the normalisation and the action unit head that all networks here
share. Answers are distilled, features are not.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import Heads, TensorPair, convolution, strain
from model.classifiers.normalisation import magnitude, normalise, positions
from model.labels import NO_EXPRESSION

GRID = 4
TEMPERATURE = 3.0
DISTILLED_SHARE = 0.5
"""Share of an auxiliary classifier's loss that is measured against the deepest classifier's answer;
the rest is measured against the truth."""


class TSTSAN(nn.Module):
    """See the module's docstring; `model.classifiers` describes `forward` and `learn`."""

    inputs: Inputs = "flows"
    phases: PhaseChoice = "both"

    def __init__(
        self, classes: int, action_units: int, width: int = 16, dropout: float = 0.3
    ) -> None:
        """`width`: channels of a stream's first block; the others have two and three times that."""
        super().__init__()
        widths = [width, 2 * width, 3 * width]
        self.static = _blocks([4, *widths], stride=2)
        # No stride: blocks of the face are already as small as the other streams' pooled maps.
        self.local = _blocks([2 * GRID**2, *widths], stride=1)
        self.attention = nn.ModuleList([ChannelAttention() for _ in widths])
        self.dynamic = _blocks([4, *widths], stride=2)
        self.classes = nn.ModuleList([nn.Linear(3 * each, classes) for each in widths[:-1]])
        """Auxiliary classifiers, one after each block except the last."""
        self.heads = Heads(3 * widths[-1] + 1, classes, action_units, dropout)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        depths, balance = self._depths(onset_apex, apex_offset, has_offset)
        return self._answer(depths[-1], balance)

    def learn(
        self,
        onset_apex: Tensor,
        apex_offset: Tensor,
        has_offset: Tensor,
        labels: Tensor,
        landmarks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        depths, balance = self._depths(onset_apex, apex_offset, has_offset)
        classes, units = self._answer(depths[-1], balance)
        taught = torch.stack(
            [
                _distillation_loss(auxiliary(features), classes.detach(), labels)
                for auxiliary, features in zip(self.classes, depths[:-1], strict=True)
            ]
        )
        return classes, units, taught.mean()

    def _answer(self, features: Tensor, balance: Tensor) -> tuple[Tensor, Tensor]:
        return self.heads(torch.cat([features, balance], dim=1))

    def _depths(
        self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Features of all three streams after each block, (N, 3 D) each, and how the phases'
        strengths compare, (N, 1)."""
        first, second, balance = normalise(onset_apex, apex_offset, has_offset)
        known = has_offset.view(-1, 1, 1, 1)
        moved = torch.cat([magnitude(first), strain(first)], dim=1)
        static = torch.cat([moved, positions(first)], dim=1)
        local = split_into_grid(moved)
        dynamic = [torch.cat([flow, positions(flow)], dim=1) for flow in (first, second)]
        depths = []
        for number in range(len(self.static)):
            static = self.static[number](static)
            local = self.attention[number](self.local[number](local))
            shifted = torch.cat(temporal_shift(dynamic[0], known * dynamic[1]))
            early, late = self.dynamic[number](shifted).chunk(2)
            dynamic = [early, known * late]
            motion = (dynamic[0] + dynamic[1]) / (1 + known)
            streams = [each.mean(dim=(2, 3)) for each in (static, local, motion)]
            depths.append(torch.cat(streams, dim=1))
        return depths, balance


class ChannelAttention(nn.Module):
    """Efficient channel attention: x (N, C, H, W) → x weighted by channel. Each weight depends only
    on the means of neighbouring channels (Q. Wang et al., ECA-Net, CVPR 2020)."""

    def __init__(self, neighbours: int = 3) -> None:
        super().__init__()
        self.score = nn.Conv1d(1, 1, neighbours, padding=neighbours // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.sigmoid(self.score(x.mean(dim=(2, 3))[:, None]))
        return x * weight[:, 0, :, None, None]


def temporal_shift(early: Tensor, late: Tensor, share: int = 8) -> tuple[Tensor, Tensor]:
    """Swaps one in `share` channels between two segments (N, C, H, W) (J. Lin et al., TSM,
    ICCV 2019)."""
    fold = max(1, early.shape[1] // share)
    return (
        torch.cat([late[:, :fold], early[:, fold:]], dim=1),
        torch.cat([early[:, :fold], late[:, fold:]], dim=1),
    )


def split_into_grid(maps: Tensor) -> Tensor:
    """(N, C, S, S) → (N, C · GRID², S / GRID, S / GRID): the face cut in a grid, each block a
    channel."""
    count, channels, height, width = maps.shape
    blocks = maps.view(count, channels, GRID, height // GRID, GRID, width // GRID)
    return blocks.transpose(3, 4).flatten(1, 3)


def _blocks(widths: list[int], stride: int) -> nn.ModuleList:
    """A block per step of `widths`, each (N, C, H, W) → (N, D, H / stride, W / stride)."""
    return nn.ModuleList(
        [
            nn.Sequential(convolution(before, after, 3, stride), convolution(after, after))
            for before, after in pairwise(widths)
        ]
    )


def _distillation_loss(logits: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """Loss of an auxiliary classifier against the truth, and against the deepest classifier's
    answer, softened by the temperature (G. Hinton et al., 2015)."""
    softened = F.kl_div(
        (logits / TEMPERATURE).log_softmax(dim=1),
        (teacher / TEMPERATURE).softmax(dim=1),
        reduction="batchmean",
    )
    # A sample without expression has no true class: only the distilled part counts.
    named = F.cross_entropy(logits, labels, ignore_index=NO_EXPRESSION, reduction="none").mean()
    return (1 - DISTILLED_SHARE) * named + DISTILLED_SHARE * TEMPERATURE**2 * softened
