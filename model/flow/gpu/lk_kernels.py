"""`model.flow.lk` in fused Triton kernels: the numbers of `model.flow.gpu.lk_tensor` in few
launches.

At 128 to 224 px a picture fits into the cache, and most of the time goes into starting kernels. A
level takes two launches: the gradients, and the windowed structure tensor with its inverse. An
iteration takes two more: the warp with its residual, and the windowed products with the solution. A
call for a whole batch, with two levels of two iterations each, is 15 launches. Their sizes are
fixed beforehand and nothing is allocated, so a CUDA graph can record the call.

Windows are the banded matrices of `model.flow.gpu.separable`: a tile of means is rows · picture ·
columnsᵀ over the band alone. With TRITON_INTERPRET=1 all of it runs on a CPU, slowly.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from model.flow.gpu.lk_tensor import Level, levels_of
from model.flow.lk import COARSE_ITERATIONS

TILE = 16
"""Side of a tile of windowed means; the least that a matrix product takes."""
BLOCK = 256
"""Pixels of an elementwise program."""
FUSION = {"enable_fp_fusion": True}
"""Passed to every launch: a · b + c is rounded once. The tests and the speed estimate assume this,
and Triton's own default changes from True to False in 3.10."""


class TritonLucasKanade:
    """`model.flow.gpu.gpu_flow.TensorFlow` for `count` pairs of one size on one device. Its answer
    lies in a buffer that the next call overwrites."""

    def __init__(
        self, parameters: Mapping[str, float], shape: tuple[int, int], count: int, device: str
    ) -> None:
        """As `model.flow.gpu.lk_tensor.TensorLucasKanade`, for batches of `count`."""
        self._iterations = int(parameters["iterations"])
        self._ridge = parameters["ridge"]
        levels = levels_of(parameters, shape, device)
        self._levels = [_Buffers(level, count, device) for level in levels]

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Two stacks (N, H, W) float32 grey 0 to 255 → (N, 2, H, W) px."""
        with torch.cuda.device_of(first):  # type: ignore[no-untyped-call]  # where Triton launches
            return self._solve(first, second)

    def _solve(self, first: Tensor, second: Tensor) -> Tensor:
        finest = self._levels[0]
        finest.pictures[0].copy_(first)
        finest.pictures[1].copy_(second)
        for fine, coarse in pairwise(self._levels):
            _halve[coarse.blocks(2)](
                fine.pictures, coarse.pictures, *fine.shape, *coarse.shape, BLOCK, **FUSION
            )
        for number in reversed(range(len(self._levels))):
            level = self._levels[number]
            coarser = self._levels[number + 1] if number + 1 < len(self._levels) else None
            iterations = self._iterations if number == 0 else COARSE_ITERATIONS
            level.solve(coarser, iterations, self._ridge)
        return finest.flow


class _Buffers:
    """One pyramid level in memory."""

    def __init__(self, level: Level, count: int, device: str) -> None:
        self._count = count
        self.shape = height, width = level.shape
        rows, columns = level.window_means.rows, level.window_means.columns
        self._small = small_h, small_w = len(rows), len(columns)
        self._rows, self._row_begin, self._row_blocks = _find_bands(rows)
        self._columns, self._column_begin, self._column_blocks = _find_bands(columns)
        self.pictures = torch.zeros(2, count, height, width, device=device)
        self.flow = torch.zeros(count, 2, height, width, device=device)
        self._gradients = torch.zeros(count, 2, height, width, device=device)
        self._residual = torch.zeros(count, height, width, device=device)
        self._stats = torch.zeros(count, 5, small_h, small_w, device=device)
        self._step = torch.zeros(count, 2, small_h, small_w, device=device)

    def blocks(self, pictures: int = 1) -> tuple[int, int]:
        """The grid of an elementwise kernel over `pictures` of each pair."""
        return triton.cdiv(self.shape[0] * self.shape[1], BLOCK), pictures * self._count

    def solve(self, coarser: "_Buffers | None", iterations: int, ridge: float) -> None:
        """Fill `flow`, starting at that of the `coarser` level."""
        _gradients[self.blocks()](self.pictures, self._gradients, *self.shape, BLOCK, **FUSION)
        self._window(self._stats, ridge, solve=False)
        begun = coarser if coarser is not None else self
        for number in range(iterations):
            first = number == 0
            _warp[self.blocks()](
                *(self.pictures, begun.flow if first else self.flow, self._step),
                *(self.flow, self._residual, self._count),
                *(*self.shape, *begun.shape, *self._small),
                *(first and coarser is None, first, BLOCK),
                **FUSION,
            )
            self._window(self._step, ridge, solve=True)
        _add[self.blocks()](self._step, self.flow, *self.shape, *self._small, BLOCK, **FUSION)

    def _window(self, out: Tensor, ridge: float, *, solve: bool) -> None:
        grid = (*(triton.cdiv(side, TILE) for side in self._small), self._count)
        _window[grid](
            *(self._gradients, self._residual, self._stats, out),
            *(self._rows, self._columns, self._row_begin, self._column_begin),
            *(*self.shape, *self._small, ridge),
            *(solve, self._row_blocks, self._column_blocks, TILE),
            **FUSION,
        )


def _find_bands(matrix: Tensor) -> tuple[Tensor, Tensor, int]:
    """`matrix` (out, in), where the band of each tile of its rows begins, and how many tiles of
    columns the widest band covers."""
    filled = matrix.cpu().numpy() != 0
    begins, ends = [], []
    for start in range(0, len(filled), TILE):
        used = np.flatnonzero(filled[start : start + TILE].any(axis=0))
        begins.append(int(used[0]))
        ends.append(int(used[-1]) + 1)
    widest = max(end - begin for begin, end in zip(begins, ends, strict=True))
    begin = torch.tensor(begins, dtype=torch.int32, device=matrix.device)
    return matrix.contiguous(), begin, triton.cdiv(widest, TILE)


@triton.jit
def _reflect(place, size):  # type: ignore[no-untyped-def]
    """`place`, up to two pixels beyond the border, mirrored at the outermost pixel."""
    place = tl.abs(place)
    return tl.where(place >= size, 2 * size - 2 - place, place)


@triton.jit
def _halve(pictures, out, height, width, small_h, small_w, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < small_h * small_w
    y, x = at // small_w, at % small_w
    base = pictures + tl.program_id(1) * height * width
    total = tl.zeros((BLOCK,), tl.float32)
    for j in tl.static_range(5):
        row = _reflect(2 * y + j - 2, height) * width
        line = tl.zeros((BLOCK,), tl.float32)
        for i in tl.static_range(5):
            weight = 6.0 if i == 2 else (4.0 if i % 2 == 1 else 1.0)
            line += weight * tl.load(base + row + _reflect(2 * x + i - 2, width), inside, 0.0)
        total += (6.0 if j == 2 else (4.0 if j % 2 == 1 else 1.0)) * line
    tl.store(out + tl.program_id(1) * small_h * small_w + at, total * 0.00390625, inside)


@triton.jit
def _gradients(pictures, out, height, width, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < height * width
    y, x = at // width, at % width
    base = pictures + tl.program_id(1) * height * width
    above, below = _reflect(y - 1, height) * width, _reflect(y + 1, height) * width
    left, right = _reflect(x - 1, width), _reflect(x + 1, width)
    a = tl.load(base + above + left, inside, 0.0)
    b = tl.load(base + above + x, inside, 0.0)
    c = tl.load(base + above + right, inside, 0.0)
    d = tl.load(base + y * width + left, inside, 0.0)
    f = tl.load(base + y * width + right, inside, 0.0)
    g = tl.load(base + below + left, inside, 0.0)
    h = tl.load(base + below + x, inside, 0.0)
    i = tl.load(base + below + right, inside, 0.0)
    to = out + 2 * tl.program_id(1) * height * width + at
    tl.store(to, (3.0 * ((c - a) + (i - g)) + 10.0 * (f - d)) * 0.03125, inside)
    tl.store(to + height * width, (3.0 * ((g - a) + (i - c)) + 10.0 * (h - b)) * 0.03125, inside)


@triton.jit
def _bilinear(base, y, x, height, width, small_h, small_w, inside):  # type: ignore[no-untyped-def]
    """A smaller map at the pixels of a larger one."""
    down = (y.to(tl.float32) + 0.5) * (small_h / height) - 0.5
    across = (x.to(tl.float32) + 0.5) * (small_w / width) - 0.5
    down = tl.minimum(tl.maximum(down, 0.0), small_h - 1.0)
    across = tl.minimum(tl.maximum(across, 0.0), small_w - 1.0)
    y0, x0 = tl.floor(down).to(tl.int32), tl.floor(across).to(tl.int32)
    y1, x1 = tl.minimum(y0 + 1, small_h - 1), tl.minimum(x0 + 1, small_w - 1)
    v, u = down - y0.to(tl.float32), across - x0.to(tl.float32)
    upper = (1 - u) * tl.load(base + y0 * small_w + x0, inside, 0.0)
    upper += u * tl.load(base + y0 * small_w + x1, inside, 0.0)
    lower = (1 - u) * tl.load(base + y1 * small_w + x0, inside, 0.0)
    lower += u * tl.load(base + y1 * small_w + x1, inside, 0.0)
    return (1 - v) * upper + v * lower


@triton.jit
def on_steps(flow):  # type: ignore[no-untyped-def]
    """`flow` in px rounded to 32nds, halves to even: adding the constant leaves no bits for
    fractions. The result is multiplied by 1/32, not divided by 32, because a GPU's quotients are
    inexact and could give 0.99999 px for 1."""
    return ((flow * 32.0 + 12582912.0) - 12582912.0) * 0.03125


@triton.jit
def cubic(share, TAP: tl.constexpr):  # type: ignore[no-untyped-def]
    """Weight of one of four pixels, as `model.flow.gpu.warp.cubic`."""
    if TAP == 0:
        away = share + 1.0
        weight = ((-0.75 * away + 3.75) * away - 6.0) * away + 3.0
    elif TAP == 1:
        weight = (1.25 * share - 2.25) * share * share + 1.0
    elif TAP == 2:
        away = 1.0 - share
        weight = (1.25 * away - 2.25) * away * away + 1.0
    else:
        weight = 1.0 - cubic(share, 0) - cubic(share, 1) - cubic(share, 2)
    return weight


@triton.jit
def _warp(  # type: ignore[no-untyped-def]
    pictures,
    begun,
    step,
    flow,
    residual,
    count,
    height,
    width,
    begun_h,
    begun_w,
    small_h,
    small_w,
    STILL: tl.constexpr,
    FIRST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Flow so far, in whole steps, and what the second picture warped by it leaves of the first.

    `STILL`: there is none yet. `FIRST`: it is that of the coarser level, `begun`. Otherwise `begun`
    is the flow itself, still without the last `step`.
    """
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < height * width
    y, x = at // width, at % width
    n, size = tl.program_id(1), height * width
    if STILL:
        u, v = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
    elif FIRST:
        coarse = begun + 2 * n * begun_h * begun_w
        u = _bilinear(coarse, y, x, height, width, begun_h, begun_w, inside)
        u *= width / begun_w
        coarse += begun_h * begun_w
        v = _bilinear(coarse, y, x, height, width, begun_h, begun_w, inside)
        v *= height / begun_h
    else:
        small = step + 2 * n * small_h * small_w
        u = tl.load(begun + 2 * n * size + at, inside, 0.0)
        u += _bilinear(small, y, x, height, width, small_h, small_w, inside)
        small += small_h * small_w
        v = tl.load(begun + (2 * n + 1) * size + at, inside, 0.0)
        v += _bilinear(small, y, x, height, width, small_h, small_w, inside)
    u, v = on_steps(u), on_steps(v)
    tl.store(flow + 2 * n * size + at, u, inside)
    tl.store(flow + (2 * n + 1) * size + at, v, inside)
    whole_u, whole_v = tl.floor(u), tl.floor(v)
    share_u, share_v = u - whole_u, v - whole_v
    x0, y0 = x + whole_u.to(tl.int32), y + whole_v.to(tl.int32)
    second = pictures + (count + n) * size
    moved = tl.zeros((BLOCK,), tl.float32)
    for j in tl.static_range(4):
        row = tl.minimum(tl.maximum(y0 + j - 1, 0), height - 1) * width
        line = tl.zeros((BLOCK,), tl.float32)
        for i in tl.static_range(4):
            column = tl.minimum(tl.maximum(x0 + i - 1, 0), width - 1)
            line += cubic(share_u, i) * tl.load(second + row + column, inside, 0.0)
        moved += cubic(share_v, j) * line
    reference = tl.load(pictures + n * size + at, inside, 0.0)
    tl.store(residual + n * size + at, reference - moved, inside)


