"""The iterations of `model.flow.tvl1` as one Triton kernel each: the numbers of
`model.flow.tvl1_tensor` in a fortieth of its launches.

An iteration moves the flow to where brightness and smoothness agree better, and the dual variables
after it. The new dual variables of a pixel need the new flow of its right and lower neighbours, so
each is computed by both of them: three times the arithmetic, of which there is little, for half the
launches. A pair that has converged is passed through unchanged.
"""

from collections.abc import Mapping

import torch
import triton
import triton.language as tl
from torch import Tensor

from model.flow.lk_kernels import cubic, whole_steps
from model.flow.tvl1_tensor import EPSILON_PX, INNER, OUTER, TensorTVL1, central

BLOCK = 256
"""Pixels of a program."""


@triton.jit
def _moved(  # type: ignore[no-untyped-def]
    flow,
    dual,
    pictures,
    y,
    x,
    height,
    width,
    inside,
    theta,
    threshold,
):
    """The flow (u, v) of the pixels (y, x) one iteration on. `flow` is (2, H, W), `dual` (2, 2, H,
    W), `pictures` (4, H, W): gradient by x and y, its square, the constant part of the residual."""
    size = height * width
    at = y * width + x
    u = tl.load(flow + at, inside, 0.0)
    v = tl.load(flow + size + at, inside, 0.0)
    gx = tl.load(pictures + at, inside, 0.0)
    gy = tl.load(pictures + size + at, inside, 0.0)
    square = tl.load(pictures + 2 * size + at, inside, 0.0)
    rho = tl.load(pictures + 3 * size + at, inside, 0.0) + (gx * u + gy * v)
    least = threshold * square
    textured = square > 1.1920929e-07
    exact = tl.where(textured, -rho / tl.where(textured, square, 1.0), 0.0)
    share = tl.where(rho < -least, threshold, tl.where(rho > least, -threshold, exact))
    left, above = inside & (x > 0), inside & (y > 0)
    across = tl.load(dual + at, inside, 0.0) - tl.load(dual + at - 1, left, 0.0)
    down = tl.load(dual + size + at, inside, 0.0) - tl.load(dual + size + at - width, above, 0.0)
    fresh_u = u + share * gx + theta * (across + down)
    dual += 2 * size
    across = tl.load(dual + at, inside, 0.0) - tl.load(dual + at - 1, left, 0.0)
    down = tl.load(dual + size + at, inside, 0.0) - tl.load(dual + size + at - width, above, 0.0)
    fresh_v = v + share * gy + theta * (across + down)
    return u, v, fresh_u, fresh_v


@triton.jit
def _iterate(  # type: ignore[no-untyped-def]
    flow,
    dual,
    pictures,
    errors,
    fresh_flow,
    fresh_dual,
    fresh_errors,
    height,
    width,
    theta,
    threshold,
    dual_step,
    enough,
    BLOCK: tl.constexpr,
):
    """One iteration of every pair that `errors` (N), the squared updates of the last one, do not
    call converged; `fresh_errors` (N) are those of this one, and were zero. A converged pair keeps
    its error."""
    n, size = tl.program_id(1), height * width
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    y, x = at // width, at % width
    flow += 2 * n * size
    dual += 4 * n * size
    pictures += 4 * n * size
    fresh_flow += 2 * n * size + at
    fresh_dual += 4 * n * size + at
    before = tl.load(errors + n)
    if before > enough:
        u, v, fresh_u, fresh_v = _moved(
            flow, dual, pictures, y, x, height, width, inside, theta, threshold
        )
        right, below = inside & (x < width - 1), inside & (y < height - 1)
        _, _, right_u, right_v = _moved(
            flow, dual, pictures, y, x + 1, height, width, right, theta, threshold
        )
        _, _, below_u, below_v = _moved(
            flow, dual, pictures, y + 1, x, height, width, below, theta, threshold
        )
        tl.store(fresh_flow, fresh_u, inside)
        tl.store(fresh_flow + size, fresh_v, inside)
        for part in tl.static_range(2):
            here = fresh_u if part == 0 else fresh_v
            by_x = tl.where(right, (right_u if part == 0 else right_v) - here, 0.0)
            by_y = tl.where(below, (below_u if part == 0 else below_v) - here, 0.0)
            scale = 1.0 + dual_step * tl.sqrt(by_x * by_x + by_y * by_y)
            to, source = fresh_dual + 2 * part * size, dual + 2 * part * size + at
            p = (tl.load(source, inside, 0.0) + dual_step * by_x) / scale
            q = (tl.load(source + size, inside, 0.0) + dual_step * by_y) / scale
            tl.store(to, p, inside)
            tl.store(to + size, q, inside)
        away = (fresh_u - u) * (fresh_u - u) + (fresh_v - v) * (fresh_v - v)
        tl.atomic_add(fresh_errors + n, tl.sum(tl.where(inside, away, 0.0)))
    else:
        for part in tl.static_range(2):
            tl.store(fresh_flow + part * size, tl.load(flow + part * size + at, inside), inside)
        for part in tl.static_range(4):
            tl.store(fresh_dual + part * size, tl.load(dual + part * size + at, inside), inside)
        if tl.program_id(0) == 0:
            tl.store(fresh_errors + n, before)


