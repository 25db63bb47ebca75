"""Normalises flow pairs, for every network on flows: one input scale, and comparable amplitudes.

A micro-expression of 0.2 px and one of 2 px are the same movement. So vectors are divided by the
pair's own strength and their lengths are compressed; direction and pattern decide. First the motion
that most of a map shares is subtracted: the rest of the head's motion, or the wrong zero of a map
that was stretched to 8 bits. Networks do not learn the strength in px, because maps come in any
unit.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.classifiers import PhaseChoice
from model.classifiers.phase_inputs import INPUT_PX
from model.face.aligned_crop import CROP_PX

REST_FLOW_PX = 0.03
"""Flow of a face at rest; keeps noise from being scaled up."""
_CENTRING_ROUNDS = 4


def resize_flow(flow: Tensor) -> Tensor:
    """Flow (N, 2, S, S) in px of its own square crop → (N, 2, 64, 64) in px of the 128 px crop:
    `model.classifiers.phase_inputs.prepare_phase` for tensors."""
    scale = CROP_PX / flow.shape[-1]
    size = (INPUT_PX, INPUT_PX)
    return scale * F.interpolate(flow, size, mode="bilinear", antialias=True, align_corners=False)


def keep_phases(
    phases: PhaseChoice, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The three arguments of `forward`, for flows, reduced to `phases`.

    A single phase takes the place of the first one, pointing towards the apex, and the second is
    unknown. If only the second phase is kept and it is unknown, the result is a face at rest.
    """
    if phases == "both":
        return onset_apex, apex_offset, has_offset
    nothing = torch.zeros_like(has_offset)
    if phases == "onset_apex":
        return onset_apex, torch.zeros_like(onset_apex), nothing
    known = has_offset.view(-1, 1, 1, 1) > 0
    still = torch.zeros_like(apex_offset)
    return torch.where(known, -apex_offset, still), still, nothing


def magnitude(flow: Tensor) -> Tensor:
    """Lengths of the vectors: (N, 2, H, W) → (N, 1, H, W)."""
    # The tiny term keeps the gradient finite where nothing moves.
    return (flow.square().sum(dim=1, keepdim=True) + 1e-12).sqrt()


def strength(flow: Tensor) -> Tensor:
    """Root mean square motion of each map within the face, (N, 1, 1, 1) px."""
    # The sides and the top may show background or hair.
    edge, top = flow.shape[-1] // 8, flow.shape[-2] // 16
    face = flow[..., top:, edge:-edge]
    return (2 * face.square().mean(dim=(1, 2, 3), keepdim=True)).sqrt()


def centre(flow: Tensor) -> Tensor:
    """Subtract from each map (N, 2, H, W) the vector that most of it shares: a mean of u and of v
    in which values further away count less (Cauchy weights; P. W. Holland, R. E. Welsch, Comm.
    Stat. A 6, 1977)."""
    middle = flow.mean(dim=(2, 3), keepdim=True)
    for _ in range(_CENTRING_ROUNDS):
        away = flow - middle
        spread = away.abs().mean(dim=(2, 3), keepdim=True) / 2 + 1e-9
        weight = 1 / (1 + (away / spread).square())
        total = weight.sum(dim=(2, 3), keepdim=True)
        middle = (weight * flow).sum(dim=(2, 3), keepdim=True) / total
    return flow - middle


def normalise(
    onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise both phases together. Takes what a network's `forward` takes.

    Returns both flows (N, 2, H, W), and (N, 1) the log of the second phase's strength over the
    first's, zero if it is unknown. The flows are centred and divided by their joint strength, and
    lengths l are compressed to asinh(l). The second one is reversed, so that both point towards
    the apex, and zero if it is unknown.
    """
    known = has_offset.view(-1, 1, 1, 1)
    # `where`, not a product: no value of an unknown phase may pass, not even NaN.
    returning = torch.where(known > 0, -apex_offset, torch.zeros_like(apex_offset))
    onset_apex, returning = centre(onset_apex), centre(returning)
    first, second = strength(onset_apex), strength(returning)
    joint = ((first.square() + second.square()) / (1 + known)).sqrt() + REST_FLOW_PX
    balance = known * ((second + REST_FLOW_PX) / (first + REST_FLOW_PX)).log()
    return (
        compress_lengths(onset_apex / joint),
        compress_lengths(returning / joint),
        balance.flatten(1),
    )


def compress_lengths(flow: Tensor) -> Tensor:
    """Vectors (N, 2, H, W) of the length l, at the length asinh(l)."""
    length = magnitude(flow)
    return flow * (torch.asinh(length) / length)


def positions(like: Tensor) -> Tensor:
    """Two planes (N, 2, H, W) with x and y from −1 to 1, for maps that are pooled later, because
    the same motion means different things at the brow and at the mouth."""
    batch, _, height, width = like.shape
    y = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    x = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1])
    return grid.expand(batch, 2, height, width)
