"""AHMSA-Net: adaptive hierarchical multi-scale attention on the flow of the first phase.

Zhang, Zhang, Tang, Sun, Wang, Li: "AHMSA-Net: Adaptive Hierarchical Multi-Scale Attention Network
for Micro-Expression Recognition", arXiv 2501.02539 (2025).

From the abstract [P]: u, v and optical strain from onset to apex; a hierarchy of layers that adapts
the size of the flow's feature map from layer to layer, from fine to coarse; in each an attention
that fuses features of different scales, over channels and over places; cross-entropy. Ours [I]: how
down-sampling adapts (a mixture of mean and maximum that each map chooses for itself), three scales
of places, four layers, whose features are all used, all sizes, the normalisation that all networks
here share, the planes of positions, batch norm, the action unit head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import Heads, TensorPair, convolution, strain
from model.classifiers.normalisation import keep_phases, normalise, positions

SCALES_PX = (3, 5, 7)
"""Sides of the neighbourhoods over which attention to places looks."""
LAYERS = 4


class AHMSA(nn.Module):
    """See the module's docstring; `model.classifiers` describes `forward`."""

    inputs: Inputs = "flows"
    phases: PhaseChoice = "onset_apex"

    def __init__(
        self, classes: int, action_units: int, width: int = 16, dropout: float = 0.3
    ) -> None:
        """`width`: channels of the first layer; the next have two, three and four times as many."""
        super().__init__()
        channels = [width * (n + 1) for n in range(LAYERS)]
        self.stem = convolution(5, width, 5)
        self.layers = nn.ModuleList(
            [
                _Layer(before, after)
                for before, after in zip([width, *channels[:-1]], channels, strict=True)
            ]
        )
        self.heads = Heads(sum(channels), classes, action_units, dropout)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        flow, _, _ = normalise(*keep_phases(self.phases, onset_apex, apex_offset, has_offset))
        maps = self.stem(torch.cat([flow, strain(flow), positions(flow)], dim=1))
        levels = []
        for layer in self.layers:
            maps = layer(maps)
            levels.append(maps.mean(dim=(2, 3)))
        return self.heads(torch.cat(levels, dim=1))


class _Layer(nn.Module):
    """(N, C, H, W) → (N, D, H/2, W/2): smaller maps, convolved, attended to."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.smaller = AdaptiveDownsampling(channels)
        self.body = nn.Sequential(
            *convolution(channels, out_channels),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.skip = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.attention = MultiScaleAttention(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.smaller(x)
        attended: Tensor = self.attention(F.relu(self.body(x) + self.skip(x)))
        return attended


class AdaptiveDownsampling(nn.Module):
    """(N, C, H, W) → (N, C, H/2, W/2): of every four values the mean, which keeps broad motion, or
    the greatest, which keeps fine motion, mixed as each channel of each map asks for."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mixture = nn.Linear(channels, channels)
        nn.init.zeros_(self.mixture.weight)
        nn.init.zeros_(self.mixture.bias)

    def forward(self, x: Tensor) -> Tensor:
        fine = torch.sigmoid(self.mixture(x.mean(dim=(2, 3))))[:, :, None, None]
        return fine * F.max_pool2d(x, 2) + (1 - fine) * F.avg_pool2d(x, 2)


class MultiScaleAttention(nn.Module):
    """f (N, C, H, W) → f · (1 + A): which channels matter, and which places at each of `SCALES_PX`,
    mixed by learnt shares, which start equal."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(4, channels // reduction)
        self.channels = nn.Sequential(
            nn.Linear(2 * channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )
        self.places = nn.ModuleList([nn.Conv2d(2, 1, px, padding=px // 2) for px in SCALES_PX])
        self.shares = nn.Parameter(torch.zeros(len(SCALES_PX)))

    def forward(self, x: Tensor) -> Tensor:
        summary = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        which = torch.sigmoid(self.channels(summary))[:, :, None, None]
        by_place = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        scales = torch.cat([torch.sigmoid(look(by_place)) for look in self.places], dim=1)
        where = (scales * self.shares.softmax(dim=0)[:, None, None]).sum(dim=1, keepdim=True)
        return x * (1 + which * where)
