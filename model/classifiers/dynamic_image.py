"""Helpers of networks on frames: normalised light, and the dynamic image.

The dynamic image is a sum of a clip's frames, weighted by their rank in time: Bilen, Fernando,
Gavves, Vedaldi, Gould: "Dynamic Image Networks for Action Recognition", CVPR 2016 (approximate
rank pooling). Its weights sum to zero, so whatever stays still cancels.
"""

import torch
from torch import Tensor

_FLOOR = 0.02  # share of the face's contrast, or px: less is sensor noise


def standardise(
    onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor
) -> tuple[Tensor, Tensor]:
    """Both phases (N, F, H, W), normalised by the mean and standard deviation of the onset frame.

    An unknown second phase repeats the apex frame, as if nothing followed.
    """
    onset = onset_apex[:, :1]
    mean = onset.mean(dim=(2, 3), keepdim=True)
    deviation = (onset - mean).square().mean(dim=(2, 3), keepdim=True).sqrt() + 1e-3
    # `where`, not a product: no value of an unknown phase may pass, not even NaN.
    known = has_offset.view(-1, 1, 1, 1) > 0
    second = torch.where(known, apex_offset, onset_apex[:, -1:])
    return (onset_apex - mean) / deviation, (second - mean) / deviation


def dynamic_image(frames: Tensor) -> Tensor:
    """Frames (N, F, …), or what was measured in each, in order of time → (N, 1, …): Σ_t α_t x_t
    with α_t = Σ_{i=t..F} (2i − F − 1) / i."""
    count = frames.shape[1]
    rank = torch.arange(1, count + 1, device=frames.device, dtype=frames.dtype)
    terms = (2 * rank - count - 1) / rank
    weights = terms.flip(0).cumsum(0).flip(0)
    weights = weights.view(1, -1, *[1] * (frames.dim() - 2))
    return (frames * weights).sum(dim=1, keepdim=True)


def scale_by_rms(*maps: Tensor) -> tuple[Tensor, ...]:
    """Maps (N, …) divided by the root mean square of the first, over all but N."""
    first = maps[0]
    # The tiny term keeps the gradient finite where nothing moves.
    mean = first.square().mean(dim=tuple(range(1, first.dim())), keepdim=True)
    strength = (mean + 1e-12).sqrt() + _FLOOR
    return tuple(each / strength for each in maps)


def join_phases(
    onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor
) -> tuple[Tensor, Tensor]:
    """Both phases (N, F, H, W) → all frames in order of time, `standardise`d, the apex once,
    (N, T, H, W); and (N, T), 1 for known frames and 0 for unknown ones."""
    first, second = standardise(onset_apex, apex_offset, has_offset)
    frames = torch.cat([first, second[:, 1:]], dim=1)
    late = has_offset[:, None].expand(-1, second.shape[1] - 1)
    known = torch.cat([torch.ones_like(has_offset)[:, None].expand(-1, first.shape[1]), late], 1)
    return frames, known
