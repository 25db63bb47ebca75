"""ONNX Runtime on the CPU: the same convolutions with a third of PyTorch's overhead, and without
PyTorch."""

from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.engine import Engine, NetworkOf
from model.engine.forward import INPUT_NAMES, Arrays, Forward
from model.records import ArrayF32

if TYPE_CHECKING:
    from torch import Tensor, nn

    from model.flow.gpu.cuda_graph import Function

ONNX_THREADS = 1
"""A second thread is not worth it for so small a network: p50 falls by a tenth, but p99 rises
fivefold."""


class ONNXRuntime(Engine):
    """ONNX Runtime in FP32."""

    name = "onnx"
    tolerance = 1e-4
    has_file = True

    def find_obstacle(self) -> str | None:
        if self._device != "cpu":
            return f"runs on the CPU here, this run is on {self._device}: give --device cpu"
        if find_spec("onnxruntime") is None:
            return "onnxruntime not installed: pip install onnxruntime"
        return None

    def versions(self) -> Mapping[str, str]:
        # No library versions: ONNX files carry their own version, and the answers are compared on
        # each load.
        return {"precision": "fp32"}

    def describe(self) -> str:
        return f"ONNX Runtime {version('onnxruntime')}, FP32"

    def build(self, network: "nn.Module", inputs: Arrays, path: Path) -> None:
        from model.engine.export import onnx_document

        path.write_bytes(onnx_document(network.cpu(), inputs))

    def function(self, network: NetworkOf, inputs: Arrays, path: Path | None) -> "Function":
        import torch

        forward = self.load(network, inputs, path)

        def function(*given: "Tensor") -> "tuple[Tensor, ...]":
            first, second, known = (each.contiguous().numpy() for each in given)
            classes, units = forward(first, second, known)
            return torch.from_numpy(classes), torch.from_numpy(units)

        return function

    def load(self, network: NetworkOf, inputs: Arrays, path: Path | None) -> Forward:
        import onnxruntime

        assert path is not None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = ONNX_THREADS
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: it warns about its own optimiser
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        names = [each.name for each in session.get_inputs()]

        def forward(*given: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
            # A network that uses only one phase has no input for the other.
            known = dict(zip(INPUT_NAMES, map(np.ascontiguousarray, given), strict=True))
            known = {name: known[name] for name in names}
            classes, units = session.run(None, known)
            return classes, units

        return forward
