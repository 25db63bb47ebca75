"""Triton's kernels without a GPU; what `test_flow_gpu_gpu_flow` runs has a process of its own.

python tests/kernels.py interpret      (with TRITON_INTERPRET=1) the numbers of Lucas–Kanade
python tests/kernels.py fused          (with it) those of TV-L1, several iterations to a launch
python tests/kernels.py odd            (with it) both at an odd size of many tiles
python tests/kernels.py sizes          (with it) both at all sizes, an hour, in no test: `sizes 512`
                                       those with a side of 512 px
python tests/kernels.py compile        machine code that fits GPUs from Turing to Blackwell, as a
                                       table; a minute each: `compile 90` for Hopper alone
python tests/kernels.py launches       launches of a call, beside the operations of PyTorch's form:
                                       `launches 64` those at 64²
"""

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import triton
from test_flow_gpu_gpu_flow import pairs
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import CUDABackend
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction, create_function_from_signature

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
CAPABILITIES = (75, 80, 86, 89, 90, 100, 120)
SHARED_BYTES, REGISTERS = 48 * 1024, 64 * 1024
"""Of a block on every one of them, without being asked for more."""
STACK_BYTES = 8
"""Of a thread's own memory; more would be registers that did not suffice."""
COMPILED = (((224, 224), 2), (ODD, 1))
"""Sizes and pairs: one that Triton knows to be even, and one of which it knows nothing."""


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
    # A coordinate on the edge of 1/32 px falls to the other side on some processors, and its
    # window carries some of that to its neighbours: few pixels, that much.
    case = (first.shape, parameters, away.median(), away.max())
    assert away.median() < 1e-6, case
    assert (away > 1e-3).float().mean() < 0.05, case
    assert away.max() < 2 / 32, case


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


class Launch(NamedTuple):
    """A kernel as a call of it is compiled."""

    kernel: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def whole(self) -> tuple[Any, ...]:
        """Its arguments but for tensors: what is the same at each such launch."""
        return tuple(each for each in self.arguments if not isinstance(each, Tensor))

    def source(self, capability: int) -> tuple[ASTSource, dict[str, Any]]:
        """What Triton compiles for this launch, with its options; as `JITFunction.run` does."""
        backend = CUDABackend(GPUTarget("cuda", capability, 32))
        bind = create_function_from_signature(self.kernel.signature, self.kernel.params, backend)
        bound, special, _ = bind(*self.arguments, **self.options)
        options, signature, constants, attributes = self.kernel._pack_args(
            backend, self.options, bound, special, {}
        )
        source = ASTSource(self.kernel, signature, constants, attributes)
        return source, dict(options.__dict__)

    def variant(self) -> str:
        """Equal where no other code is compiled."""
        source, options = self.source(90)
        return f"{source.hash()} {sorted(options.items())}"

    def title(self) -> str:
        """Of which kernel, with what tells its forms apart."""
        named = zip(self.kernel.arg_names, self.arguments, strict=True)
        said = [name for name, value in named if value is True]
        flow = self.kernel.fn.__module__.rpartition(".")[2].removesuffix("_kernels")
        return " ".join([f"{flow} {self.kernel.fn.__name__.removeprefix('_')}", *said])


@contextmanager
def recorded() -> Iterator[list[Launch]]:
    """Launches that would be made."""
    found: list[Launch] = []

    def run(kernel: Any, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> None:
        found.append(Launch(kernel, arguments, options))

    before, JITFunction.run = JITFunction.run, run
    try:
        yield found
    finally:
        JITFunction.run = before


def launched(name: str, shape: tuple[int, int], count: int) -> list[Launch]:
    """By a call of that flow; of TV-L1, which finds nothing here, by as many as it makes at most
    with one warp."""
    first, second = (torch.from_numpy(each) for each in pairs(shape, count))
    parameters = load_flow(name, **({"warps": 1} if name == "tvl1" else {})).parameters
    fused = {"lk": lk.TritonLucasKanade, "tvl1": tvl1.TritonTVL1}[name]
    solve = fused(parameters, shape, count, "cpu")
    with recorded() as found:
        solve(first, second)
    return found


def compile_for_gpus(*wanted: str) -> None:
    """To machine code, which needs the compiler but no GPU, exactly what calls would launch."""
    print("| kernel | compute capability | registers | shared memory, bytes | stack, bytes |")
    print("|---|---|---|---|---|")
    for name in ("lk", "tvl1"):
        for shape, count in COMPILED:
            launches = launched(name, shape, count)
            _are_few(launches)
            for each in {launch.variant(): launch for launch in launches}.values():
                what = f"{each.title()}, {count} × {shape[0]}×{shape[1]}"
                for capability in map(int, wanted) if wanted else CAPABILITIES:
                    registers, shared, stack = _compiled(each, capability)
                    row = f"| {what} | {capability} | {registers} | {shared} | {stack} |"
                    print(row, flush=True)


def _are_few(launches: list[Launch]) -> None:
    """Where a tensor lies makes no other kernel of the same launch."""
    variants: dict[tuple[Any, ...], set[str]] = {}
    for launch in launches:
        variants.setdefault((launch.kernel, *launch.whole), set()).add(launch.variant())
    many = [launch for launch, found in variants.items() if len(found) > 1]
    assert not many, many


def _compiled(launch: Launch, capability: int) -> tuple[int, int, int]:
    source, options = launch.source(capability)
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    shared, what = built.metadata.shared, (launch.title(), capability)
    assert shared <= SHARED_BYTES, (what, shared)
    registers, stack = _resources(built.asm["cubin"])
    assert registers * 32 * built.metadata.num_warps <= REGISTERS, (what, registers)
    assert stack <= STACK_BYTES, (what, stack)
    return registers, shared, stack


def _resources(cubin: bytes) -> tuple[int, int]:
    """Registers of a thread, and bytes that it keeps in memory because those do not suffice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {name: int(value) for name, value in re.findall(r"(REG|STACK|LOCAL):(\d+)", said)}
    return found["REG"], found["STACK"] + found["LOCAL"]


class _Operations(TorchDispatchMode):
    """Counts what PyTorch would launch: all but views and new memory."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        if not function.is_view and "empty" not in function.name():
            self.count[function.name()] += 1
        return function(*arguments, **(options or {}))


def launches(side: str = "224") -> None:
    """Of both phases at 224² or another size: what a graph of each form would hold."""
    shape = (int(side), int(side))
    first, second = (torch.from_numpy(each) for each in pairs(shape, 2))
    fused = launched("lk", shape, 2)
    print(f"lk: {len(fused) + 2} launches in Triton, {_count('lk', first, second)} in PyTorch")
    graph = launched("tvl1", shape, 2)
    per_graph = sum(each.kernel.fn.__name__ == "_iterate" for each in graph) // 50
    print(f"tvl1: {per_graph} launches of its iterations to 30 of them in Triton")
    found = _count("tvl1", first, second)
    print(f"tvl1: {found} operations in PyTorch in all")


def _count(name: str, first: Tensor, second: Tensor) -> int:
    plain: dict[str, Callable[..., Any]] = {"lk": TensorLucasKanade, "tvl1": TensorTVL1}
    solve = plain[name](load_flow(name).parameters, tuple(first.shape[1:]), "cpu")
    with _Operations() as operations, torch.inference_mode(False):
        solve(first, second)
    return sum(operations.count.values())


if __name__ == "__main__":
    parts = {"interpret": interpret, "fused": fused, "odd": odd, "sizes": sizes}
    {**parts, "compile": compile_for_gpus, "launches": launches}[sys.argv[1]](*sys.argv[2:])
