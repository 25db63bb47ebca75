"""Engines, which run a trained network: from TensorRT to plain PyTorch.

    python -m model.engine check      which engines are here, which is chosen, how equal it is
    python -m model.engine build      build the engines that `auto` would use here
    python -m model.engine export     write the ONNX files beside checkpoints

An engine turns a network and one input shape into a function with the same answers. Most engines
are built once into a file on disk (`model.engine.cache`) and then load in milliseconds.
`model.inference.engine_choice` chooses an engine, builds a better one during a run, and falls back.
ONNX Runtime needs PyTorch only to build. Shipped checkpoints have their ONNX file beside them, so
a run on a CPU never imports PyTorch. This package imports it only for an engine that needs it.

TensorRT gets the network through Torch-TensorRT, TensorRT-RTX as ONNX. The builder of TensorRT-RTX
needs no GPU, so every machine can test that step.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from model.lazy_loading import load_entry

if TYPE_CHECKING:
    from torch import nn

    from model.engine.forward import Arrays, Forward
    from model.flow.gpu.cuda_graph import Function

ENGINES = {
    "tensorrt": "model.engine.tensorrt_engine:TensorRT",
    "tensorrt-rtx": "model.engine.tensorrt_engine:TensorRTRTX",
    "onnx": "model.engine.onnxruntime_engine:ONNXRuntime",
    "compile": "model.engine.inductor_engine:Compiled",
    "graph": "model.engine.pytorch_engine:Graphed",
    "eager": "model.engine.pytorch_engine:Eager",
}


def make_engine(name: str, device: str) -> "Engine":
    """The engine `name` of `ENGINES` for `device`. Raises `InputError` if there is none."""
    return cast(Engine, load_entry(ENGINES, name, "engine")(device))


ORDER = {
    "cuda": ("tensorrt", "tensorrt-rtx", "compile", "graph", "eager"),
    "cpu": ("onnx", "eager"),
}
"""What `auto` tries, by kind of device. Measured on a CPU, one thread, FMANet, batch 1: ONNX
Runtime 0.85 ms, `compile` 1.6, eager 2.35. `compile` also needs a compiler, so on a CPU it runs
only if asked for by name."""


NetworkOf = Callable[[], "nn.Module"]
"""Makes a new copy of a trained network on the CPU, which the caller may keep and move. Needs
PyTorch."""


class Engine(ABC):
    """One way to run a network on one device ("cpu", "cuda:0"). The defaults are those of an engine
    that runs everywhere and has no file."""

    name: str
    """Its name in `ENGINES`."""
    tolerance: float
    """The greatest difference allowed between a probability and plain PyTorch's."""
    has_file = False
    """Whether it is built into a file; if not, `load` needs no file."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._cuda = device.startswith("cuda")

    def find_obstacle(self) -> str | None:
        """Why it cannot run here, with the remedy; None if it can."""
        return None

    def versions(self) -> Mapping[str, str]:
        """What a built file depends on besides weights and shapes: libraries, precision, GPU,
        driver."""
        return {}

    @abstractmethod
    def describe(self) -> str:
        """A description in words: "ONNX Runtime 1.31.1, FP32"."""

    def build(self, network: "nn.Module", inputs: "Arrays", path: Path) -> None:
        """Write a file that runs `network` on inputs of this shape. May raise anything."""
        raise NotImplementedError(f"{self.name} has no file to build")

    @abstractmethod
    def function(self, network: NetworkOf, inputs: "Arrays", path: Path | None) -> "Function":
        """The network's `forward` for tensors of this shape on this device, from the file that
        `build` wrote if this engine has one. May raise anything."""

    def load(self, network: NetworkOf, inputs: "Arrays", path: Path | None) -> "Forward":
        """The same for arrays, warmed up. On a GPU it is a CUDA graph that includes the copies,
        unless this is plain PyTorch."""
        from model.engine.export import on_arrays, tensors
        from model.flow.gpu.cuda_graph import RecordedGraph

        function = self.function(network, inputs, path)
        if self._cuda:
            function = RecordedGraph(function, tensors(inputs), self._device)
        return on_arrays(function)
