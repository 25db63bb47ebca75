"""FDP: fine-grained dynamic perception, which learns from raw frames by ranking them in time.

Shao, Cheng, Zhang, Shi, Li, Ma, Yeung: ACM TOMM 2025, arXiv 2509.06015.

From the paper [P]: raw frames; a local-global feature-aware transformer per frame (a stem, then
stages of patch embedding, local relational aggregators: multi-head convolution, concatenation,
pointwise, residual, MLP; and global ones: pointwise convolution and multi-head self-attention); a
rank scorer puts frame features in the order of time; rank features, pooled over time, serve both
the micro-expression head and an encoder-decoder that builds the dynamic image. From the released
code [C]: grey frames of 64 px, the image's loss is the squared error to the rank-pooled one.
Ours [I]: nine frames, evenly spaced within each phase (the paper needs no key frames and takes
eight), what changed since the onset and the face's motion since then in place of the frames, the
scorer as a linear layer with a logistic loss over all pairs of frames, pooling by how near the apex
a frame is, where learnt scores are no guide at first, features that keep their place, all sizes,
the losses' weights, batch norm, the action unit head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import Heads, TensorPair, TransformerBlock, convolution
from model.classifiers.dynamic_image import dynamic_image, join_phases, scale_by_rms
from model.classifiers.frame_motion import FrameMotion
from model.classifiers.normalisation import positions
from model.classifiers.phase_inputs import INPUT_PX

RANK_WEIGHT = 0.5
IMAGE_WEIGHT = 0.5
_PLANES = 5  # change, motion (u, v), place (x, y)
_PLACES = (INPUT_PX // 16) ** 2  # the stem halves the map twice, each stage once


class FDP(nn.Module):
    """See the module's docstring; `model.classifiers` describes `forward` and `learn`."""

    inputs: Inputs = "frames"
    phases: PhaseChoice = "both"

    def __init__(
        self,
        classes: int,
        action_units: int,
        width: int = 16,
        dropout: float = 0.3,
    ) -> None:
        """`width`: channels of the stem; the stages have two and four times as many."""
        super().__init__()
        self.frame_motion = FrameMotion()
        self.perception = nn.Sequential(
            convolution(_PLANES, width, 3, stride=2),
            convolution(width, width, 3, stride=2),
            *_stage(width, 2 * width),
            *_stage(2 * width, 4 * width),
        )
        self.scorer = RankScorer(4 * width)
        self.heads = Heads(4 * width * _PLACES, classes, action_units, dropout)
        self.builder = ImageBuilder(4 * width)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        frames, known = join_phases(onset_apex, apex_offset, has_offset)
        pooled, _ = self._pool(frames, known)
        return self.heads(pooled.flatten(1))

    def learn(
        self,
        onset_apex: Tensor,
        apex_offset: Tensor,
        has_offset: Tensor,
        labels: Tensor,
        landmarks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        frames, known = join_phases(onset_apex, apex_offset, has_offset)
        pooled, scores = self._pool(frames, known)
        classes, units = self.heads(pooled.flatten(1))
        built = self.builder(pooled)
        first = dynamic_image(frames[:, : onset_apex.shape[1]])
        both = dynamic_image(frames)
        whole = torch.where(has_offset.view(-1, 1, 1, 1) > 0, both, first)
        (target,) = scale_by_rms(F.avg_pool2d(whole, 2))
        own = RANK_WEIGHT * _rank_loss(scores, known) + IMAGE_WEIGHT * F.mse_loss(built, target)
        return classes, units, own

    def _pool(self, frames: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Rank features pooled over time (N, D, 4, 4), and the frames' scores (N, T)."""
        count, times = frames.shape[:2]
        features = self.perception(self._planes(frames).flatten(0, 1))
        features = features.view(count, times, *features.shape[1:])
        scores = self.scorer(features.mean(dim=(3, 4)))
        # Not by the scores: they begin as chance, and what returns to rest has no order. Then even
        # a movement's sign would be chance.
        weights = _frame_weights(known)
        return (features * weights[:, :, None, None, None]).sum(dim=1), scores

    def _planes(self, frames: Tensor) -> Tensor:
        """Frames (N, T, H, W) → (N, T, 5, H, W): what changed since the first, the face's motion
        since then, and the place. Nothing of a face at rest is left."""
        (motions,) = scale_by_rms(self.frame_motion(frames)[1])
        (change,) = scale_by_rms(frames - frames[:, :1])
        place = positions(frames)[:, None].expand(motions.shape)
        return torch.cat([change[:, :, None], motions, place], dim=2)


class LocalAggregator(nn.Module):
    """(N, C, H, W) → the same. Each head convolves its own channels and a pointwise convolution
    joins them; then comes an MLP. Both have a skip connection."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.relation = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=heads, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
        )
        self.mlp = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.GELU(),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.relation(x)
        passed: Tensor = x + self.mlp(x)
        return passed


class GlobalAggregator(nn.Module):
    """(N, C, H, W) → the same: a pointwise convolution, then all places attend to all."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.pointwise = nn.Conv2d(channels, channels, 1)
        self.attention = TransformerBlock(channels, heads)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.attention(self.pointwise(x).flatten(2).transpose(1, 2))
        passed: Tensor = tokens.transpose(1, 2).reshape(x.shape)
        return passed


class RankScorer(nn.Module):
    """Frame features (N, T, D) → scores (N, T), learnt to rise with time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # No bias: only differences of scores matter.
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.score(features)[..., 0]
        return scores


class ImageBuilder(nn.Module):
    """Rank features (N, D, 4, 4) → the dynamic image (N, 1, 32, 32): an encoder-decoder."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encoder = convolution(channels, channels, 3, stride=2)
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2.0),
            convolution(channels, channels // 2),
            nn.Upsample(scale_factor=4.0),
            convolution(channels // 2, channels // 4),
            nn.Upsample(scale_factor=2.0),
            nn.Conv2d(channels // 4, 1, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        built: Tensor = self.decoder(self.encoder(features))
        return built


def _stage(channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """(N, C, H, W) → (N, D, H/2, W/2)."""
    embedding = nn.Conv2d(channels, out_channels, 2, stride=2)
    heads = out_channels // 16
    return embedding, LocalAggregator(out_channels, heads), GlobalAggregator(out_channels, heads)


def _frame_weights(known: Tensor) -> Tensor:
    """Weights (N, T) of the `known` frames (N, T): the nearer the apex, which is in the middle, the
    greater. They sum to zero, as a dynamic image's do; their squares sum to one."""
    apex = known.shape[1] // 2
    away = torch.arange(known.shape[1], device=known.device, dtype=known.dtype) - apex
    nearness = apex - away.abs()
    mean = (nearness * known).sum(dim=1, keepdim=True) / known.sum(dim=1, keepdim=True)
    centred = (nearness - mean) * known
    return centred / (centred.square().sum(dim=1, keepdim=True) + 1e-6).sqrt()


def _rank_loss(scores: Tensor, known: Tensor) -> Tensor:
    """Logistic loss over all pairs of known frames: the later frame should score higher."""
    gain = scores[:, None, :] - scores[:, :, None]
    pairs = (known[:, None, :] * known[:, :, None]).triu(diagonal=1)
    return (F.softplus(-gain) * pairs).sum() / pairs.sum()
