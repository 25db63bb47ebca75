"""TensorRT, and TensorRT-RTX for RTX cards: FP16 where the network convolves, as a CUDA graph.

Torch-TensorRT converts the exported network for TensorRT and needs the GPU it builds for.
TensorRT-RTX reads the network as ONNX, builds on any machine for all its cards, and finishes the
kernels on the card at the first load. Both are strongly typed: each tensor has the type it has in
the network. We run the result through TensorRT's own interface, which both packages have, without
PyTorch's wrapper: one launch, on the current stream.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from model.engine import Engine, NetworkOf
from model.engine.export import export_graph, halve_precision, onnx_document, tensors
from model.engine.forward import INPUT_NAMES, Arrays
from model.engine.pytorch_engine import explain_no_cuda
from model.flow.gpu.cuda_graph import Function
from model.machine import driver

RTX_CAPABILITIES = ((7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1))
"""Compute capabilities that TensorRT-RTX supports: Turing, Ampere, Ada, Blackwell; not Hopper in
data centres."""


class TensorRT(Engine):
    """TensorRT, built by Torch-TensorRT."""

    name = "tensorrt"
    tolerance = 0.02
    has_file = True
    _title = "TensorRT"
    _packages: tuple[str, ...] = ("torch_tensorrt", "tensorrt")
    """What has to be installed; the last one runs the engine."""

    def find_obstacle(self) -> str | None:
        if why := explain_no_cuda(self._device):
            return why
        for package in self._packages:
            if find_spec(package) is None:
                name = package.replace("_", "-")
                return f"{self._title} needs {name}, which is not installed: pip install {name}"
        return None

    def versions(self) -> Mapping[str, str]:
        index = torch.device(self._device).index or 0
        here = self._device.startswith("cuda") and torch.cuda.is_available()
        return {
            "precision": "fp16",
            "torch": torch.__version__,
            # Without importing them: Torch-TensorRT takes seconds, and raises if CUDA is broken.
            **{name: installed_version(name) for name in self._packages},
            "gpu": torch.cuda.get_device_name(index) if here else "none",
            "driver": driver(),
        }

    def describe(self) -> str:
        return f"{self._title} {self._runtime().__version__}, FP16, CUDA graph"

    def build(self, network: nn.Module, inputs: Arrays, path: Path) -> None:
        dynamo = import_module("torch_tensorrt.dynamo")
        with torch.cuda.device(self._device):
            placed = halve_precision(network.cpu()).to(self._device)
            given = tuple(tensor.to(self._device) for tensor in tensors(inputs))
            plan = dynamo.convert_exported_program_to_serialized_trt_engine(
                export_graph(placed, given), arg_inputs=given, use_explicit_typing=True
            )
        path.write_bytes(plan)

    def function(self, network: NetworkOf, inputs: Arrays, path: Path | None) -> Function:
        assert path is not None
        trt = self._runtime()
        with torch.cuda.device(self._device):
            return _Plan(trt, path.read_bytes(), self._device).run

    def _runtime(self) -> ModuleType:
        return import_module(self._packages[-1])


class TensorRTRTX(TensorRT):
    """TensorRT-RTX, built from ONNX."""

    name = "tensorrt-rtx"
    _title = "TensorRT-RTX"
    _packages = ("tensorrt_rtx",)

    def find_obstacle(self) -> str | None:
        if not explain_no_cuda(self._device):
            capability = torch.cuda.get_device_capability(self._device)
            if capability not in RTX_CAPABILITIES:
                return f"serves RTX cards, not {torch.cuda.get_device_name(self._device)}"
        return super().find_obstacle()

    def build(self, network: nn.Module, inputs: Arrays, path: Path) -> None:
        trt = self._runtime()
        logger = trt.Logger(trt.Logger.ERROR)
        builder = trt.Builder(logger)
        typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        definition = builder.create_network(typed)
        parser = trt.OnnxParser(definition, logger)
        if not parser.parse(onnx_document(halve_precision(network.cpu()), inputs)):
            raise RuntimeError(str(parser.get_error(0)))
        config = builder.create_builder_config()
        # We allocate the memory; otherwise a graph could not record its launches.
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
        plan = builder.build_serialized_network(definition, config)
        if plan is None:
            raise RuntimeError("TensorRT-RTX built no engine; its own message is above")
        path.write_bytes(bytes(plan))


def installed_version(module: str) -> str:
    """Version of the distribution that provides `module`, or "unknown". TensorRT may be installed
    under a name with its CUDA version, or as files without a version."""
    for name in (module, *(f"{module}-cu{number}" for number in (13, 12))):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"


class _Plan:
    """A built engine on its GPU. Its memory and outputs are allocated once."""

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
        types = {self._engine.get_tensor_dtype(name) for name in names}
        if not set(self._inputs) <= set(INPUT_NAMES) or types != {trt.DataType.FLOAT}:
            raise RuntimeError(f"the engine is of another network: {', '.join(names)}, {types}")
        self._outputs = {
            name: torch.empty(tuple(self._engine.get_tensor_shape(name)), device=device)
            for name in names
            if modes[name] == trt.TensorIOMode.OUTPUT
        }

    def run(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Run on the current stream and return the outputs, in the network's order. The next call
        overwrites them."""
        for name, tensor in zip(INPUT_NAMES, given, strict=True):
            if name in self._inputs:
                self._context.set_tensor_address(name, tensor.data_ptr())
        for name, tensor in self._outputs.items():
            self._context.set_tensor_address(name, tensor.data_ptr())
        if not self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise RuntimeError("the engine did not run; its own message is above")
        return tuple(self._outputs.values())
