"""`model.flow.tvl1`, OpenCV's DualTVL1, on torch tensors, on any device: the same steps, sizes,
borders and end of the iterations. A pair that has converged waits for the rest of its batch.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from model.flow.gpu.lk_tensor import resizer
from model.flow.gpu.warp import round_flow, warp

SCALE_STEP = 0.8
SMALLEST_PX = 16
MEDIAN_PX = 5
INNER, OUTER = 30, 10
EPSILON_PX = 0.01
"""Root mean square update below which the iterations end."""
_LEAST_GRADIENT = torch.finfo(torch.float32).eps


class TensorTVL1:
    """`model.flow.gpu.gpu_flow.TensorFlow` for pictures of one size on one device."""

    def __init__(
        self, parameters: Mapping[str, float], shape: tuple[int, int], device: str
    ) -> None:
        """`parameters` of `model.flow.tvl1.TVL1`; `shape` (H, W) of the pictures."""
        self.warps = int(parameters["warps"])
        self.theta = parameters["theta"]
        self.step = parameters["lambda_"] * parameters["theta"]
        self.dual_step = parameters["tau"] / parameters["theta"]
        self.shapes = [shape]
        while len(self.shapes) < parameters["scales"]:
            # cv2.resize rounds the size but keeps the given scale.
            height, width = (round(side * SCALE_STEP) for side in self.shapes[-1])
            if min(height, width) < SMALLEST_PX:
                break
            self.shapes.append((height, width))
        self._reducing = [
            resizer(fine, coarse, device, 1 / SCALE_STEP) for fine, coarse in pairwise(self.shapes)
        ]
        self._enlarging = [resizer(coarse, fine, device) for fine, coarse in pairwise(self.shapes)]

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Two stacks (N, H, W) float32 grey 0 to 255 → (N, 2, H, W) px."""
        firsts, seconds = self.pyramids(first, second)
        flow = first.new_zeros((len(first), 2, *self.shapes[-1]))
        for number in reversed(range(len(self.shapes))):
            flow = self._solve(firsts[number], seconds[number], flow)
            if number > 0:
                flow = self.enlarge(flow, number)
        return flow

    def pyramids(self, first: Tensor, second: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Both stacks on every scale, finest first."""
        firsts, seconds = [first], [second]
        for reduce in self._reducing:
            firsts.append(reduce(firsts[-1]))
            seconds.append(reduce(seconds[-1]))
        return firsts, seconds

    def enlarge(self, flow: Tensor, number: int) -> Tensor:
        """The flow of scale `number` on the next finer one."""
        enlarged: Tensor = self._enlarging[number - 1](flow)
        return enlarged / SCALE_STEP

    def _solve(self, first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
        """`flow` (N, 2, H, W) after all warps on one scale."""
        height, width = first.shape[1:]
        pictures = torch.stack((second, *central(second)), dim=1)
        x = torch.arange(width, device=first.device, dtype=torch.float32)
        y = torch.arange(height, device=first.device, dtype=torch.float32)[:, None]
        grid = torch.stack((x.expand(height, width), y.expand(height, width)))
        dual = flow.new_zeros((len(flow), 2, 2, height, width))  # of u and v: by x, by y
        enough = EPSILON_PX**2 * height * width
        for _ in range(self.warps):
            place = round_flow(flow + grid) - grid
            moved = warp(pictures, place, zero_beyond=True)
            gradient = moved[:, 1:]
            square = gradient.square().sum(dim=1)
            constant = moved[:, 0] - (gradient * flow).sum(dim=1) - first
            flow, dual = self._iterate(flow, dual, gradient, square, constant, enough)
        return flow

    def _iterate(
        self,
        flow: Tensor,
        dual: Tensor,
        gradient: Tensor,
        square: Tensor,
        constant: Tensor,
        enough: float,
    ) -> tuple[Tensor, Tensor]:
        going = torch.ones(len(flow), dtype=torch.bool, device=flow.device)
        for _ in range(OUTER):
            flow = torch.where(_each(going, flow), _median(flow), flow)
            for _ in range(INNER):
                matched = self._match(flow, gradient, square, constant)
                fresh = matched + self.theta * _divergence(dual)
                fresh_dual = self._dual(fresh, dual)
                error = (fresh - flow).square().sum(dim=(1, 2, 3))
                flow = torch.where(_each(going, flow), fresh, flow)
                dual = torch.where(_each(going, dual), fresh_dual, dual)
                going = going & (error > enough)
                if not going.any():
                    return flow, dual
        return flow, dual

    def _match(self, flow: Tensor, gradient: Tensor, square: Tensor, constant: Tensor) -> Tensor:
        """The flow that explains the brightness best, near `flow` (equation 15 of Zach et al.)."""
        rho = constant + (gradient * flow).sum(dim=1)
        least = self.step * square
        textured = square > _LEAST_GRADIENT
        exact = torch.where(textured, -rho / torch.where(textured, square, 1.0), 0.0)
        share = torch.where(rho < -least, self.step, torch.where(rho > least, -self.step, exact))
        return flow + share[:, None] * gradient

    def _dual(self, flow: Tensor, dual: Tensor) -> Tensor:
        slope = torch.stack(
            (
                F.pad(flow[..., 1:] - flow[..., :-1], (0, 1)),
                F.pad(flow[..., 1:, :] - flow[..., :-1, :], (0, 0, 0, 1)),
            ),
            dim=2,
        )
        length = torch.hypot(slope[:, :, 0], slope[:, :, 1])[:, :, None]
        return (dual + self.dual_step * slope) / (1 + self.dual_step * length)


def central(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences, (by x, by y); a border pixel is its own neighbour."""
    padded = F.pad(picture[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    return (
        (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2,
        (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2,
    )


def _divergence(dual: Tensor) -> Tensor:
    """(N, 2, 2, H, W) → (N, 2, H, W): backward differences, zero before the border."""
    by_x, by_y = dual[:, :, 0], dual[:, :, 1]
    return by_x - F.pad(by_x, (1, 0))[..., :-1] + by_y - F.pad(by_y, (0, 0, 1, 0))[..., :-1, :]


def _median(flow: Tensor) -> Tensor:
    """5 × 5 medians of each map, its border repeated."""
    reach = MEDIAN_PX // 2
    padded = F.pad(flow, (reach,) * 4, mode="replicate")
    windows = padded.unfold(2, MEDIAN_PX, 1).unfold(3, MEDIAN_PX, 1).flatten(4)
    return windows.median(dim=-1).values


def _each(going: Tensor, like: Tensor) -> Tensor:
    return going.view(-1, *(1,) * (like.dim() - 1))
