"""ONNX Runtime on the CPU: the same convolutions with a third of the overhead of PyTorch's."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from model.cuda_graph import Function
from model.engine.export import onnx_document
from model.engine.forward import Forward, Inputs

THREADS = 1
"""A network this small gains nothing from a second thread, and its worst case suffers: p50 falls
by a tenth, p99 rises fivefold."""


class ONNXRuntime:
    """`model.engine.Engine`, in FP32."""

    name = "onnx"
    tolerance = 1e-4
    built = True

    def __init__(self, device: str) -> None:
        self._device = device

    def absent(self) -> str:
        if self._device != "cpu":
            return f"runs on the CPU here, this run is on {self._device}: give --device cpu"
        missing = [name for name in ("onnxruntime", "onnx", "onnxscript") if not find_spec(name)]
        if missing:
            return f"{', '.join(missing)} not installed: pip install {' '.join(missing)}"
        return ""

    def versions(self) -> Mapping[str, str]:
        import onnxruntime

        return {"precision": "fp32", "torch": torch.__version__, "onnx": onnxruntime.__version__}

    def describe(self) -> str:
        return f"ONNX Runtime {self.versions()['onnx']}, FP32"

    def build(self, network: nn.Module, inputs: Inputs, path: Path) -> None:
        path.write_bytes(onnx_document(network.cpu(), inputs))

    def function(self, network: nn.Module, inputs: Inputs, path: Path | None) -> Function:
        import onnxruntime

        assert path is not None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # its warnings are about its own optimiser
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        names = [each.name for each in session.get_inputs()]

        def forward(*given: Tensor) -> tuple[Tensor, ...]:
            arrays = [each.contiguous().numpy() for each in given]
            # A network that looks at one phase alone keeps no input for the other.
            known = {name: array for name, array in zip(_ALL, arrays, strict=True) if name in names}
            classes, units = session.run(None, known)
            return torch.from_numpy(classes), torch.from_numpy(units)

        return forward

    def load(self, network: nn.Module, inputs: Inputs, path: Path | None) -> Forward:
        function = self.function(network, inputs, path)
        return cast(Forward, function)


_ALL = ("onset_apex", "apex_offset", "has_offset")
