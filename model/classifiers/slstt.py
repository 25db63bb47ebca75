"""SLSTT: a transformer over the patches of each long-term flow, an LSTM over time.

Zhang, Hong, Arandjelović, Zhao: "Short and Long Range Relation Based Spatio-Temporal Transformer
for Micro-Expression Recognition", IEEE TAC 13 (2022), arXiv 2112.05851.

From the abstract [P]: long-term optical flow as input; purely a transformer, without convolutional
network: a spatial encoder, a temporal aggregator, a classification head. Summaries [2]: eleven
flows, each from the onset to a later frame; self-attention over the patches of a flow; the
aggregator is a mean or an LSTM.
Ours [I]: eight flows, evenly spaced within each phase; 8 px patches of 64 px maps; a width of 64
and three layers, trained from scratch; an answer from what each patch became, not from the class
token; the LSTM's state at the last known frame; the normalisation; the action unit head.
"""

import torch
from torch import Tensor, nn

from model.classifiers import Inputs, PhaseChoice
from model.classifiers.blocks import Heads, TensorPair, TransformerBlock
from model.classifiers.normalisation import REST_FLOW_PX, centre, compress_lengths
from model.classifiers.phase_inputs import INPUT_PX

PATCH_PX = 8
_SQUEEZED = 8  # features of a patch that the answer sees


class SLSTT(nn.Module):
    """See the module's docstring; `model.classifiers` describes `forward`."""

    inputs: Inputs = "long_flows"
    phases: PhaseChoice = "both"

    def __init__(
        self,
        classes: int,
        action_units: int,
        width: int = 64,
        layers: int = 3,
        heads: int = 4,
        dropout: float = 0.3,
        *,
        places: bool = False,
        centred: bool = False,
    ) -> None:
        """With `places` the answer sees what each patch became, where it is; without, the class
        token alone. `centred` flows lack what most of the face shares. Earlier checkpoints have
        neither."""
        super().__init__()
        self.centred = centred
        self.encoder = SpatialEncoder(width, layers, heads, places)
        self.aggregator = TemporalAggregator(width)
        self.heads = Heads(width, classes, action_units, dropout)

    def forward(self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor) -> TensorPair:
        flows = _normalise(onset_apex, apex_offset, has_offset, self.centred)
        count, times = flows.shape[:2]
        frames = self.encoder(flows.flatten(0, 1)).view(count, times, -1)
        course = self.aggregator(frames)
        apex, offset = course[:, onset_apex.shape[1] - 1], course[:, -1]
        # The LSTM runs forward in time: at the apex it has not seen the second phase.
        last = torch.where(has_offset.view(-1, 1) > 0, offset, apex)
        return self.heads(last)


class SpatialEncoder(nn.Module):
    """Flow maps (N, 2, 64, 64) → (N, D): patches and a class token pass through transformer layers;
    returns the class token or, with `places`, a projection that has weights for each patch.
    """

    def __init__(self, width: int, layers: int, heads: int, places: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(2, width, PATCH_PX, stride=PATCH_PX)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        patches = (INPUT_PX // PATCH_PX) ** 2
        self.places = nn.Parameter(torch.randn(1, patches, width) * 0.02)
        self.layers = nn.Sequential(*[TransformerBlock(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        # A class token learns from few samples what moves, but hardly where.
        self.readout = (
            nn.Sequential(
                nn.Linear(width, _SQUEEZED),
                nn.Flatten(),
                nn.Linear(patches * _SQUEEZED, width),
            )
            if places
            else None
        )

    def forward(self, maps: Tensor) -> Tensor:
        patches = self.patches(maps).flatten(2).transpose(1, 2) + self.places
        tokens = torch.cat([self.token.expand(len(maps), -1, -1), patches], dim=1)
        tokens = self.norm(self.layers(tokens))
        encoded: Tensor = tokens[:, 0] if self.readout is None else self.readout(tokens[:, 1:])
        return encoded


class TemporalAggregator(nn.Module):
    """Frames (N, T, D) → an LSTM's state after each of them (N, T, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(width, width)

    def forward(self, frames: Tensor) -> Tensor:
        # A cell, step by step: exporting `nn.LSTM` gives a warning.
        hidden = memory = torch.zeros_like(frames[:, 0])
        course = []
        for frame in frames.unbind(dim=1):
            hidden, memory = self.cell(frame, (hidden, memory))
            course.append(hidden)
        return torch.stack(course, dim=1)


def _normalise(
    onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor, centred: bool
) -> Tensor:
    """Both phases (N, K, 2, H, W) → (N, 2 K, 2, H, W) in order of time, each map without what most
    of it shares if `centred`, divided by the first phase's root mean square, lengths l compressed
    to asinh(l); zero if unknown."""
    known = has_offset.view(-1, 1, 1, 1, 1) > 0
    # `where`, not a product: no value of an unknown phase may pass, not even NaN.
    second = torch.where(known, apex_offset, torch.zeros_like(apex_offset))
    if centred:
        onset_apex = centre(onset_apex.flatten(0, 1)).view(onset_apex.shape)
        second = centre(second.flatten(0, 1)).view(second.shape)
    strength = (2 * onset_apex.square().mean(dim=(1, 2, 3, 4), keepdim=True)).sqrt()
    flows = torch.cat([onset_apex, second], dim=1) / (strength + REST_FLOW_PX)
    return compress_lengths(flows.flatten(0, 1)).view(flows.shape)
