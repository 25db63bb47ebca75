"""FMANet: both phases of a micro-expression, with magnitude modulation, fusion and attention.

Nguyen, Khuong, Man, Ngo, Le: arXiv 2510.07810 (2025). No code or layer table was published. So this
is a reconstruction, and no figure of the paper applies to it.

From the paper's text [P]: both phases, onset→apex and apex→offset, are used; the magnitude
modulation of MM-COF becomes a learnable module; motion cues are fused adaptively; the network
attends to salient facial regions; everything is trained end to end.
From secondary summaries [2]: a stream per phase, u, v and magnitude as input, magnitudes combined
as M_c = θ1 M1 + θ2 M2, a threshold on them that strengthens subtle cues and suppresses noise.
Ours [I]: the form of each block below, the sizes, the residual stages, the position planes, the
reversal of the second phase (it is roughly the first one backwards), the action unit head, answers
before the second phase is known, and features that keep their place.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import ResidualStage, TensorPair, convolution
from model.classifiers.normalisation import keep_phases, magnitude, normalise, positions
from model.classifiers.phase_inputs import INPUT_PX

_PLACES = (INPUT_PX // 16) ** 2  # the stem and three stages halve the map


class FMANet(nn.Module):
    """See the module's docstring; `model.classifiers` describes `forward`."""

    inputs: Inputs = "flows"

    def __init__(
        self,
        classes: int,
        action_units: int,
        width: int = 16,
        dropout: float = 0.3,
        *,
        modulation: bool = True,
        fusion: bool = True,
        attention: bool = True,
        phases: PhaseChoice = "both",
        places: bool = False,
    ) -> None:
        """`width`: channels of the stems; the stages have two, three and four times as many.

        For ablation: without `modulation` the stems' input is unchanged; without `fusion` known
        phases weigh the same everywhere; without `attention` the fused features are unchanged.
        With one of the `phases` only, there is one stream and nothing to fuse. With `places` the
        answer sees the last features where they are; without, their mean over the face, as in
        earlier checkpoints.
        """
        super().__init__()
        streams = 2 if phases == "both" else 1
        self.phases: PhaseChoice = phases
        self.modulations = (
            nn.ModuleList([MagnitudeModulation() for _ in range(streams)]) if modulation else None
        )
        self.stems = nn.ModuleList([_stem(5, width) for _ in range(streams)])
        self.fusion = PhaseFusion(width, learnt=fusion) if streams == 2 else None
        self.attention = MotionAttention() if attention else None
        self.stages = nn.Sequential(
            ResidualStage(width, 2 * width),
            ResidualStage(2 * width, 3 * width),
            ResidualStage(3 * width, 4 * width),
        )
        self.dropout = nn.Dropout(dropout)
        self.places = places
        features = 4 * width * (_PLACES if places else 1) + 1
        self.classes = nn.Linear(features, classes)
        self.action_units = nn.Linear(features, action_units)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        given = keep_phases(self.phases, onset_apex, apex_offset, has_offset)
        first, second, balance = normalise(*given)
        features, magnitudes = [], []
        for number, stem in enumerate(self.stems):
            flow = (first, second)[number]
            length = magnitude(flow)
            phase = torch.cat([flow, length], dim=1)
            if self.modulations is not None:
                phase = self.modulations[number](phase, length)
            features.append(stem(torch.cat([phase, positions(phase)], dim=1)))
            magnitudes.append(F.avg_pool2d(length, 2))
        fused, combined = features[0], magnitudes[0]
        if self.fusion is not None:
            fused, combined = self.fusion(features, magnitudes, has_offset)
        if self.attention is not None:
            fused = self.attention(fused, combined)
        last = self.stages(fused)
        pooled = last.flatten(1) if self.places else last.mean(dim=(2, 3))
        answer = self.dropout(torch.cat([pooled, balance], dim=1))
        return self.classes(answer), self.action_units(answer)


class MagnitudeModulation(nn.Module):
    """x (N, C, H, W) → x · (1 + γ σ(k (M − τ))), M the magnitude min-max normalised per map.

    The learnable form of MM-COF's threshold; γ starts at 0, where it changes nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(()))
        self.steepness = nn.Parameter(torch.tensor(8.0))
        self.threshold = nn.Parameter(torch.tensor(0.3))

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        low = length.amin(dim=(2, 3), keepdim=True)
        high = length.amax(dim=(2, 3), keepdim=True)
        share = (length - low) / (high - low + 1e-3)
        return x * (1 + self.gain * torch.sigmoid(self.steepness * (share - self.threshold)))


class PhaseFusion(nn.Module):
    """Weights both phases at every place: softmax over a 1×1 convolution of both.

    The weights start at ½ and ½, MM-COF's weighted sum, and stay there unless `learnt`. An unknown
    phase has weight 0. Takes two feature maps (N, C, H, W) and their magnitudes (N, 1, H, W);
    returns the fused features and the fused magnitudes.
    """

    def __init__(self, channels: int, learnt: bool = True) -> None:
        super().__init__()
        self.score = nn.Conv2d(2 * channels, 2, 1) if learnt else None
        if self.score is not None:
            nn.init.zeros_(self.score.weight)
            nn.init.zeros_(cast(Tensor, self.score.bias))

    def forward(
        self, features: list[Tensor], magnitudes: list[Tensor], has_offset: Tensor
    ) -> tuple[Tensor, Tensor]:
        known = has_offset.view(-1, 1, 1, 1)
        first, second = features[0], features[1] * known
        weight = known / 2
        if self.score is not None:
            score = self.score(torch.cat([first, second], dim=1))
            weight = torch.sigmoid(score[:, 1:] - score[:, :1]) * known  # a softmax over two
        return (
            first + weight * (second - first),
            magnitudes[0] + weight * (magnitudes[1] - magnitudes[0]),
        )


class MotionAttention(nn.Module):
    """f (N, C, H, W) → f · (1 + A), A = σ(conv([mean f, max f, M_c])): where motion is salient."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Conv2d(3, 1, 7, padding=3)

    def forward(self, features: Tensor, combined: Tensor) -> Tensor:
        summary = torch.cat(
            [features.mean(dim=1, keepdim=True), features.amax(dim=1, keepdim=True), combined],
            dim=1,
        )
        return features * (1 + torch.sigmoid(self.score(summary)))


def _stem(channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        *convolution(channels, out_channels, 5, stride=2), *convolution(out_channels, out_channels)
    )
