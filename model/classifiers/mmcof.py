"""MM-COF, the magnitude-modulated combined optical flow: a fixed descriptor and a plain CNN.

Nguyen, Khuong, Man, Ngo, Le: arXiv 2510.07810 (2025). The paper's text [P] says that MM-COF joins
both phases in one descriptor for any network. Summaries [2]: each phase's magnitude is min-max
normalised, M_c = θ1 M1 + θ2 M2, then a threshold modulation strengthens subtle cues and suppresses
noise. Ours [I]: θ1 = θ2 = ½, the soft threshold with its constants, a percentile in place of the
maximum (otherwise one outlier would set the scale), and the direction of F1 − F2 beside the
magnitude.
"""

import torch
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import TensorPair, convolution
from model.classifiers.normalisation import magnitude, normalise, positions

STEEPNESS = 8.0
THRESHOLD = 0.3
PERCENTILE = 0.98


class MMCOFNet(nn.Module):
    """MM-COF and four plain convolution blocks; `model.classifiers` describes `forward`."""

    inputs: Inputs = "flows"
    phases: PhaseChoice = "both"

    def __init__(
        self, classes: int, action_units: int, width: int = 16, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _block(5, width),
            _block(width, 2 * width),
            _block(2 * width, 3 * width),
            _block(3 * width, 4 * width),
        )
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(4 * width + 1, classes)
        self.action_units = nn.Linear(4 * width + 1, action_units)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        descriptor, balance = self.describe(onset_apex, apex_offset, has_offset)
        maps = torch.cat([descriptor, positions(descriptor)], dim=1)
        pooled = self.features(maps).mean(dim=(2, 3))
        answer = self.dropout(torch.cat([pooled, balance], dim=1))
        return self.classes(answer), self.action_units(answer)

    def describe(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        """The descriptor of the pair: maps (N, 3, S, S), and (N, 1) the strength of the second
        phase relative to the first (`model.classifiers.normalisation.normalise`)."""
        first, second, balance = normalise(onset_apex, apex_offset, has_offset)
        return mmcof(first, second, has_offset), balance


def mmcof(first: Tensor, second: Tensor, has_offset: Tensor) -> Tensor:
    """The descriptor (N, 3, H, W): (û M, v̂ M, M), M the modulated M_c and (û, v̂) the direction.

    `first` and `second` are (N, 2, H, W) and both point towards the apex, as returned by
    `model.classifiers.normalisation.normalise`. If `has_offset` (N,) is 0, θ1 is 1 and θ2 is 0.
    """
    theta = has_offset.view(-1, 1, 1, 1) / 2
    combined = (1 - theta) * _share(magnitude(first)) + theta * _share(magnitude(second))
    modulated = combined * torch.sigmoid(STEEPNESS * (combined - THRESHOLD))
    flow = (1 - theta) * first + theta * second
    direction = flow / (magnitude(flow) + 1e-3)
    return torch.cat([direction * modulated, modulated], dim=1)


def _share(length: Tensor) -> Tensor:
    """Min-max normalise each map (N, 1, H, W), with a percentile as its maximum; at most 1."""
    flat = length.flatten(1)
    low = flat.amin(dim=1).view(-1, 1, 1, 1)
    rank = round(PERCENTILE * (flat.shape[1] - 1)) + 1
    # Not `kthvalue`: ONNX has no such operation.
    highest = flat.topk(flat.shape[1] + 1 - rank, dim=1).values
    high = highest[:, -1].view(-1, 1, 1, 1)
    return ((length - low) / (high - low + 1e-3)).clamp(max=1)


def _block(channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(*convolution(channels, out_channels), nn.MaxPool2d(2))
