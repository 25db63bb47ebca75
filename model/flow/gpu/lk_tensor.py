"""`model.flow.lk` on torch tensors, on any device: the same steps and, if exact, the same numbers.

Every filter is a pair of matrices made beforehand. A call is then a fixed sequence of products and
elementwise steps for a whole batch, which a CUDA graph can record. On a CPU `model.flow.lk` is
faster; on CUDA with Triton, `model.flow.gpu.lk_kernels` does the same in fewer launches.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.face.aligned_crop import CROP_PX
from model.flow.gpu import separable
from model.flow.gpu.warp import round_flow, warp, warp_bilinear
from model.flow.lk import COARSE_ITERATIONS, POOLED_FROM_PX, SMALLEST_HALVED_PX
from model.records import ArrayF32


class TensorLucasKanade(nn.Module):
    """`model.flow.gpu.gpu_flow.TensorFlow` for pictures of one size on one device. A module
    without weights, so that a network can have it as a part."""

    def __init__(
        self,
        parameters: Mapping[str, float],
        shape: tuple[int, int],
        device: str,
        *,
        exact: bool = True,
    ) -> None:
        """`parameters` of `model.flow.lk.LucasKanade`; `shape` (H, W) of the pictures. Without
        `exact`, pictures are warped by bilinear interpolation, to any place: this takes a quarter
        of the time, and engines know it."""
        super().__init__()
        self._iterations = int(parameters["iterations"])
        levels = levels_of(parameters, shape, device, exact=exact)
        sizes = [level.shape for level in levels]
        self._levels = nn.ModuleList(levels)
        self._halvings = nn.ModuleList(
            SeparableFilter(
                separable.halving_matrix(height), separable.halving_matrix(width), device
            )
            for height, width in sizes[:-1]
        )
        self._enlargings = nn.ModuleList(
            _Enlarging(coarse, fine, device) for fine, coarse in pairwise(sizes)
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two stacks (N, …, H, W) float32 grey 0 to 255 → (N, …, 2, H, W) px. One picture in
        `first` may stand for several in `second`."""
        references, pictures = [first], [second]
        for halve in self._halvings:
            references.append(halve(references[-1]))
            pictures.append(halve(pictures[-1]))
        *leading, height, width = pictures[-1].shape
        flow = second.new_zeros((*leading, 2, height, width))
        for number in reversed(range(len(self._levels))):
            if number < len(self._levels) - 1:
                flow = self._enlargings[number](flow)
            iterations = self._iterations if number == 0 else COARSE_ITERATIONS
            flow = self._levels[number](references[number], pictures[number], flow, iterations)
        return flow


