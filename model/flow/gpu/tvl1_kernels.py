"""The iterations of `model.flow.tvl1` in Triton kernels, several to a launch: the numbers of
`model.flow.gpu.tvl1_tensor`.

An iteration updates the flow, then the dual variables; a pixel needs those of its four neighbours.
A program holds a tile of the picture and a halo around it in registers. It passes values from pixel
to pixel by `tl.gather`, through shared memory or between the lanes of a warp, and writes the tile
without its halo. No pixel reads memory that another thread writes, so the order in which threads
run does not matter.

Iterations end for a pair once its flow hardly changes. That is known only when all its programs
have ended, so the next launch goes back and repeats just the iterations that were needed.
"""

from collections.abc import Mapping

import torch
import triton
import triton.language as tl
from torch import Tensor

from model.flow.gpu.cuda_graph import record_graph
from model.flow.gpu.lk_kernels import BLOCK, FUSION, cubic, on_steps
from model.flow.gpu.tvl1_tensor import EPSILON_PX, INNER, OUTER, TensorTVL1, central

MEDIANS = 64
"""Pixels per program of the median filter."""
FUSED = 5
"""Iterations per launch, and width of the halo in px: a divisor of `INNER`, at most half of it."""
TILE_ROWS, TILE_COLUMNS = 32, 64
"""Size of a tile with its halo, px: powers of two."""
WARPS = 16
"""Warps of a tile's program. With 16, each thread has enough registers for its part of the tile."""


