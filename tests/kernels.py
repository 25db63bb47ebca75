"""What `test_flow_device` runs in a process of its own: Triton's kernels without a GPU.

python tests/kernels.py interpret      (with TRITON_INTERPRET=1) their numbers
python tests/kernels.py compile        machine code for GPUs from Turing to Blackwell
"""

import sys
from typing import Any

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
CAPABILITIES = (75, 80, 90, 120)
WHOLE = {"count", "height", "width", "begun_h", "begun_w", "small_h", "small_w"}
REAL = {"ridge", "theta", "threshold", "dual_step", "enough"}
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
    (tvl1._median, {"BLOCK": tvl1.BLOCK}),
    (tvl1._iterate, {"BLOCK": tvl1.BLOCK}),
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
    flow = load_flow("tvl1", scales=1, warps=1)
    first, second = (torch.from_numpy(each) for each in pairs((16, 16), 1))
    expected = TensorTVL1(flow.parameters, (16, 16), "cpu")(first, second)
    found = tvl1.TritonTVL1(flow.parameters, (16, 16), 1, "cpu")(first, second)
    assert (found - expected).abs().max() < 1e-4


def compile_for_gpus() -> None:
    """To machine code, which needs the compiler but no GPU."""
    for kernel, constants in KERNELS:
        types = {argument: _type(argument, constants) for argument in kernel.arg_names}
        values = {(kernel.arg_names.index(each),): value for each, value in constants.items()}
        source = ASTSource(fn=kernel, signature=types, constexprs=values)
        for capability in CAPABILITIES:
            built = triton.compile(source, target=GPUTarget("cuda", capability, 32))
            assert built.asm["cubin"], (kernel, capability)


def _type(argument: str, constants: dict[str, Any]) -> str:
    if argument in constants:
        return "constexpr"
    if argument in WHOLE:
        return "i32"
    if argument in REAL:
        return "fp32"
    return "*i32" if argument in ("row_begin", "column_begin") else "*fp32"


if __name__ == "__main__":
    {"interpret": interpret, "compile": compile_for_gpus}[sys.argv[1]]()