def levels_of(
    parameters: Mapping[str, float], shape: tuple[int, int], device: str, *, exact: bool = True
) -> "list[Level]":
    """The pyramid of pictures of `shape`, finest first."""
    sigma = parameters["sigma_px"] * min(shape) / CROP_PX
    levels = [Level(shape, sigma, parameters["ridge"], device, exact=exact)]
    while len(levels) < parameters["levels"]:
        height, width = levels[-1].shape
        if min(height, width) < SMALLEST_HALVED_PX:
            break
        half = (-(-height // 2), -(-width // 2))
        levels.append(Level(half, sigma, parameters["ridge"], device, exact=exact))
    return levels


class Level(nn.Module):
    """One pyramid level: its window as matrices, and the iterations on it."""

    def __init__(
        self, shape: tuple[int, int], sigma: float, ridge: float, device: str, *, exact: bool
    ) -> None:
        super().__init__()
        self.shape = shape
        self._ridge, self._exact = ridge, exact
        pooled = 2 if sigma >= POOLED_FROM_PX else 1
        small = -(-shape[0] // pooled), -(-shape[1] // pooled)
        rows, columns = (
            separable.gaussian(out, sigma / pooled) @ separable.area(side, out)
            for side, out in zip(shape, small, strict=True)
        )
        self.window_means = SeparableFilter(rows, columns, device)
        self.unpool = resizer(small, shape, device)

    def forward(self, reference: Tensor, picture: Tensor, flow: Tensor, iterations: int) -> Tensor:
        """`flow` (N, …, 2, H, W) after `iterations` warps of `picture` (N, …, H, W)."""
        gx, gy = gradients(reference)
        fields = torch.stack((gx, gy, gx * gx, gy * gy, gx * gy), dim=-3)
        mean_x, mean_y, xx, yy, xy = self.window_means(fields).unbind(dim=-3)
        xx = xx - mean_x * mean_x + self._ridge
        yy = yy - mean_y * mean_y + self._ridge
        xy = xy - mean_x * mean_y
        determinant = xx * yy - xy * xy
        inverse_xx, inverse_yy, inverse_xy = yy / determinant, xx / determinant, -xy / determinant
        for _ in range(iterations):
            if self._exact:
                flow = round_flow(flow)
            residual = reference - self._warp(picture, flow)
            fields = torch.stack((residual, gx * residual, gy * residual), dim=-3)
            mean, x, y = self.window_means(fields).unbind(dim=-3)
            x, y = x - mean_x * mean, y - mean_y * mean
            step = torch.stack(
                (inverse_xx * x + inverse_xy * y, inverse_xy * x + inverse_yy * y), dim=-3
            )
            flow = flow + self.unpool(step)
        return flow

    def _warp(self, picture: Tensor, flow: Tensor) -> Tensor:
        pictures, flows = picture.flatten(0, -3)[:, None], flow.flatten(0, -4)
        if self._exact:
            moved = warp(pictures, flows, zero_beyond=False)
        else:
            moved = warp_bilinear(pictures, flows)
        return moved.view(picture.shape)


class SeparableFilter(nn.Module):
    """One of `model.flow.gpu.separable`: rows @ picture @ columnsᵀ."""

    rows: Tensor
    columns: Tensor

    def __init__(self, rows: ArrayF32, columns: ArrayF32, device: str) -> None:
        super().__init__()
        self.register_buffer("rows", torch.as_tensor(rows, device=device), persistent=False)
        self.register_buffer("columns", torch.as_tensor(columns, device=device), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.rows @ pictures @ self.columns.T


class _Enlarging(nn.Module):
    """Flows (…, 2, H, W) of a coarser level, resampled to a finer one, in px of the finer."""

    def __init__(self, coarse: tuple[int, int], fine: tuple[int, int], device: str) -> None:
        super().__init__()
        self._resize = resizer(coarse, fine, device)
        self._down, self._across = (new / old for new, old in zip(fine, coarse, strict=True))

    def forward(self, flow: Tensor) -> Tensor:
        u, v = self._resize(flow).unbind(dim=-3)
        return torch.stack((u * self._across, v * self._down), dim=-3)


def gradients(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """`cv2.Scharr` of (N, …, H, W), scaled to grey levels per px: (by x, by y)."""
    padded = F.pad(pictures.flatten(0, -3)[:, None], (1, 1, 1, 1), mode="reflect")
    padded = padded.view(*pictures.shape[:-2], *padded.shape[-2:])
    across = padded[..., 2:] - padded[..., :-2]
    down = padded[..., 2:, :] - padded[..., :-2, :]
    gx = 3 * (across[..., :-2, :] + across[..., 2:, :]) + 10 * across[..., 1:-1, :]
    gy = 3 * (down[..., :-2] + down[..., 2:]) + 10 * down[..., 1:-1]
    return gx / 32, gy / 32


def resizer(
    shape: tuple[int, int], out: tuple[int, int], device: str, scale: float | None = None
) -> SeparableFilter:
    """`separable.linear` from pictures of `shape` to those of `out`."""
    rows, columns = (separable.linear(*sides, scale) for sides in zip(shape, out, strict=True))
    return SeparableFilter(rows, columns, device)
