"""TensorRT, and TensorRT-RTX for RTX cards: FP16 where the network convolves, as a CUDA graph.

Both packages have one interface and are strongly typed: a tensor's type is what the ONNX model says
(TensorRT 10 when asked, 11 always). TensorRT needs the GPU that it builds for; TensorRT-RTX builds
for all its cards anywhere and finishes the kernels on the card, at the first load.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn

from model.cuda_graph import Function, Recorded
from model.engine.eager import no_cuda
from model.engine.export import halved, onnx_document
from model.engine.forward import Forward, Inputs
from model.machine import driver

RTX_CAPABILITIES = ((7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1))
"""Of the GPUs that TensorRT-RTX serves: Turing, Ampere, Ada, Blackwell; no data centre Hopper."""


class TensorRT:
    """`model.engine.Engine`."""

    name = "tensorrt"
    tolerance = 0.02
    built = True
    _module = "tensorrt"

    def __init__(self, device: str) -> None:
        self._device = device

    def absent(self) -> str:
        return no_cuda(self._device) or self._not_installed() or self._unfit()

    def versions(self) -> Mapping[str, str]:
        index = torch.device(self._device).index or 0
        here = self._device.startswith("cuda") and torch.cuda.is_available()
        return {
            "precision": "fp16",
            "torch": torch.__version__,
            self.name: import_module(self._module).__version__,
            "gpu": torch.cuda.get_device_name(index) if here else "none",
            "driver": driver(),
        }

    def describe(self) -> str:
        return f"{self._title()} {self.versions()[self.name]}, FP16, CUDA graph"

    def build(self, network: nn.Module, inputs: Inputs, path: Path) -> None:
        trt = import_module(self._module)
        logger = trt.Logger(trt.Logger.ERROR)
        builder = trt.Builder(logger)
        typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        definition = builder.create_network(typed)
        parser = trt.OnnxParser(definition, logger)
        if not parser.parse(onnx_document(halved(network.cpu()), inputs)):
            raise RuntimeError(str(parser.get_error(0)))
        config = builder.create_builder_config()
        self._configure(trt, config)
        plan = builder.build_serialized_network(definition, config)
        if plan is None:
            raise RuntimeError(f"{self._title()} built no engine; its own words are above")
        path.write_bytes(bytes(plan))

    def function(self, network: nn.Module, inputs: Inputs, path: Path | None) -> Function:
        assert path is not None
        trt = import_module(self._module)
        with torch.cuda.device(self._device):
            return _Plan(trt, path.read_bytes(), self._device).run

    def load(self, network: nn.Module, inputs: Inputs, path: Path | None) -> Forward:
        function = self.function(network, inputs, path)
        return cast(Forward, Recorded(function, inputs, self._device))

    def _configure(self, trt: ModuleType, config: Any) -> None:
        """What this kind of engine is built with."""

    def _title(self) -> str:
        return "TensorRT"

    def _not_installed(self) -> str:
        if find_spec(self._module) is not None:
            return ""
        major = (torch.version.cuda or "13").partition(".")[0]
        return f"{self._title()} is not installed: pip install {self._package(major)}"

    def _package(self, cuda: str) -> str:
        return f"tensorrt-cu{cuda}"

    def _unfit(self) -> str:
        return ""


class TensorRTRTX(TensorRT):
    """`model.engine.Engine`."""

    name = "tensorrt-rtx"
    _module = "tensorrt_rtx"

    def _configure(self, trt: ModuleType, config: Any) -> None:
        # Memory of ours, or its launches could not be recorded in a graph.
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)

    def _title(self) -> str:
        return "TensorRT-RTX"

    def _package(self, cuda: str) -> str:
        return "tensorrt-rtx"

    def _unfit(self) -> str:
        capability = torch.cuda.get_device_capability(self._device)
        if capability in RTX_CAPABILITIES:
            return ""
        return f"serves RTX cards, not {torch.cuda.get_device_name(self._device)}"


class _Plan:
    """A built engine on its GPU, its memory and its outputs allocated once."""

    def __init__(self, trt: ModuleType, data: bytes, device: str) -> None:
        self._logger = trt.Logger(trt.Logger.ERROR)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(data)
        if self._engine is None:
            raise RuntimeError("the engine cannot be read: it belongs to another GPU or version")
        managed = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        self._context = self._engine.create_execution_context(managed)
        size = max(1, int(self._engine.device_memory_size_v2))
        self._memory = torch.empty(size, dtype=torch.uint8, device=device)
        self._context.set_device_memory(self._memory.data_ptr(), size)
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        modes = {name: self._engine.get_tensor_mode(name) for name in names}
        self._inputs = [name for name in names if modes[name] == trt.TensorIOMode.INPUT]
        self._outputs = {
            name: torch.empty(tuple(self._engine.get_tensor_shape(name)), device=device)
            for name in names
            if modes[name] == trt.TensorIOMode.OUTPUT
        }

    def run(self, *given: Tensor) -> tuple[Tensor, ...]:
        """The outputs, in the network's order, on the current stream; they are overwritten by the
        next call."""
        for name, tensor in zip(_ORDER, given, strict=True):
            if name in self._inputs:
                self._context.set_tensor_address(name, tensor.data_ptr())
        for name, tensor in self._outputs.items():
            self._context.set_tensor_address(name, tensor.data_ptr())
        if not self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise RuntimeError("the engine did not run; its own words are above")
        return tuple(self._outputs.values())


_ORDER = ("onset_apex", "apex_offset", "has_offset")
