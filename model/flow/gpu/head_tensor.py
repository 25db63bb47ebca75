"""`model.flow.head_motion.remove_head_motion` on torch tensors, for a batch, on any device."""

import torch
from torch import Tensor, nn

from model.face.aligned_crop import CROP_PX
from model.flow.head_motion import NOISE_PX, ROUNDS, stable_points


class TensorHeadMotion(nn.Module):
    """Removes the head's motion from flows (N, 2, S, S) of one size on one device. A module without
    weights, so that a network can have it as a part."""

    _at: Tensor
    _bridge: Tensor
    _place: Tensor
    _across: Tensor
    _down: Tensor

    def __init__(self, size: int, device: str, *, exact: bool = True) -> None:
        """Without `exact` it reckons in float32 in place of float64, which not all engines know."""
        super().__init__()
        rows, columns, place, bridge = stable_points(size)
        self._noise = NOISE_PX * size / CROP_PX
        self._type = torch.float64 if exact else torch.float32
        xy = torch.as_tensor(place.view(float).reshape(-1, 2).T.copy(), dtype=self._type)
        axis = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
        for name, values in (
            ("_at", torch.as_tensor(rows * size + columns)),
            ("_bridge", torch.as_tensor(bridge.nonzero()[0])),
            ("_place", xy),
            ("_across", axis[None, :]),
            ("_down", axis[:, None]),
        ):
            self.register_buffer(name, values.to(device), persistent=False)

    def forward(self, flow: Tensor) -> Tensor:
        """The residual flow."""
        moved = flow.flatten(2).index_select(2, self._at).to(self._type)
        still = moved.index_select(2, self._bridge).sort(dim=2).values
        count = still.shape[2]
        shift = (still[..., (count - 1) // 2] + still[..., count // 2])[..., None] / 2
        scale = turn = torch.zeros_like(shift[:, :1])
        x, y = self._place
        for _ in range(ROUNDS):
            fit = torch.stack((scale[:, 0] * x - turn[:, 0] * y, turn[:, 0] * x + scale[:, 0] * y))
            away = moved - shift - fit.transpose(0, 1)
            squared = away.square().sum(dim=1)
            middle = squared.sort(dim=1).values[:, squared.shape[1] // 2]
            spread = middle.clamp_min(self._noise**2)[:, None]
            weights = 1 / (1 + squared / spread)
            weights = (weights / weights.sum(dim=1, keepdim=True))[:, None]
            shift, scale, turn = self._fit(moved, weights)
        shift, scale, turn = (each.float()[..., None] for each in (shift, scale, turn))
        u = flow[:, 0] - (shift[:, 0] + scale[:, 0] * self._across) + turn[:, 0] * self._down
        v = flow[:, 1] - (shift[:, 1] + scale[:, 0] * self._down) - turn[:, 0] * self._across
        return torch.stack((u, v), dim=1)

    def _fit(self, moved: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weighted least squares: shift (N, 2, 1), scale and turn (N, 1, 1)."""
        centre = (weights * self._place).sum(dim=2, keepdim=True)
        mean = (weights * moved).sum(dim=2, keepdim=True)
        arm, reach = self._place - centre, moved - mean
        power = (weights * arm.square()).sum(dim=(1, 2), keepdim=True)
        scale = (weights * arm * reach).sum(dim=(1, 2), keepdim=True) / power
        crossed = arm[:, :1] * reach[:, 1:] - arm[:, 1:] * reach[:, :1]
        turn = (weights * crossed).sum(dim=2, keepdim=True) / power
        turned = torch.cat((-centre[:, 1:], centre[:, :1]), dim=1)
        return mean - scale * centre - turn * turned, scale, turn
