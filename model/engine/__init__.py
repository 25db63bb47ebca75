"""Engines: what runs a trained network, from TensorRT down to plain PyTorch.

    python -m model.engine check      what is there, what was chosen and why, how equal it is
    python -m model.engine build      build what the order below would use here, and keep it
    python -m model.engine export     write the ONNX files that lie beside checkpoints

An engine turns a network and one shape of its input into a function with the same answers. Most
are built once, into a file that is kept on disk (`model.engine.cache`), and loaded in milliseconds
afterwards. `model.inference.engine_choice` chooses, builds behind a run that is going on, and falls
back. ONNX Runtime needs PyTorch to build alone: shipped checkpoints have their ONNX file beside
them, so that nothing on a CPU imports PyTorch. Nor does this package, until an engine that needs it
is asked for.

TensorRT gets the exported network through Torch-TensorRT, TensorRT-RTX as ONNX: its builder needs
no GPU, so that what becomes of the network there is tested everywhere.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import nn

    from model.engine.forward import Arrays, Forward
    from model.flow.gpu.cuda_graph import Function

ENGINES = {
    "tensorrt": "model.engine.trt:TensorRT",
    "tensorrt-rtx": "model.engine.trt:TensorRTRTX",
    "onnx": "model.engine.ort:ONNXRuntime",
    "compile": "model.engine.compiled:Compiled",
    "graph": "model.engine.eager:Graphed",
    "eager": "model.engine.eager:Eager",
}

ORDER = {
    "cuda": ("tensorrt", "tensorrt-rtx", "compile", "graph", "eager"),
    "cpu": ("onnx", "eager"),
}
"""What `auto` tries, by kind of device. Measured on a CPU, one thread, FMANet, batch 1: ONNX
Runtime 0.85 ms, `compile` 1.6, eager 2.35; `compile` needs a compiler besides, and is left to
those who ask for it by name."""


NetworkOf = Callable[[], "nn.Module"]
"""Makes a trained network anew, on the CPU: it may be kept and moved. Needs PyTorch."""


class Engine(Protocol):
    """One way to run a network on one device ("cpu", "cuda:0")."""

    name: str
    """Its name in `ENGINES`."""
    tolerance: float
    """The greatest difference of a probability from plain PyTorch's that is let pass."""
    built: bool
    """Whether it is built into a file; otherwise `load` needs none."""

    def __init__(self, device: str) -> None: ...

    def absent(self) -> str:
        """Why it cannot run here, with the line that brings it; empty if it can."""

    def versions(self) -> Mapping[str, str]:
        """What a built file holds for, beside weights and shapes: libraries, precision, GPU,
        driver."""

    def describe(self) -> str:
        """In words: "ONNX Runtime 1.31.1, FP32"."""

    def build(self, network: "nn.Module", inputs: "Arrays", path: Path) -> None:
        """Write a file that runs `network` on inputs of this shape; raises whatever goes wrong."""

    def function(self, network: NetworkOf, inputs: "Arrays", path: Path | None) -> "Function":
        """The network's `forward` for tensors of this shape on this device; of the file that
        `build` wrote, if this engine has one. Raises whatever goes wrong."""

    def load(self, network: NetworkOf, inputs: "Arrays", path: Path | None) -> "Forward":
        """The same for arrays, warm; on a GPU as a CUDA graph, copies included, unless this is
        plain PyTorch."""
