"""`model.flow.lk` on torch tensors, on any device: the same steps, the same numbers.

Every filter is a pair of matrices made beforehand. A call is then a fixed sequence of products and
elementwise steps for a whole batch, which a CUDA graph can record. On a CPU `model.flow.lk` is
faster; on CUDA with Triton, `model.flow.gpu.lk_kernels` does the same in fewer launches.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from model.face.aligned_crop import CROP_PX
from model.flow.gpu import separable
from model.flow.gpu.warp import round_flow, warp
from model.flow.lk import COARSE_ITERATIONS, POOLED_FROM_PX, SMALLEST_HALVED_PX
from model.records import ArrayF32


class TensorLucasKanade:
    """`model.flow.gpu.gpu_flow.TensorFlow` for pictures of one size on one device."""

    def __init__(
        self, parameters: Mapping[str, float], shape: tuple[int, int], device: str
    ) -> None:
        """`parameters` of `model.flow.lk.LucasKanade`; `shape` (H, W) of the pictures."""
        self._iterations = int(parameters["iterations"])
        self._levels = levels_of(parameters, shape, device)
        self._halvings = [
            tuple(on(separable.halving_matrix(side), device) for side in level.shape)
            for level in self._levels[:-1]
        ]
        self._enlargings = [
            resizers(coarse.shape, fine.shape, device) for fine, coarse in pairwise(self._levels)
        ]

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Two stacks (N, H, W) float32 grey 0 to 255 → (N, 2, H, W) px."""
        references, pictures = [first], [second]
        for rows, columns in self._halvings:
            references.append(rows @ references[-1] @ columns.T)
            pictures.append(rows @ pictures[-1] @ columns.T)
        flow = first.new_zeros((len(first), 2, *self._levels[-1].shape))
        for number in reversed(range(len(self._levels))):
            if number < len(self._levels) - 1:
                flow = self._enlarge(flow, number)
            iterations = self._iterations if number == 0 else COARSE_ITERATIONS
            flow = self._levels[number](references[number], pictures[number], flow, iterations)
        return flow

    def _enlarge(self, flow: Tensor, number: int) -> Tensor:
        rows, columns = self._enlargings[number]
        (height, small_h), (width, small_w) = rows.shape, columns.shape
        larger = rows @ flow @ columns.T
        return torch.stack(
            (larger[:, 0] * (width / small_w), larger[:, 1] * (height / small_h)), dim=1
        )


def levels_of(
    parameters: Mapping[str, float], shape: tuple[int, int], device: str
) -> "list[Level]":
    """The pyramid of pictures of `shape`, finest first."""
    sigma = parameters["sigma_px"] * min(shape) / CROP_PX
    levels = [Level(shape, sigma, parameters["ridge"], device)]
    while len(levels) < parameters["levels"]:
        height, width = levels[-1].shape
        if min(height, width) < SMALLEST_HALVED_PX:
            break
        half = (-(-height // 2), -(-width // 2))
        levels.append(Level(half, sigma, parameters["ridge"], device))
    return levels


class Level:
    """One pyramid level: its window as matrices, and the iterations on it."""

    def __init__(self, shape: tuple[int, int], sigma: float, ridge: float, device: str) -> None:
        self.shape = shape
        self._ridge = ridge
        pooled = 2 if sigma >= POOLED_FROM_PX else 1
        small = -(-shape[0] // pooled), -(-shape[1] // pooled)
        window = [
            separable.gaussian(out, sigma / pooled) @ separable.area(side, out)
            for side, out in zip(shape, small, strict=True)
        ]
        self.rows, self.columns = (on(matrix, device) for matrix in window)
        self.up_rows, self.up_columns = resizers(small, shape, device)

    def __call__(self, reference: Tensor, picture: Tensor, flow: Tensor, iterations: int) -> Tensor:
        """`flow` (N, 2, H, W) after `iterations` warps of `picture` (N, H, W)."""
        gx, gy = gradients(reference)
        fields = torch.stack((gx, gy, gx * gx, gy * gy, gx * gy), dim=1)
        mean_x, mean_y, xx, yy, xy = self._window_means(fields).unbind(dim=1)
        xx = xx - mean_x * mean_x + self._ridge
        yy = yy - mean_y * mean_y + self._ridge
        xy = xy - mean_x * mean_y
        determinant = xx * yy - xy * xy
        inverse_xx, inverse_yy, inverse_xy = yy / determinant, xx / determinant, -xy / determinant
        for _ in range(iterations):
            flow = round_flow(flow)
            moved = warp(picture[:, None], flow, zero_beyond=False)[:, 0]
            residual = reference - moved
            fields = torch.stack((residual, gx * residual, gy * residual), dim=1)
            mean, x, y = self._window_means(fields).unbind(dim=1)
            x, y = x - mean_x * mean, y - mean_y * mean
            step = torch.stack(
                (inverse_xx * x + inverse_xy * y, inverse_xy * x + inverse_yy * y), dim=1
            )
            flow = flow + self.up_rows @ step @ self.up_columns.T
        return flow

    def _window_means(self, fields: Tensor) -> Tensor:
        return self.rows @ fields @ self.columns.T


def gradients(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """`cv2.Scharr` of (N, H, W), scaled to grey levels per px: (by x, by y)."""
    padded = F.pad(pictures[:, None], (1, 1, 1, 1), mode="reflect")[:, 0]
    across = padded[:, :, 2:] - padded[:, :, :-2]
    down = padded[:, 2:] - padded[:, :-2]
    gx = 3 * (across[:, :-2] + across[:, 2:]) + 10 * across[:, 1:-1]
    gy = 3 * (down[:, :, :-2] + down[:, :, 2:]) + 10 * down[:, :, 1:-1]
    return gx / 32, gy / 32


def resizers(
    shape: tuple[int, int], out: tuple[int, int], device: str, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """`separable.linear` for rows and columns: from pictures of `shape` to those of `out`."""
    rows, columns = (separable.linear(*sides, scale) for sides in zip(shape, out, strict=True))
    return on(rows, device), on(columns, device)


def on(matrix: ArrayF32, device: str) -> Tensor:
    """`matrix` on `device`."""
    return torch.as_tensor(matrix, device=device)
