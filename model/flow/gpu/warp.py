"""Warps of torch tensors: `cv2.remap` with INTER_CUBIC, to the last bit of its coordinates, and a
bilinear one."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.flow.lk import SUBPIXEL_STEPS

_A = -0.75  # OpenCV's cubic, steeper than Catmull-Rom's −0.5


def round_flow(flow: Tensor) -> Tensor:
    """`flow` in px, rounded to the whole steps that `warp` takes."""
    return (flow * SUBPIXEL_STEPS).round() / SUBPIXEL_STEPS


def warp(pictures: Tensor, flow: Tensor, *, zero_beyond: bool) -> Tensor:
    """Each of `pictures` (N, C, H, W) sampled at x + flow (N, 2, H, W) px, (u right, v down), in
    whole steps. Beyond the border the outermost pixel repeats, or zeros with `zero_beyond`."""
    count, channels, height, width = pictures.shape
    steps = (flow * SUBPIXEL_STEPS).round().to(torch.int32)
    whole = torch.div(steps, SUBPIXEL_STEPS, rounding_mode="floor")
    share = (steps - whole * SUBPIXEL_STEPS).to(pictures.dtype) / SUBPIXEL_STEPS
    x = torch.arange(width, device=flow.device, dtype=torch.int32) + whole[:, 0]
    y = torch.arange(height, device=flow.device, dtype=torch.int32)[:, None] + whole[:, 1]
    across, down = cubic(share[:, 0]), cubic(share[:, 1])
    flat = pictures.flatten(2)
    found = torch.zeros_like(pictures)
    for j in range(4):
        row = y + (j - 1)
        line = torch.zeros_like(pictures)
        for i in range(4):
            column = x + (i - 1)
            weight = across[i]
            if zero_beyond:
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                weight = weight * inside
            at = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            at = at.view(count, 1, -1).expand(-1, channels, -1).long()
            line += weight[:, None] * flat.gather(2, at).view_as(pictures)
        found += down[j][:, None] * line
    return found


def warp_bilinear(pictures: Tensor, flow: Tensor) -> Tensor:
    """As `warp` with the outermost pixel repeated, but bilinear, and between steps."""
    height, width = pictures.shape[-2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def cubic(share: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of the four pixels around a place that lies `share` (0 to 1) after the second."""
    before, beyond = share + 1, 1 - share
    first = ((_A * before - 5 * _A) * before + 8 * _A) * before - 4 * _A
    second = ((_A + 2) * share - (_A + 3)) * share * share + 1
    third = ((_A + 2) * beyond - (_A + 3)) * beyond * beyond + 1
    return first, second, third, 1 - first - second - third