# One number per pair and launch, read one at a time: its alignment does not change the code.
@triton.jit(do_not_specialize_on_alignment=["errors", "done", "fresh_errors", "fresh_done"])
def _iterate(  # type: ignore[no-untyped-def]
    flow,
    dual,
    older_flow,
    older_dual,
    errors,
    done,
    pictures,
    fresh_flow,
    fresh_dual,
    fresh_errors,
    fresh_done,
    count,
    height,
    width,
    theta,
    threshold,
    dual_step,
    enough,
    FUSED: tl.constexpr,
    GOING_ON: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """`FUSED` iterations of `flow` (N, 2, H, W) and `dual` (N, 2, 2, H, W; of u and v, by x and y)
    into `fresh_flow` and `fresh_dual`, for every pair that is not `done` (N).

    `errors` (FUSED, N) are the squared updates of the launch before, which began from `older_flow`
    and `older_dual`: if a pair had converged within it, that launch went too far, and this one does
    its iterations up to there again. If not `GOING_ON`, that is all that it does. `fresh_errors`
    were zero. `pictures` (N, 4, H, W) are `_warp`'s."""
    n, size = tl.program_id(2), height * width
    was_done = tl.load(done + n)
    again = 0
    for number in tl.static_range(FUSED, 0, -1):
        again = tl.where(tl.load(errors + (number - 1) * count + n) <= enough, number, again)
    steps = tl.where(again > 0, again, FUSED if GOING_ON else 0)
    steps = tl.where(was_done > 0, 0, steps)
    if (was_done == 0) & (again > 0):
        flow = older_flow
        dual = older_dual

    # The picture's part that this program sees, the halo around what it writes, and u and v.
    part = tl.arange(0, 2)[:, None, None]
    row, column = tl.arange(0, ROWS)[None, :, None], tl.arange(0, COLUMNS)[None, None, :]
    y = tl.program_id(1) * (ROWS - 2 * FUSED) - FUSED + row
    x = tl.program_id(0) * (COLUMNS - 2 * FUSED) - FUSED + column
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    own = inside & (row >= FUSED) & (row < ROWS - FUSED)
    own &= (column >= FUSED) & (column < COLUMNS - FUSED)
    both = inside & (part < 2)
    at = y * width + x
    of_flow = 2 * n * size + part * size + at
    of_dual = 4 * n * size + 2 * part * size + at
    w = tl.load(flow + of_flow, both, 0.0)
    by_x = tl.load(dual + of_dual, both, 0.0)
    by_y = tl.load(dual + of_dual + size, both, 0.0)
    pictures += 4 * n * size
    gradient = tl.load(pictures + part * size + at, both, 0.0)
    constant = tl.load(pictures + 3 * size + at, inside, 0.0)
    # Equation 15 of Zach et al. is a quotient within limits. Where the picture is flat its value
    # does not matter, because it multiplies a gradient of zero.
    inverse = 1.0 / tl.maximum(tl.load(pictures + 2 * size + at, inside, 0.0), 1e-30)
    # No slope across the picture's last column and row: dual variables there and beyond stay zero.
    step_x = tl.where(inside & (x < width - 1), dual_step, 0.0)
    step_y = tl.where(inside & (y < height - 1), dual_step, 0.0)

    # Neighbours are gathered within the tile. They are wrong at its rim, and each iteration spreads
    # the error one pixel further into the halo.
    shape: tl.constexpr = (2, ROWS, COLUMNS)
    left = tl.broadcast_to(tl.maximum(column - 1, 0), shape)
    right = tl.broadcast_to(tl.minimum(column + 1, COLUMNS - 1), shape)
    above = tl.broadcast_to(tl.maximum(row - 1, 0), shape)
    below = tl.broadcast_to(tl.minimum(row + 1, ROWS - 1), shape)
    for number in range(steps):
        rho = constant + tl.sum(gradient * w, axis=0, keep_dims=True)
        share = tl.minimum(tl.maximum(-rho * inverse, -threshold), threshold)
        across, down = by_x - tl.gather(by_x, left, 2), by_y - tl.gather(by_y, above, 1)
        fresh = w + share * gradient + theta * (across + down)
        to_x = step_x * (tl.gather(fresh, right, 2) - fresh)
        to_y = step_y * (tl.gather(fresh, below, 1) - fresh)
        scale = 1.0 / (1.0 + tl.sqrt(to_x * to_x + to_y * to_y))
        by_x = (by_x + to_x) * scale
        by_y = (by_y + to_y) * scale
        away = tl.sum(tl.where(own, (fresh - w) * (fresh - w), 0.0))
        # Only the next launch reads the sum, so the programs may add in any order.
        tl.atomic_add(fresh_errors + number * count + n, away, again == 0, sem="relaxed")
        w = fresh
    own &= part < 2
    tl.store(fresh_flow + of_flow, w, own)
    tl.store(fresh_dual + of_dual, by_x, own)
    tl.store(fresh_dual + of_dual + size, by_y, own)
    if tl.program_id(0) + tl.program_id(1) == 0:
        tl.store(fresh_done + n, tl.where(again > 0, 1, was_done))


@triton.jit
def _warp(  # type: ignore[no-untyped-def]
    first, moving, flow, pictures, height, width, BLOCK: tl.constexpr
):
    """`moving` (3, H, W), the second picture and its gradient, warped by `flow`, zero beyond the
    border: what `_iterate` takes as `pictures`."""
    n, size = tl.program_id(1), height * width
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    y, x = at // width, at % width
    u = tl.load(flow + 2 * n * size + at, inside, 0.0)
    v = tl.load(flow + (2 * n + 1) * size + at, inside, 0.0)
    place_x, place_y = on_steps(u + x), on_steps(v + y)
    whole_x, whole_y = tl.floor(place_x), tl.floor(place_y)
    share_x, share_y = place_x - whole_x, place_y - whole_y
    x0, y0 = whole_x.to(tl.int32), whole_y.to(tl.int32)
    moving += 3 * n * size
    warped = tl.zeros((BLOCK,), tl.float32)
    gx, gy = warped, warped
    for j in tl.static_range(4):
        row = y0 + j - 1
        for i in tl.static_range(4):
            column = x0 + i - 1
            there = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weight = cubic(share_y, j) * cubic(share_x, i)
            source = moving + row * width + column
            warped += weight * tl.load(source, there, 0.0)
            gx += weight * tl.load(source + size, there, 0.0)
            gy += weight * tl.load(source + 2 * size, there, 0.0)
    constant = warped - (gx * u + gy * v) - tl.load(first + n * size + at, inside, 0.0)
    to = pictures + 4 * n * size + at
    tl.store(to, gx, inside)
    tl.store(to + size, gy, inside)
    tl.store(to + 2 * size, gx * gx + gy * gy, inside)
    tl.store(to + 3 * size, constant, inside)


@triton.jit(do_not_specialize_on_alignment=["done"])
def _median(flow, done, out, height, width, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """5 × 5 medians of both parts of `flow`, its border repeated, of every pair that is not `done`:
    the value that at most 12 of the 25 are below, and more than 12 are not above."""
    n, size = tl.program_id(1), height * width
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    y, x = at // width, at % width
    going = tl.load(done + n) == 0
    k = tl.arange(0, 32)[None, :]
    row = tl.minimum(tl.maximum(y[:, None] + k // 5 - 2, 0), height - 1)
    column = tl.minimum(tl.maximum(x[:, None] + k % 5 - 2, 0), width - 1)
    there = inside[:, None] & (k < 25)
    for part in tl.static_range(2):
        source = flow + (2 * n + part) * size
        middle = tl.load(source + at, inside, 0.0)
        if going:
            near = tl.load(source + row * width + column, there, 0.0)
            below = tl.zeros((BLOCK, 32), tl.int32)
            not_above = tl.zeros((BLOCK, 32), tl.int32)
            for m in range(25):
                row_m = tl.minimum(tl.maximum(y + m // 5 - 2, 0), height - 1)
                column_m = tl.minimum(tl.maximum(x + m % 5 - 2, 0), width - 1)
                other = tl.load(source + row_m * width + column_m, inside, 0.0)[:, None]
                below += (other < near).to(tl.int32)
                not_above += (other <= near).to(tl.int32)
            median = there & (below <= 12) & (not_above > 12)
            middle = tl.max(tl.where(median, near, float("-inf")), axis=1)
        tl.store(out + (2 * n + part) * size + at, middle, inside)


class TritonTVL1:
    """`model.flow.gpu.gpu_flow.TensorFlow` for `count` pairs of one size on one device. The next
    call overwrites its answer. After every `INNER` iterations it waits to see whether all pairs
    have converged."""

    def __init__(
        self,
        parameters: Mapping[str, float],
        shape: tuple[int, int],
        count: int,
        device: str,
        fused: int = FUSED,
    ) -> None:
        """As `model.flow.gpu.tvl1_tensor.TensorTVL1`, for batches of `count`; `fused` as
        `FUSED`."""
        self._plan = TensorTVL1(parameters, shape, device)
        self._scales = [
            _Scale(each, count, self._plan, device, fused) for each in self._plan.shapes
        ]

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Two stacks (N, H, W) float32 grey 0 to 255 → (N, 2, H, W) px."""
        with torch.cuda.device_of(first):  # type: ignore[no-untyped-call]  # where Triton launches
            return self._solve(first, second)

    def _solve(self, first: Tensor, second: Tensor) -> Tensor:
        firsts, seconds = self._plan.pyramids(first, second)
        coarsest = self._scales[-1]
        coarsest.flow.zero_()
        for number in reversed(range(len(self._scales))):
            scale = self._scales[number]
            scale.begin(firsts[number], seconds[number])
            for _ in range(self._plan.warps):
                scale.warp()
                for _ in range(OUTER):
                    if not scale.iterate():
                        break
            if number > 0:
                finer = self._scales[number - 1]
                finer.flow.copy_(self._plan.enlarge(scale.flow, number))
        return self._scales[0].flow


class _Scale:
    """One scale: its memory and its launches."""

    def __init__(
        self, shape: tuple[int, int], count: int, plan: TensorTVL1, device: str, fused: int
    ) -> None:
        self._shape = height, width = shape
        self._fused = fused
        self._grid = (triton.cdiv(height * width, BLOCK), count)
        self._medians = (triton.cdiv(height * width, MEDIANS), count)
        self._tiles = (
            triton.cdiv(width, TILE_COLUMNS - 2 * fused),
            triton.cdiv(height, TILE_ROWS - 2 * fused),
            count,
        )
        enough = EPSILON_PX**2 * height * width
        self._numbers = plan.theta, plan.step, plan.dual_step, enough
        self._first = torch.zeros(count, height, width, device=device)
        self._moving = torch.zeros(count, 3, height, width, device=device)
        self._pictures = torch.zeros(count, 4, height, width, device=device)
        # The state between graphs is number 0 of each; of the others a launch reads two, the last
        # and the one before, and writes the third.
        # Not slices of one: Triton compiles a kernel anew for each alignment that it is given.
        self._flows = [torch.zeros(count, 2, height, width, device=device) for _ in range(4)]
        self._duals = [torch.zeros(count, 4, height, width, device=device) for _ in range(4)]
        self._errors = torch.zeros(INNER // fused + 1, fused, count, device=device)
        self._errors[0] = torch.inf
        self._done = torch.zeros(INNER // fused + 2, count, dtype=torch.int32, device=device)
        self.flow = self._flows[0]
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.startswith("cuda"):
            self._graph = self._record(device)

    def begin(self, first: Tensor, second: Tensor) -> None:
        self._first.copy_(first)
        self._moving[:, 0].copy_(second)
        for part, slope in enumerate(central(second)):
            self._moving[:, 1 + part].copy_(slope)
        self._duals[0].zero_()

    def warp(self) -> None:
        maps = self._first, self._moving, self.flow, self._pictures
        _warp[self._grid](*maps, *self._shape, BLOCK, **FUSION)
        self._done[-1].zero_()

    def iterate(self) -> bool:
        """Run a median and `INNER` iterations for every pair that has not converged. Returns
        whether some pair still has not."""
        if self._graph is None:
            self._launch()
        else:
            self._graph.replay()
        return not bool(self._done[-1].all())

    def _launch(self) -> None:
        flows, duals, errors, done = self._flows, self._duals, self._errors, self._done
        done[0].copy_(done[-1])
        errors[1:].zero_()
        _median[self._medians](flows[0], done[0], flows[3], *self._shape, MEDIANS, **FUSION)
        launches = INNER // self._fused
        now = older = (flows[3], duals[0])
        for number in range(launches + 1):
            going_on = number < launches
            to = 1 + number % 3 if going_on else 0
            fresh = flows[to], duals[to]
            # The last launch writes no errors.
            fresh_errors = errors[number + 1] if going_on else errors[number]
            _iterate[self._tiles](
                *(*now, *older, errors[number], done[number], self._pictures),
                *(*fresh, fresh_errors, done[number + 1], len(done[0])),
                *(*self._shape, *self._numbers, self._fused, going_on, TILE_ROWS, TILE_COLUMNS),
                num_warps=WARPS,
                **FUSION,
            )
            now, older = fresh, now

    def _record(self, device: str) -> torch.cuda.CUDAGraph:
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        torch.cuda.current_stream(device).synchronize()
        with torch.cuda.device(device), torch.cuda.stream(stream):
            self._launch()  # compiles the kernels, which cannot happen while recording
        stream.synchronize()
        with record_graph(stream, device) as graph:
            self._launch()
        return graph
