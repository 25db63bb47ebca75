"""What networks on frames share: light made comparable, and the dynamic image.

The dynamic image sums the frames of a clip in one, weighed by their rank in time: Bilen, Fernando,
Gavves, Vedaldi, Gould: "Dynamic Image Networks for Action Recognition", CVPR 2016 (approximate
rank pooling). Its weights sum to zero: what stays still cancels.
"""

import torch
from torch import Tensor

_FLOOR = 0.02  # of the face's contrast: differences of sensor noise, nothing to normalise by


def standardise(
    onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor
) -> tuple[Tensor, Tensor]:
    """Both phases (N, F, H, W) with the mean and deviation of the onset frame taken out.

    A second phase that is unknown shows the apex all the time, as if nothing followed.
    """
    onset = onset_apex[:, :1]
    mean = onset.mean(dim=(2, 3), keepdim=True)
    deviation = (onset - mean).square().mean(dim=(2, 3), keepdim=True).sqrt() + 1e-3
    # `where`, not a product: nothing that stands in an unknown phase may pass, not even NaN.
    known = has_offset.view(-1, 1, 1, 1) > 0
    second = torch.where(known, apex_offset, onset_apex[:, -1:])
    return (onset_apex - mean) / deviation, (second - mean) / deviation


def dynamic_image(frames: Tensor) -> Tensor:
    """Frames (N, F, H, W) in order of time → (N, 1, H, W): Σ_t α_t x_t with
    α_t = Σ_{i=t..F} (2i − F − 1) / i."""
    count = frames.shape[1]
    rank = torch.arange(1, count + 1, device=frames.device, dtype=frames.dtype)
    terms = (2 * rank - count - 1) / rank
    weights = terms.flip(0).cumsum(0).flip(0)
    return (frames * weights.view(1, -1, 1, 1)).sum(dim=1, keepdim=True)


def scale_by_rms(*maps: Tensor) -> tuple[Tensor, ...]:
    """Maps (N, C, H, W) divided by the root mean square of the first, over all but N."""
    first = maps[0]
    strength = first.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + _FLOOR
    return tuple(each / strength for each in maps)