@triton.jit
def _window(  # type: ignore[no-untyped-def]
    gradients,
    residual,
    stats,
    out,
    rows,
    columns,
    row_begin,
    column_begin,
    height,
    width,
    small_h,
    small_w,
    ridge,
    SOLVE: tl.constexpr,
    ROW_BLOCKS: tl.constexpr,
    COLUMN_BLOCKS: tl.constexpr,
    TILE: tl.constexpr,
):
    """A tile of windowed means. `SOLVE`: of the residual and its products with the gradients, and
    from them the step; otherwise of the gradients and their products, and from them the means of
    the gradients and the inverse of the structure tensor."""
    tile = tl.arange(0, TILE)
    r, c = tl.program_id(0) * TILE + tile, tl.program_id(1) * TILE + tile
    n, size, small = tl.program_id(2), height * width, small_h * small_w
    y0 = tl.load(row_begin + tl.program_id(0))
    x0 = tl.load(column_begin + tl.program_id(1))
    means0 = tl.zeros((TILE, TILE), tl.float32)
    means1, means2, means3, means4 = means0, means0, means0, means0
    for j in range(COLUMN_BLOCKS):
        x = x0 + j * TILE + tile
        beside = (c[None, :] < small_w) & (x[:, None] < width)
        across = tl.load(columns + c[None, :] * width + x[:, None], beside, 0.0)
        sums0 = tl.zeros((TILE, TILE), tl.float32)
        sums1, sums2, sums3, sums4 = sums0, sums0, sums0, sums0
        for i in range(ROW_BLOCKS):
            y = y0 + i * TILE + tile
            above = (r[:, None] < small_h) & (y[None, :] < height)
            down = tl.load(rows + r[:, None] * height + y[None, :], above, 0.0)
            inside = (y[:, None] < height) & (x[None, :] < width)
            at = y[:, None] * width + x[None, :]
            gx = tl.load(gradients + 2 * n * size + at, inside, 0.0)
            gy = tl.load(gradients + (2 * n + 1) * size + at, inside, 0.0)
            if SOLVE:
                left = tl.load(residual + n * size + at, inside, 0.0)
                sums0 = tl.dot(down, left, sums0, input_precision="ieee")
                sums1 = tl.dot(down, gx * left, sums1, input_precision="ieee")
                sums2 = tl.dot(down, gy * left, sums2, input_precision="ieee")
            else:
                sums0 = tl.dot(down, gx, sums0, input_precision="ieee")
                sums1 = tl.dot(down, gy, sums1, input_precision="ieee")
                sums2 = tl.dot(down, gx * gx, sums2, input_precision="ieee")
                sums3 = tl.dot(down, gy * gy, sums3, input_precision="ieee")
                sums4 = tl.dot(down, gx * gy, sums4, input_precision="ieee")
        means0 = tl.dot(sums0, across, means0, input_precision="ieee")
        means1 = tl.dot(sums1, across, means1, input_precision="ieee")
        means2 = tl.dot(sums2, across, means2, input_precision="ieee")
        if not SOLVE:
            means3 = tl.dot(sums3, across, means3, input_precision="ieee")
            means4 = tl.dot(sums4, across, means4, input_precision="ieee")
    known = (r[:, None] < small_h) & (c[None, :] < small_w)
    at = r[:, None] * small_w + c[None, :]
    stats += 5 * n * small + at
    if SOLVE:
        to = out + 2 * n * small + at
        px = means1 - tl.load(stats, known, 0.0) * means0
        py = means2 - tl.load(stats + small, known, 0.0) * means0
        xx = tl.load(stats + 2 * small, known, 0.0)
        yy = tl.load(stats + 3 * small, known, 0.0)
        xy = tl.load(stats + 4 * small, known, 0.0)
        tl.store(to, xx * px + xy * py, known)
        tl.store(to + small, xy * px + yy * py, known)
    else:
        xx = means2 - means0 * means0 + ridge
        yy = means3 - means1 * means1 + ridge
        xy = means4 - means0 * means1
        determinant = xx * yy - xy * xy
        tl.store(stats, means0, known)
        tl.store(stats + small, means1, known)
        tl.store(stats + 2 * small, yy / determinant, known)
        tl.store(stats + 3 * small, xx / determinant, known)
        tl.store(stats + 4 * small, -xy / determinant, known)


@triton.jit
def _add(step, flow, height, width, small_h, small_w, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < height * width
    y, x = at // width, at % width
    small, size = small_h * small_w, height * width
    for part in tl.static_range(2):
        source = step + (2 * tl.program_id(1) + part) * small
        to = flow + (2 * tl.program_id(1) + part) * size + at
        more = _bilinear(source, y, x, height, width, small_h, small_w, inside)
        tl.store(to, tl.load(to, inside, 0.0) + more, inside)
