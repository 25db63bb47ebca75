"""DIANet: a dynamic image per phase, a stream for each, fused by cross-attention.

Khuong, Nguyen, Man, Le, Ngo: "DIANet: A Phase-Aware Dual-Stream Network for Micro-Expression
Recognition via Dynamic Images", arXiv 2510.12219 (2025).

From the abstract [P]: one dynamic image encodes onset to apex, the other apex to offset; each is
processed by a convolutional network of its own; a cross-attention module integrates both by their
relevance. Ours [I]: five frames a phase, approximate rank pooling, two dynamic images, of frames
and of the face's motion, because the first alone tells the direction of no motion, two residual
stages a stream (small, and trained from scratch), cross-attention in both directions between the
places of both maps with a skip connection, the normalisation, position planes, the action unit
head.
"""

import torch
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import Attention, Heads, ResidualStage, TensorPair, convolution
from model.classifiers.dynamic_image import dynamic_image, join_phases, scale_by_rms
from model.classifiers.frame_motion import FrameMotion
from model.classifiers.normalisation import positions

_PLANES = 5  # of a stream: dynamic images of frames and of motion (u, v), place (x, y)


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
    ) -> None:
        """`width`: channels of the stems; the streams end with four times as many."""
        super().__init__()
        self.frame_motion = FrameMotion()
        self.streams = nn.ModuleList([_stream(width) for _ in range(2)])
        self.fusion = CrossAttention(4 * width)
        self.heads = Heads(8 * width, classes, action_units, dropout)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        frames, _ = join_phases(onset_apex, apex_offset, has_offset)
        apex = onset_apex.shape[1] - 1
        _, motion = self.frame_motion(frames)
        images, motions = (
            scale_by_rms(dynamic_image(course[:, : apex + 1]), dynamic_image(course[:, apex:]))
            for course in (frames, motion)
        )
        planes = [
            torch.cat([image, moved[:, 0], positions(image)], dim=1)
            for image, moved in zip(images, motions, strict=True)
        ]
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


def _stream(width: int) -> nn.Sequential:
    """(N, `_PLANES`, 64, 64) → (N, 4 width, 8, 8)."""
    return nn.Sequential(
        convolution(_PLANES, width, 5, stride=2),
        ResidualStage(width, 2 * width),
        ResidualStage(2 * width, 4 * width),
    )
