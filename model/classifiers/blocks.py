"""Building blocks that several networks share."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TensorPair = tuple[Tensor, Tensor]
"""As `forward` returns it: class logits (N, C) and action unit logits (N, A)."""


class Heads(nn.Module):
    """Features (N, F) → class logits (N, C) and action unit logits (N, A).

    The papers predict only the class; we added the action unit head.
    """

    def __init__(
        self, features: int, classes: int, action_units: int, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(features, classes)
        self.action_units = nn.Linear(features, action_units)

    if TYPE_CHECKING:

        def __call__(self, features: Tensor) -> TensorPair: ...

    def forward(self, features: Tensor) -> TensorPair:
        kept = self.dropout(features)
        return self.classes(kept), self.action_units(kept)


class ResidualStage(nn.Module):
    """Two 3×3 convolutions beside a 1×1 one, halving the side: (N, C, H, W) → (N, D, H/2, W/2)."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out_channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.skip = nn.Conv2d(channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.skip(F.avg_pool2d(x, 2)))


class Attention(nn.Module):
    """Multi-head attention: `queries` (N, L, D) look into `context` (N, M, D) → (N, L, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # No biases: softmax cancels a bias of the keys.
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        query = self._split(self.query(queries))
        key, value = self.key_value(context).chunk(2, dim=-1)
        found = F.scaled_dot_product_attention(query, self._split(key), self._split(value))
        answer: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return answer

    def _split(self, tokens: Tensor) -> Tensor:
        """(N, L, D) → (N, heads, L, D / heads)."""
        count, length, width = tokens.shape
        return tokens.view(count, length, self.heads, width // self.heads).transpose(1, 2)


class TransformerBlock(nn.Module):
    """Self-attention and an MLP, each after a layer norm and beside a skip: (N, L, D) → the same
    (A. Dosovitskiy et al., ICLR 2021)."""

    def __init__(self, width: int, heads: int, widening: int = 2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, widening * width),
            nn.GELU(),
            nn.Linear(widening * width, width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed)
        passed: Tensor = tokens + self.mlp(tokens)
        return passed


def convolution(channels: int, out_channels: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU: (N, C, H, W) → (N, D, H / stride, W / stride)."""
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def gradient(maps: Tensor) -> TensorPair:
    """How much maps (N, C, H, W) change per px to the right and per px down, by central
    differences."""
    padded = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    by_x = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    by_y = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    return by_x, by_y


def strain(flow: Tensor) -> Tensor:
    """Optical strain magnitude √(u_x² + v_y² + ½ (u_y + v_x)²): flow (N, 2, H, W) → (N, 1, H, W)
    (M. Shreve et al., FG 2011), per px of the map."""
    by_x, by_y = gradient(flow)
    normal = by_x[:, :1].square() + by_y[:, 1:].square()
    shear = (by_y[:, :1] + by_x[:, 1:]).square() / 2
    return torch.sqrt(normal + shear + 1e-12)