@triton.jit
def _warp(  # type: ignore[no-untyped-def]
    first,
    moving,
    flow,
    pictures,
    height,
    width,
    BLOCK: tl.constexpr,
):
    """`moving` (3, H, W), the second picture and its gradient, warped by `flow`, zero beyond the
    border: what `_moved` takes as `pictures`."""
    n, size = tl.program_id(1), height * width
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    y, x = at // width, at % width
    u = tl.load(flow + 2 * n * size + at, inside, 0.0)
    v = tl.load(flow + (2 * n + 1) * size + at, inside, 0.0)
    place_x, place_y = whole_steps(u + x), whole_steps(v + y)
    whole_x, whole_y = tl.floor(place_x / 32.0), tl.floor(place_y / 32.0)
    share_x, share_y = place_x / 32.0 - whole_x, place_y / 32.0 - whole_y
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


@triton.jit
def _median(flow, errors, out, height, width, enough, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """5 × 5 medians of both parts of `flow`, its border repeated, of every pair that has not
    converged: the value that at most 12 of the 25 are below, and more than 12 are not above."""
    n, size = tl.program_id(1), height * width
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    y, x = at // width, at % width
    going = tl.load(errors + n) > enough
    for part in tl.static_range(2):
        source = flow + (2 * n + part) * size
        middle = tl.load(source + at, inside, 0.0)
        if going:
            for k in range(25):
                row = tl.minimum(tl.maximum(y + k // 5 - 2, 0), height - 1)
                column = tl.minimum(tl.maximum(x + k % 5 - 2, 0), width - 1)
                value = tl.load(source + row * width + column, inside, 0.0)
                below = tl.zeros((BLOCK,), tl.int32)
                not_above = tl.zeros((BLOCK,), tl.int32)
                for m in range(25):
                    row = tl.minimum(tl.maximum(y + m // 5 - 2, 0), height - 1)
                    column = tl.minimum(tl.maximum(x + m % 5 - 2, 0), width - 1)
                    other = tl.load(source + row * width + column, inside, 0.0)
                    below += (other < value).to(tl.int32)
                    not_above += (other <= value).to(tl.int32)
                middle = tl.where((below <= 12) & (not_above > 12), value, middle)
        tl.store(out + (2 * n + part) * size + at, middle, inside)


class TritonTVL1:
    """`model.flow.device.TensorFlow` for `count` pairs of one size on one device. Its answer lies
    in a buffer that the next call overwrites. Once per `INNER` iterations it waits to see whether
    all pairs have converged."""

    def __init__(
        self, parameters: Mapping[str, float], shape: tuple[int, int], count: int, device: str
    ) -> None:
        """As `model.flow.tvl1_tensor.TensorTVL1`, for batches of `count`."""
        self._plan = TensorTVL1(parameters, shape, device)
        self._scales = [_Scale(each, count, self._plan, device) for each in self._plan.shapes]

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Two stacks (N, H, W) float32 grey 0 to 255 → (N, 2, H, W) px."""
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
                finer.flow.copy_(self._plan.enlarged(scale.flow, number))
        return self._scales[0].flow


class _Scale:
    """One scale in memory, and what is launched on it."""

    def __init__(self, shape: tuple[int, int], count: int, plan: TensorTVL1, device: str) -> None:
        self._shape = height, width = shape
        self._grid = (triton.cdiv(height * width, BLOCK), count)
        self._numbers = plan.theta, plan.step, plan.dual_step
        self._enough = EPSILON_PX**2 * height * width
        self._first = torch.zeros(count, height, width, device=device)
        self._moving = torch.zeros(count, 3, height, width, device=device)
        self._pictures = torch.zeros(count, 4, height, width, device=device)
        self._flows = torch.zeros(2, count, 2, height, width, device=device)
        self._duals = torch.zeros(2, count, 4, height, width, device=device)
        self._errors = torch.zeros(INNER + 1, count, device=device)
        self.flow = self._flows[0]
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.startswith("cuda"):
            self._graph = self._recorded(device)

    def begin(self, first: Tensor, second: Tensor) -> None:
        self._first.copy_(first)
        self._moving[:, 0].copy_(second)
        for part, slope in enumerate(central(second)):
            self._moving[:, 1 + part].copy_(slope)
        self._duals[0].zero_()

    def warp(self) -> None:
        _warp[self._grid](self._first, self._moving, self.flow, self._pictures, *self._shape, BLOCK)
        self._errors[INNER].fill_(torch.inf)

    def iterate(self) -> bool:
        """A median and `INNER` iterations of every pair that has not converged; whether one still
        has not."""
        if self._graph is None:
            self._launch()
        else:
            self._graph.replay()
        return bool((self._errors[INNER] > self._enough).any())

    def _launch(self) -> None:
        errors = self._errors
        errors[0].copy_(errors[INNER])
        errors[1:].zero_()
        _median[self._grid](
            self._flows[0], errors[0], self._flows[1], *self._shape, self._enough, BLOCK
        )
        self._flows[0].copy_(self._flows[1])
        for number in range(INNER):
            now, then = number % 2, 1 - number % 2
            _iterate[self._grid](
                *(self._flows[now], self._duals[now], self._pictures, errors[number]),
                *(self._flows[then], self._duals[then], errors[number + 1]),
                *(*self._shape, *self._numbers, self._enough, BLOCK),
            )

    def _recorded(self, device: str) -> torch.cuda.CUDAGraph:
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(device)
        with torch.cuda.device(device), torch.cuda.stream(stream):
            self._launch()  # compiles the kernels, which no graph can
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with (
            torch.cuda.device(device),
            torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
        ):
            self._launch()
        return graph
