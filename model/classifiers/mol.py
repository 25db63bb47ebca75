"""MOL: micro-expression, optical flow and landmarks, learnt jointly from raw frames.

Shao, Cheng, Li, Zhou, Lu, Xie, Ma: "MOL: Joint Estimation of Micro-Expression, Optical Flow, and
Landmark via Transformer-Graph-Style Convolution", IEEE TPAMI 2025, arXiv 2506.14511.

From the abstract [P]: raw frames without key frames; F5C blocks: fully-connected convolution, local
features with a global receptive field, and channel correspondence convolution, a graph over feature
maps; expression, flow and landmarks are trained jointly and share these features. From the released
code [C]: grey frames; a stack of convolutions, then 16×16 maps; half of the channels are convolved
along whole columns, then rows, the other half the other way round, circularly, after a plane of
positions and batch norm; each map looks at the four most like it by cosine, and the greatest answer
counts; flow from the correlation of two frames, beside their features; each frame's 68 landmarks,
with the error over the distance of the eyes; the class from convolutions over places and over five
moments, the maximum, two layers.
Ours [I]: nine frames; one block, which all frames share; flow from the first frame to each other
one, where the code takes neighbours; each frame's motion by the live flow's method, with and
without the head's, in place of the correlation, and before the block, so that all tasks share it;
halved maps in the graph; the class is named from the change of the features since the first frame,
less what all places share, and from the flow that was found, less the head's motion, beside them;
the truths of flow and landmarks are the generator's, so flow is taught at the landmarks alone, and
data sets teach neither; all sizes and weights, the action unit head.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import Heads, TensorPair, convolution
from model.classifiers.dynamic_image import join_phases, scale_by_rms
from model.classifiers.frame_motion import FrameMotion
from model.classifiers.normalisation import REST_FLOW_PX
from model.face.aligned_crop import CROP_PX
from model.face.mesh_points import EYES, TAUGHT_POINTS
from model.flow.gpu.head_tensor import TensorHeadMotion

FLOW_WEIGHT = 1.0
LANDMARK_WEIGHT = 0.5
NEIGHBOURS = 4
"""Feature maps that each feature map looks at, itself among them."""
MOMENTS = 5
"""Length of the convolution over time."""
_SIDE = 16
_SCALE = CROP_PX / _SIDE  # px of the crop in one of the map
_REST_PX = 0.2  # flow that counts as rest in the error


class MOL(nn.Module):
    """See the module's docstring; `model.classifiers` describes `forward` and `learn`."""

    inputs: Inputs = "frames"
    phases: PhaseChoice = "both"

    def __init__(
        self, classes: int, action_units: int, width: int = 24, dropout: float = 0.3
    ) -> None:
        """`width`: feature maps of a frame, an even number."""
        super().__init__()
        self.appearance = nn.Sequential(
            convolution(1, 8, 5, stride=2), convolution(8, width // 2, 3, stride=2)
        )
        self.frame_motion = FrameMotion()
        self.head_motion = TensorHeadMotion(_SIDE, "cpu", exact=False)
        self.motion_features = nn.Sequential(
            nn.AvgPool2d(2), convolution(4, width // 2, 3, stride=2)
        )
        self.mix = nn.Conv2d(width, width, 1)
        self.block = nn.Sequential(
            FullyConnectedConvolution(width), ChannelCorrespondence((_SIDE // 2) ** 2)
        )
        self.expression = ExpressionHead(width + 2, width, 2 * width)
        self.heads = Heads(2 * width, classes, action_units, dropout)
        self.flow = nn.Sequential(convolution(width, 16), nn.Conv2d(16, 2, 3, padding=1))
        self.landmarks = LandmarkHead(width)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        frames, _ = join_phases(onset_apex, apex_offset, has_offset)
        features = self._features(frames)
        return self._answer(features, self._flow_px(features))

    def learn(
        self,
        onset_apex: Tensor,
        apex_offset: Tensor,
        has_offset: Tensor,
        labels: Tensor,
        landmarks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        frames, known = join_phases(onset_apex, apex_offset, has_offset)
        features = self._features(frames)
        flow_px = self._flow_px(features)
        classes, units = self._answer(features, flow_px)
        if landmarks is None:
            return classes, units, classes.new_zeros(())
        truth = torch.cat([landmarks[:, 0], landmarks[:, 1, 1:]], dim=1)
        taught = (known > 0) & truth.isfinite().flatten(2).all(dim=2)
        truth = torch.where(taught[..., None, None], truth, torch.zeros_like(truth))
        found = self.landmarks(features.flatten(0, 1)).view(truth.shape)
        own = FLOW_WEIGHT * _flow_loss(flow_px[:, 1:], truth, taught)
        own = own + LANDMARK_WEIGHT * _landmark_loss(found, truth, taught)
        return classes, units, own

    def _answer(self, features: Tensor, flow_px: Tensor) -> TensorPair:
        # What all places share is the head's motion, or the light's.
        change = _change(features)
        change = change - change.mean(dim=(3, 4), keepdim=True)
        (change,) = scale_by_rms(change)
        flow = self.head_motion(flow_px.flatten(0, 1) / _SCALE).view(flow_px.shape) * _SCALE
        # The tiny term keeps the gradient finite where nothing moves.
        mean = flow.square().mean(dim=(1, 2, 3, 4), keepdim=True)
        flow = flow / ((mean + 1e-12).sqrt() + REST_FLOW_PX)
        course = torch.cat([change, flow], dim=2)
        return self.heads(self.expression(course))

    def _flow_px(self, features: Tensor) -> Tensor:
        """The flow from the first frame to each, (N, T, 2, 16, 16) px of the crop."""
        found: Tensor = self.flow(_change(features).flatten(0, 1))
        return found.view(*features.shape[:2], *found.shape[1:])

    def _features(self, frames: Tensor) -> Tensor:
        """Frames (N, T, 64, 64) → (N, T, C, 16, 16)."""
        moved = torch.cat(self.frame_motion(frames), dim=2).flatten(0, 1)
        each = frames.flatten(0, 1)[:, None]
        maps = torch.cat([self.appearance(each), self.motion_features(moved)], dim=1)
        shared: Tensor = self.block(self.mix(maps))
        return shared.view(*frames.shape[:2], *shared.shape[1:])


class FullyConnectedConvolution(nn.Module):
    """(N, C, 16, 16) → the same, with a skip. Circular kernels as long as a column, then a row, or
    the other way round: every place sees every other, through few weights."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(1, channels, _SIDE, _SIDE) * 0.02)
        self.norm = nn.BatchNorm2d(channels)
        # As `nn.Conv2d` draws its weights.
        self.down, self.across = (
            nn.Parameter((2 * torch.rand(channels, _SIDE) - 1) / _SIDE**0.5) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        down, across = _circulant(self.down), _circulant(self.across)
        half = x.shape[1] // 2
        first, second = self.norm(x + self.places).split([half, x.shape[1] - half], dim=1)
        first = (down[:half] @ first) @ across[:half]
        second = down[half:] @ (second @ across[half:])
        return x + torch.cat([first, second], dim=1)


class ChannelCorrespondence(nn.Module):
    """(N, C, H, W) → the same, with a skip. The halved feature maps are nodes of a graph; each is
    joined to the `NEIGHBOURS` most like it. Of node i with neighbours j, the greatest
    ReLU(A f_i + B (f_j − f_i)) counts (Y. Wang et al., DGCNN, ACM TOG 2019)."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.own = nn.Linear(places, places)
        self.other = nn.Linear(places, places, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        halved = F.avg_pool2d(x, 2)
        nodes = halved.flatten(2)
        alike = F.normalize(nodes, dim=2)
        joined = (alike @ alike.transpose(1, 2)).topk(min(NEIGHBOURS, nodes.shape[1])).indices
        seen = self.other(nodes)
        count, channels, places = seen.shape
        at = joined.flatten(1)[..., None].expand(-1, -1, places)
        strongest = seen.gather(1, at).view(count, channels, -1, places).amax(dim=2)
        answer = F.relu(self.own(nodes) + strongest - seen).view(halved.shape)
        return x + F.interpolate(answer, scale_factor=2.0)


class ExpressionHead(nn.Module):
    """A course of maps (N, T, C, 16, 16) → features (N, F)."""

    def __init__(self, channels: int, width: int, features: int) -> None:
        super().__init__()
        self.places = convolution(channels, width, 3, stride=2)
        # Places in a row: a convolution over time, as 3D ones have no channels-last form.
        self.times = nn.Sequential(
            nn.Conv2d(width, width, (MOMENTS, 1), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.joined = nn.Linear(width * (_SIDE // 4) ** 2, features)

    def forward(self, course: Tensor) -> Tensor:
        count, times = course.shape[:2]
        maps = self.places(course.flatten(0, 1))
        width, side = maps.shape[1], maps.shape[-1]
        maps = maps.reshape(count, times, width, -1).transpose(1, 2)
        strongest = self.times(maps).amax(dim=2).view(count, width, side, side)
        return F.relu(self.joined(F.max_pool2d(strongest, 2).flatten(1)))


class LandmarkHead(nn.Module):
    """(N, C, 16, 16) → where each of `TAUGHT_POINTS` lies, (N, L · 2), from −1 to 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.maps = convolution(channels, 8, 3, stride=2)
        self.points = nn.Linear(8 * (_SIDE // 2) ** 2, 2 * len(TAUGHT_POINTS))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.points(self.maps(x).flatten(1)))


def _change(course: Tensor) -> Tensor:
    """Frames or their features (N, T, …), less those of the first frame."""
    return course - course[:, :1]


def _circulant(kernels: Tensor) -> Tensor:
    """Kernels (C, S) → matrices (C, S, S): the product with one is a circular convolution."""
    size = kernels.shape[1]
    at = torch.arange(size, device=kernels.device)
    return kernels[:, (at[:, None] - at) % size]


def _flow_loss(flow_px: Tensor, truth: Tensor, taught: Tensor) -> Tensor:
    """The error of flows (N, T − 1, 2, H, W) from the first frame, px of the crop, where the
    landmarks `truth` (N, T, L, 2) lay then, over the motion there; frames not `taught` (N, T) do
    not count."""
    count, times, points = truth.shape[:3]
    at = truth[:, :1].expand(-1, times - 1, -1, -1).reshape(-1, 1, points, 2)
    found = F.grid_sample(flow_px.flatten(0, 1), at, padding_mode="border", align_corners=False)
    found = found[:, :, 0].transpose(1, 2).view(count, times - 1, points, 2)
    moved_px = (truth[:, 1:] - truth[:, :1]) * (CROP_PX / 2)
    told = (taught[:, 1:] & taught[:, :1]).to(truth.dtype)[..., None, None]
    error = ((found - moved_px).abs() * told).sum(dim=(1, 2, 3))
    extent = ((moved_px.abs() + _REST_PX) * told).sum(dim=(1, 2, 3)) + 1e-6
    return (error / extent).mean()


def _landmark_loss(found: Tensor, truth: Tensor, taught: Tensor) -> Tensor:
    """The mean error of landmarks (N, T, L, 2) over the distance of the eyes, of frames `taught`
    (N, T)."""
    eyes = truth[:, :, EYES[0]] - truth[:, :, EYES[1]]
    apart = (eyes.square().sum(dim=-1) + 1e-6).sqrt()  # where nothing is taught, both are at 0
    error = (found - truth).abs().mean(dim=(2, 3)) / apart
    return torch.where(taught, error, torch.zeros_like(error)).sum() / taught.sum().clamp(min=1)
