"""What `test_flow_device` runs in a process of its own: Triton's kernels without a GPU.

python tests/kernels.py interpret      (with TRITON_INTERPRET=1) the numbers of Lucas–Kanade
python tests/kernels.py fused          (with it) those of TV-L1, several iterations to a launch
python tests/kernels.py compile        machine code for GPUs from Turing to Blackwell
"""

import sys
from typing import Any

import numpy as np
import torch
import triton
from test_flow_device import pairs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from model.flow import lk_kernels as lk
from model.flow import load_flow
from model.flow import tvl1_kernels as tvl1
from model.flow.lk_tensor import TensorLucasKanade
from model.flow.tvl1_tensor import TensorTVL1

CASES: tuple[tuple[tuple[int, int], int, dict[str, float]], ...] = (
    ((20, 21), 2, {}),
    ((16, 25), 1, {"levels": 1}),
    ((32, 32), 1, {"sigma_px": 16, "iterations": 1}),  # windows of pooled pixels
)
FUSED_CASES: tuple[tuple[tuple[int, int], int, int, dict[str, float]], ...] = (
    ((28, 28), 2, tvl1.FUSED, {"scales": 1, "warps": 1, "theta": 0.1}),
    ((28, 55), 1, 6, {"scales": 1, "warps": 1}),  # tiles in both directions
    ((21, 26), 1, 3, {"scales": 2, "warps": 1}),
    ((16, 16), 1, 1, {"scales": 1, "warps": 1}),
)
CAPABILITIES = (75, 80, 90, 120)
WHOLE = {"count", "height", "width", "begun_h", "begun_w", "small_h", "small_w"}
REAL = {"ridge", "theta", "threshold", "dual_step", "enough"}
WHOLE_ARRAYS = {"row_begin", "column_begin", "done", "fresh_done"}
TILE = {"FUSED": tvl1.FUSED, "ROWS": tvl1.ROWS, "COLUMNS": tvl1.COLUMNS}
WINDOW = {"ROW_BLOCKS": 4, "COLUMN_BLOCKS": 4, "TILE": lk.TILE}
KERNELS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (lk._halve, {"BLOCK": lk.BLOCK}),
    (lk._gradients, {"BLOCK": lk.BLOCK}),
    (lk._warp, {"STILL": True, "FIRST": True, "BLOCK": lk.BLOCK}),
    (lk._warp, {"STILL": False, "FIRST": True, "BLOCK": lk.BLOCK}),
    (lk._warp, {"STILL": False, "FIRST": False, "BLOCK": lk.BLOCK}),
    (lk._window, {"SOLVE": False, **WINDOW}),
    (lk._window, {"SOLVE": True, **WINDOW}),
    (lk._add, {"BLOCK": lk.BLOCK}),
    (tvl1._warp, {"BLOCK": tvl1.BLOCK}),
    (tvl1._median, {"BLOCK": tvl1.MEDIANS}),
    (tvl1._iterate, {"GOING_ON": True, **TILE}),
    (tvl1._iterate, {"GOING_ON": False, **TILE}),
)


def interpret() -> None:
    """Against the flows on tensors, which are tested against OpenCV."""
    torch.set_num_threads(1)
    for shape, count, parameters in CASES:
        flow = load_flow("lk", **parameters)
        first, second = (torch.from_numpy(each) for each in pairs(shape, count))
        expected = TensorLucasKanade(flow.parameters, shape, "cpu")(first, second)
        found = lk.TritonLucasKanade(flow.parameters, shape, count, "cpu")(first, second)
        away = (found - expected).abs()
        assert away.mean() < 1e-5, (shape, parameters, away.mean())
        assert away.max() < 2 / 32, (shape, parameters, away.max())
        flat = torch.full_like(first, 255.0)
        solve = lk.TritonLucasKanade(flow.parameters, shape, count, "cpu")
        assert solve(flat, flat).abs().max() == 0
        assert solve(first, flat).isfinite().all()


def fused() -> None:
    """Against TV-L1 on tensors, which is tested against OpenCV."""
    torch.set_num_threads(1)
    for shape, count, number, parameters in FUSED_CASES:
        first, second = pairs(shape, count)
        if count > 1:
            second[-1] = first[-1]  # has nothing to find and is done before the others
        _same_iterations(first, second, number, parameters)
    noise = np.random.default_rng(3).integers(0, 256, (1, 12, 13)).astype(np.float32)
    flat = np.full_like(noise, 255)
    burnt = np.where(noise > 128, np.float32(255), np.float32(0))
    for first, second in ((flat, flat), (noise, flat), (burnt, noise)):
        _same_iterations(first, second, tvl1.FUSED, {"scales": 1, "warps": 1})


def _same_iterations(first: Any, second: Any, number: int, parameters: dict[str, float]) -> None:
    flow, (count, *shape) = load_flow("tvl1", **parameters), first.shape
    given = torch.from_numpy(first), torch.from_numpy(second)
    expected = TensorTVL1(flow.parameters, (shape[0], shape[1]), "cpu")(*given)
    solve = tvl1.TritonTVL1(flow.parameters, (shape[0], shape[1]), count, "cpu", number)
    found = solve(*given)
    assert (found - expected).abs().max() < 1e-4, (shape, number, (found - expected).abs().max())


def compile_for_gpus() -> None:
    """To machine code, which needs the compiler but no GPU."""
    for kernel, constants in KERNELS:
        types = {argument: _type(argument, constants) for argument in kernel.arg_names}
        values = {(kernel.arg_names.index(each),): value for each, value in constants.items()}
        source = ASTSource(fn=kernel, signature=types, constexprs=values)
        for capability in CAPABILITIES:
            target = GPUTarget("cuda", capability, 32)
            options = {"num_warps": tvl1.WARPS} if kernel is tvl1._iterate else {}
            built = triton.compile(source, target=target, options=options)
            assert built.asm["cubin"], (kernel, capability)


def _type(argument: str, constants: dict[str, Any]) -> str:
    if argument in constants:
        return "constexpr"
    if argument in WHOLE:
        return "i32"
    if argument in REAL:
        return "fp32"
    return "*i32" if argument in WHOLE_ARRAYS else "*fp32"


if __name__ == "__main__":
    {"interpret": interpret, "fused": fused, "compile": compile_for_gpus}[sys.argv[1]]()
