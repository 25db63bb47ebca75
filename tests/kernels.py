"""Triton's kernels without a GPU; what `test_flow_device` runs of it has a process of its own.

python tests/kernels.py interpret      (with TRITON_INTERPRET=1) the numbers of Lucas–Kanade
python tests/kernels.py fused          (with it) those of TV-L1, several iterations to a launch
python tests/kernels.py odd            (with it) both at an odd size of many tiles
python tests/kernels.py sizes          (with it) both at all sizes, an hour, in no test: `sizes 512`
                                       those with a side of 512 px
python tests/kernels.py compile        machine code for GPUs from Turing to Blackwell that fits them
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import triton
from test_flow_gpu_device import pairs
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from model.flow import load_flow
from model.flow.gpu import lk_kernels as lk
from model.flow.gpu import tvl1_kernels as tvl1
from model.flow.gpu.lk_tensor import TensorLucasKanade
from model.flow.gpu.tvl1_tensor import TensorTVL1

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
ODD = (45, 113)
SIZES = (
    *(((28, 28), 16), ((33, 47), 3), ((127, 129), 1), ((128, 128), 16), ((224, 224), 2)),
    *(((257, 511), 1), ((512, 512), 1)),
)
FEW = {"scales": 1, "warps": 1}  # what a size changes is where things lie, not how often
CAPABILITIES = (75, 80, 90, 120)
SHARED_BYTES, REGISTERS = 48 * 1024, 64 * 1024
"""Of a block on every one of them, without being asked for more."""
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
        first, second = (torch.from_numpy(each) for each in pairs(shape, count))
        _same_windows(first, second, parameters)
        flat = torch.full_like(first, 255.0)
        solve = lk.TritonLucasKanade(load_flow("lk", **parameters).parameters, shape, count, "cpu")
        assert solve(flat, flat).abs().max() == 0
        assert solve(first, flat).isfinite().all()


def _same_windows(first: Tensor, second: Tensor, parameters: dict[str, float]) -> None:
    flow, (count, height, width) = load_flow("lk", **parameters), first.shape
    expected = TensorLucasKanade(flow.parameters, (height, width), "cpu")(first, second)
    found = lk.TritonLucasKanade(flow.parameters, (height, width), count, "cpu")(first, second)
    away = (found - expected).abs()
    assert away.mean() < 1e-5, (first.shape, parameters, away.mean())
    assert away.max() < 2 / 32, (first.shape, parameters, away.max())


def odd() -> None:
    """Both flows on a picture that no tile and no block divides."""
    torch.set_num_threads(1)
    _large_blocks()
    first, second = (torch.from_numpy(each) for each in pairs(ODD, 1))
    _same_windows(first, second, {"levels": 1, "iterations": 1})
    _same_iterations(first, second, tvl1.FUSED, {**FEW, "theta": 0.1})


def sizes(wanted: str = "") -> None:
    """Both flows on pictures of 28 to 512 px, one to sixteen at a time: moved and in noise, flat,
    and saturated against noise."""
    torch.set_num_threads(1)
    _large_blocks()
    for shape, count in SIZES:
        if wanted and int(wanted) not in shape:
            continue
        first, second = (torch.from_numpy(each) for each in pairs(shape, count))
        flat, burnt = torch.full_like(first, 255.0), torch.where(first > 128, 255.0, 0.0)
        for what, one, other in (
            ("moved", first, second),
            ("flat", flat, flat),
            ("saturated", burnt, second),
        ):
            if what != "moved" and count > 2:
                continue
            start_s = time.perf_counter()
            _same_windows(one, other, {})
            middle_s = time.perf_counter()
            _same_iterations(one, other, tvl1.FUSED, FEW)
            took = f"lk {middle_s - start_s:.0f} s, tvl1 {time.perf_counter() - middle_s:.0f} s"
            print(f"{count} × {shape[0]}×{shape[1]}, {what}: the same ({took})", flush=True)


def _large_blocks() -> None:
    """Blocks of pixels that see nothing of one another may be of any size, and the interpreter
    takes its time by the block. Tiles stay as they are."""
    lk.BLOCK = tvl1.BLOCK = 4096
    tvl1.MEDIANS = 2048


def fused() -> None:
    """Against TV-L1 on tensors, which is tested against OpenCV."""
    torch.set_num_threads(1)
    for place, (shape, count, number, parameters) in enumerate(FUSED_CASES):
        if place == 1:
            _large_blocks()  # the first has several of those that there are
        first, second = (torch.from_numpy(each) for each in pairs(shape, count))
        if count > 1:
            second[-1] = first[-1]  # has nothing to find and is done before the others
        _same_iterations(first, second, number, parameters)
    noise = torch.randint(0, 256, (1, 12, 13), generator=torch.Generator().manual_seed(3)).float()
    flat, burnt = torch.full_like(noise, 255.0), torch.where(noise > 128, 255.0, 0.0)
    for first, second in ((flat, flat), (noise, flat), (burnt, noise)):
        _same_iterations(first, second, tvl1.FUSED, {"scales": 1, "warps": 1})


def _same_iterations(
    first: Tensor, second: Tensor, number: int, parameters: dict[str, float]
) -> None:
    flow, (count, height, width) = load_flow("tvl1", **parameters), first.shape
    expected = TensorTVL1(flow.parameters, (height, width), "cpu")(first, second)
    solve = tvl1.TritonTVL1(flow.parameters, (height, width), count, "cpu", number)
    away = (solve(first, second) - expected).abs().max()
    assert away < 1e-4, (first.shape, number, away)


def compile_for_gpus() -> None:
    """To machine code, which needs the compiler but no GPU: for any sizes and, as Triton does at a
    call, with the number of pairs known to be one and the rest multiples of 16."""
    for kernel, constants in KERNELS:
        for capability in CAPABILITIES:
            _compiled(kernel, constants, capability, {})
        known = {**constants, **({"count": 1} if "count" in kernel.arg_names else {})}
        even = {
            (place,): [["tt.divisibility", 16]]
            for place, argument in enumerate(kernel.arg_names)
            if argument not in known and argument not in REAL
        }
        _compiled(kernel, known, 90, even)


def _compiled(kernel: Any, constants: dict[str, Any], capability: int, given: Any) -> None:
    types = {argument: _type(argument, constants) for argument in kernel.arg_names}
    values = {(kernel.arg_names.index(each),): value for each, value in constants.items()}
    source = ASTSource(fn=kernel, signature=types, constexprs=values, attrs=given)
    options = {"num_warps": tvl1.WARPS} if kernel is tvl1._iterate else {}
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    what = (kernel.fn.__name__, constants, capability)
    assert built.metadata.shared <= SHARED_BYTES, (what, built.metadata.shared)
    registers, spilled = _resources(built.asm["cubin"])
    assert registers * 32 * built.metadata.num_warps <= REGISTERS, (what, registers)
    assert spilled == 0, (what, spilled)


def _resources(cubin: bytes) -> tuple[int, int]:
    """Registers of a thread, and bytes that it keeps in memory because those do not suffice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {name: int(value) for name, value in re.findall(r"(REG|STACK|LOCAL):(\d+)", said)}
    return found["REG"], found["STACK"] + found["LOCAL"]


def _type(argument: str, constants: dict[str, Any]) -> str:
    if argument in constants:
        return "constexpr"
    if argument in WHOLE:
        return "i32"
    if argument in REAL:
        return "fp32"
    return "*i32" if argument in WHOLE_ARRAYS else "*fp32"


if __name__ == "__main__":
    parts = {"interpret": interpret, "fused": fused, "odd": odd, "sizes": sizes}
    {**parts, "compile": compile_for_gpus}[sys.argv[1]](*sys.argv[2:])
