"""The multi-scale joint feature network, for motions of different amplitude at different depths.

Li, Wei, Wang, Zhou: "Multi-scale joint feature network for micro-expression recognition",
Computational Visual Media 7 (2021).

From the abstract [P]: a flow image from onset to apex feeds a backbone and three joint feature
modules, each of which integrates features of different layers to catch motions of a different
amplitude; the predictions of the three and of the backbone are fused. Layer sizes were not
available. Ours [I]: four residual stages as the backbone, each module joining two neighbouring
stages, fusion as a weighted mean of logits whose weights are learnt from equal ones, position
planes, and the normalisation and the action unit head that all networks here share.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import Heads, ResidualStage, TensorPair, convolution
from model.classifiers.normalisation import keep_phases, magnitude, normalise, positions


class JFMNet(nn.Module):
    """See the module's docstring; `model.classifiers` describes `forward`."""

    inputs: Inputs = "flows"
    phases: PhaseChoice = "onset_apex"

    def __init__(
        self, classes: int, action_units: int, width: int = 16, dropout: float = 0.3
    ) -> None:
        """`width`: channels of the first stage; the others have two, three and four times that."""
        super().__init__()
        widths = [width, 2 * width, 3 * width, 4 * width]
        self.stem = convolution(5, width, 5, stride=2)
        self.stages = nn.ModuleList(
            [ResidualStage(before, after) for before, after in pairwise([width, *widths])]
        )
        self.joints = nn.ModuleList(
            [JointFeatures(shallow, deep, 2 * width) for shallow, deep in pairwise(widths)]
        )
        features = [*(2 * width for _ in self.joints), widths[-1]]
        self.heads = nn.ModuleList(
            [Heads(each, classes, action_units, dropout) for each in features]
        )
        self.fusion = PredictionFusion(len(features))

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        flow, _, _ = normalise(*keep_phases(self.phases, onset_apex, apex_offset, has_offset))
        image = torch.cat([flow, magnitude(flow), positions(flow)], dim=1)
        depths = [self.stages[0](self.stem(image))]
        for stage in list(self.stages)[1:]:
            depths.append(stage(depths[-1]))
        joined = [joint(depths[i], depths[i + 1]) for i, joint in enumerate(self.joints)]
        pooled = [maps.mean(dim=(2, 3)) for maps in (*joined, depths[-1])]
        answers = [head(each) for head, each in zip(self.heads, pooled, strict=True)]
        return (
            self.fusion(torch.stack([classes for classes, _ in answers])),
            self.fusion(torch.stack([units for _, units in answers])),
        )


class JointFeatures(nn.Module):
    """Joins a layer (N, C, H, W) with the deeper one (N, D, H/2, W/2) → (N, J, H, W)."""

    def __init__(self, shallow: int, deep: int, channels: int) -> None:
        super().__init__()
        self.shallow = convolution(shallow, channels, 1)
        self.deep = convolution(deep, channels, 1)
        self.joint = convolution(2 * channels, channels)

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        raised = F.interpolate(self.deep(deep), scale_factor=2.0, mode="nearest")
        joined: Tensor = self.joint(torch.cat([self.shallow(shallow), raised], dim=1))
        return joined


class PredictionFusion(nn.Module):
    """Logits of P predictions (P, N, C) → their weighted mean (N, C); weights start equal."""

    def __init__(self, predictions: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(predictions))

    def forward(self, logits: Tensor) -> Tensor:
        return (self.scores.softmax(dim=0).view(-1, 1, 1) * logits).sum(dim=0)
