"""torch.compile ahead of time: TorchInductor compiles the network once, into a library.

On a GPU it computes in FP16. We record our own CUDA graph: `torch.compile`'s adds 0.3 ms of
bookkeeping to 0.1 ms of work.
"""

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from model.engine import Engine, NetworkOf
from model.engine.export import export_graph, halve_precision, tensors
from model.engine.forward import Arrays
from model.engine.pytorch_engine import explain_no_cuda
from model.engine.toolchain import compiler, explain_no_headers
from model.flow.gpu.cuda_graph import Function
from model.machine import processor


class Compiled(Engine):
    """What TorchInductor compiled ahead of time."""

    name = "compile"
    has_file = True

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self._index = (torch.device(device).index or 0) if self._cuda else -1
        self.tolerance = 0.02 if self._cuda else 1e-4

    def find_obstacle(self) -> str | None:
        if self._cuda and (why := explain_no_cuda(self._device)):
            return why
        if self._cuda and find_spec("triton") is None:
            return "Triton is not installed: pip install triton (triton-windows on Windows)"
        if not compiler():
            return "needs a C++ compiler: apt install g++, xcode-select --install, or Visual Studio"
        return explain_no_headers() if self._cuda else None

    def versions(self) -> Mapping[str, str]:
        chip = torch.cuda.get_device_name(self._device) if self._cuda else processor()
        return {
            "precision": "fp16" if self._cuda else "fp32",
            "torch": torch.__version__,
            "cuda": str(torch.version.cuda),
            "processor": chip,
        }

    def describe(self) -> str:
        kind = "FP16, CUDA graph" if self._cuda else "FP32"
        return f"TorchInductor {torch.__version__}, {kind}"

    def build(self, network: nn.Module, inputs: Arrays, path: Path) -> None:
        if self._cuda:
            network = halve_precision(network).to(self._device)
        given = tuple(each.to(self._device) for each in tensors(inputs))
        package = path.with_suffix(".pt2")  # Inductor accepts no other suffix
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch._inductor.aoti_compile_and_package(
                export_graph(network, given),
                package_path=str(package),
                inductor_configs={"freezing": True},
            )
        package.replace(path)

    def function(self, network: NetworkOf, inputs: Arrays, path: Path | None) -> Function:
        assert path is not None
        # The loader insists on the suffix. It reads the file once, so a copy will do.
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / "engine.pt2"
            shutil.copyfile(path, package)
            # Single-threaded: a CUDA graph cannot record other threads.
            run = torch._inductor.aoti_load_package(
                str(package), run_single_threaded=True, device_index=self._index
            )

        def forward(*given: Tensor) -> tuple[Tensor, ...]:
            with torch.inference_mode():
                return tuple(run(*given))

        return forward
