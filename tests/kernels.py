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

from model.flow import lk_kernels as kernels
from model.flow import load_flow
from model.flow.lk_tensor import TensorLucasKanade

CASES: tuple[tuple[tuple[int, int], int, dict[str, float]], ...] = (
    ((28, 28), 2, {}),
    ((17, 31), 1, {"levels": 1}),
    ((32, 33), 1, {"sigma_px": 16, "iterations": 1}),  # windows of pooled pixels
)
CAPABILITIES = (75, 80, 90, 120)
POINTERS = {"pictures", "out", "gradients", "begun", "step", "flow", "residual", "stats"} | {
    "rows",
    "columns",
}
WINDOW = {"ROW_BLOCKS": 4, "COLUMN_BLOCKS": 4, "TILE": kernels.TILE}
KERNELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("_halve", {"BLOCK": kernels.BLOCK}),
    ("_gradients", {"BLOCK": kernels.BLOCK}),
    ("_warp", {"STILL": True, "FIRST": True, "BLOCK": kernels.BLOCK}),
    ("_warp", {"STILL": False, "FIRST": True, "BLOCK": kernels.BLOCK}),
    ("_warp", {"STILL": False, "FIRST": False, "BLOCK": kernels.BLOCK}),
    ("_window", {"SOLVE": False, **WINDOW}),
    ("_window", {"SOLVE": True, **WINDOW}),
    ("_add", {"BLOCK": kernels.BLOCK}),
)


def interpret() -> None:
    """Against `TensorLucasKanade`, which is tested against OpenCV."""
    torch.set_num_threads(1)
    for shape, count, parameters in CASES:
        flow = load_flow("lk", **parameters)
        first, second = (torch.from_numpy(each) for each in pairs(shape, count))
        expected = TensorLucasKanade(flow.parameters, shape, "cpu")(first, second)
        found = kernels.TritonLucasKanade(flow.parameters, shape, count, "cpu")(first, second)
        away = (found - expected).abs()
        assert away.mean() < 1e-5, (shape, parameters, away.mean())
        assert away.max() < 2 / 32, (shape, parameters, away.max())
        flat = torch.full_like(first, 255.0)
        solve = kernels.TritonLucasKanade(flow.parameters, shape, count, "cpu")
        assert solve(flat, flat).abs().max() == 0
        assert solve(first, flat).isfinite().all()


def compile_for_gpus() -> None:
    """To machine code, which needs the compiler but no GPU."""
    for name, constants in KERNELS:
        kernel = getattr(kernels, name)
        types = {argument: _type(argument, constants) for argument in kernel.arg_names}
        values = {(kernel.arg_names.index(each),): value for each, value in constants.items()}
        source = ASTSource(fn=kernel, signature=types, constexprs=values)
        for capability in CAPABILITIES:
            built = triton.compile(source, target=GPUTarget("cuda", capability, 32))
            assert built.asm["cubin"], (name, capability)


def _type(argument: str, constants: dict[str, Any]) -> str:
    if argument in constants:
        return "constexpr"
    if argument in POINTERS:
        return "*fp32"
    if argument in ("row_begin", "column_begin"):
        return "*i32"
    return "fp32" if argument == "ridge" else "i32"


if __name__ == "__main__":
    {"interpret": interpret, "compile": compile_for_gpus}[sys.argv[1]]()
