"""DIANet: a dynamic image per phase, a stream for each, fused by cross-attention.

Khuong, Nguyen, Man, Le, Ngo: "DIANet: A Phase-Aware Dual-Stream Network for Micro-Expression
Recognition via Dynamic Images", arXiv 2510.12219 (2025).

From the abstract [P]: one dynamic image encodes onset to apex, the other apex to offset; each is
processed by a convolutional network of its own; a cross-attention module integrates both by their
relevance. Ours [I]: five frames a phase, approximate rank pooling, beside the dynamic image the
motion that it stands for, because an image alone tells the direction of no motion, two residual
stages a stream (small, and trained from scratch), cross-attention in both directions between the
places of both maps with a skip connection, the normalisation, position planes, the action unit
head.
"""

import torch
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import Attention, Heads, ResidualStage, TensorPair, convolution
from model.classifiers.dynamic_image import (
    dynamic_image,
    motion_of_change,
    scale_by_rms,
    standardise,
)
from model.classifiers.normalisation import centre, positions

_PLANES = 3  # of a stream: dynamic image, place (x, y)


class DIANet(nn.Module):
    """See the module's docstring; `model.classifiers` describes `forward`."""

    inputs: Inputs = "frames"
    phases: PhaseChoice = "both"

    def __init__(
        self,
        classes: int,
        action_units: int,
        width: int = 16,
        dropout: float = 0.3,
        *,
        motion: bool = False,
    ) -> None:
        """`width`: channels of the stems; the streams end with four times as many. Without `motion`
        they see dynamic images alone, as in earlier checkpoints."""
        super().__init__()
        self.motion = motion
        planes = _PLANES + 2 * motion  # (u, v)
        self.streams = nn.ModuleList([_stream(planes, width) for _ in range(2)])
        self.fusion = CrossAttention(4 * width)
        self.heads = Heads(8 * width, classes, action_units, dropout)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        phases = standardise(onset_apex, apex_offset, has_offset)
        images = [dynamic_image(phase) for phase in phases]
        planes = [torch.cat([each, positions(each)], dim=1) for each in scale_by_rms(*images)]
        if self.motion:
            onset = phases[0][:, :1]
            motions = (centre(motion_of_change(each, onset)[:, 0]) for each in images)
            pairs = zip(planes, scale_by_rms(*motions), strict=True)
            planes = [torch.cat(pair, dim=1) for pair in pairs]
        tokens = [
            stream(each).flatten(2).transpose(1, 2)
            for each, stream in zip(planes, self.streams, strict=True)
        ]
        return self.heads(self.fusion(*tokens, has_offset))


class CrossAttention(nn.Module):
    """Places of both streams (N, L, D) → (N, 2 D). Each stream attends to the other, adds the
    result, and is averaged over its places. An unknown second stream contributes nothing."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.attentions = nn.ModuleList([Attention(width, heads) for _ in range(2)])

    def forward(self, first: Tensor, second: Tensor, has_offset: Tensor) -> Tensor:
        known = has_offset.view(-1, 1, 1)
        rising, falling = self.norms[0](first), self.norms[1](second)
        first = first + known * self.attentions[0](rising, falling)
        second = known * (second + self.attentions[1](falling, rising))
        return torch.cat([first.mean(dim=1), second.mean(dim=1)], dim=1)


def _stream(planes: int, width: int) -> nn.Sequential:
    """(N, `planes`, 64, 64) → (N, 4 width, 8, 8)."""
    return nn.Sequential(
        convolution(planes, width, 5, stride=2),
        ResidualStage(width, 2 * width),
        ResidualStage(2 * width, 4 * width),
    )
