"""What every network on flow pairs shares: one input scale, and amplitudes made comparable.

A micro-expression of 0.2 px and one of 2 px are the same movement, so vectors are divided by the
pair's own strength and their lengths compressed; the direction and the pattern decide. How strong
the pair was stays available as one number per phase.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

INPUT_PX = 64
"""Side of the flow maps that the networks see."""
REFERENCE_PX = 128
"""Side of the crop whose px all displacements are brought to."""

_FLOOR_PX = 0.03  # flow of a face at rest: below it there is nothing to normalise by


def resized(flow: Tensor) -> Tensor:
    """Flow (N, 2, S, S) in px of its own square crop → (N, 2, 64, 64) in px of the 128 px crop."""
    scale = REFERENCE_PX / flow.shape[-1]
    size = (INPUT_PX, INPUT_PX)
    return scale * F.interpolate(flow, size, mode="bilinear", antialias=True, align_corners=False)


def magnitude(flow: Tensor) -> Tensor:
    """Length of the vectors (N, 2, H, W) → (N, 1, H, W)."""
    # The tiny term keeps the gradient finite where nothing moves.
    return (flow.square().sum(dim=1, keepdim=True) + 1e-12).sqrt()


def strength(flow: Tensor) -> Tensor:
    """Root mean square motion of each map within the face, (N, 1, 1, 1) px."""
    # An eighth on each side, and the top, may show background or hair.
    edge, top = flow.shape[-1] // 8, flow.shape[-2] // 16
    face = flow[..., top:, edge:-edge]
    return (2 * face.square().mean(dim=(1, 2, 3), keepdim=True)).sqrt()


def normalised(
    onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Both phases on one scale, and how strong they were.

    Takes what a network's `forward` takes. Returns both flows (N, 2, H, W), the second one
    reversed so that both point towards the apex and zero where it is unknown, divided by their
    joint strength, lengths l compressed to asinh(l); and (N, 2) log strengths in log px / 3,
    zero for an unknown phase.
    """
    known = has_offset.view(-1, 1, 1, 1)
    # `where`, not a product: nothing that stands in an unknown phase may pass, not even NaN.
    returning = torch.where(known > 0, -apex_offset, torch.zeros_like(apex_offset))
    first, second = strength(onset_apex), strength(returning)
    joint = ((first.square() + second.square()) / (1 + known)).sqrt() + _FLOOR_PX
    amplitudes = torch.cat([(first + _FLOOR_PX).log(), known * (second + _FLOOR_PX).log()], dim=1)
    return (
        _compressed(onset_apex / joint),
        _compressed(returning / joint),
        amplitudes.flatten(1) / 3,
    )


def _compressed(flow: Tensor) -> Tensor:
    length = magnitude(flow)
    return flow * (torch.asinh(length) / length)


def positions(like: Tensor) -> Tensor:
    """Two planes (N, 2, H, W) with x and y from −1 to 1, for maps that are pooled later: the same
    motion means something else at the brow and at the mouth."""
    batch, _, height, width = like.shape
    y = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    x = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1])
    return grid.expand(batch, 2, height, width)
