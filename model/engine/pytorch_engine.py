"""Plain PyTorch, and PyTorch recorded as a CUDA graph: the engines that need no other library."""

from pathlib import Path

import torch
from torch import Tensor, nn

from model.engine import Engine, NetworkOf
from model.engine.equality import FIXED_INPUTS, FixedAnswers, answer_inputs
from model.engine.export import halve_precision, on_arrays
from model.engine.forward import Arrays, Forward
from model.flow.gpu.cuda_graph import Function
from model.machine import driver


class Eager(Engine):
    """The network itself, in FP32. On the CPU it is the reference for every other engine."""

    name = "eager"
    tolerance = 1e-3  # a GPU multiplies in another order, and in TF32 if allowed

    def describe(self) -> str:
        return f"PyTorch {torch.__version__}, FP32"

    def function(self, network: NetworkOf, inputs: Arrays, path: Path | None) -> Function:
        return _without_gradients(network().eval().to(self._device))

    def load(self, network: NetworkOf, inputs: Arrays, path: Path | None) -> Forward:
        return plain_forward(network(), self._device)


class Graphed(Engine):
    """The network in FP16, channels last, as a CUDA graph of its own."""

    name = "graph"
    tolerance = 0.02

    def find_obstacle(self) -> str | None:
        return explain_no_cuda(self._device)

    def describe(self) -> str:
        return f"PyTorch {torch.__version__}, FP16, CUDA graph"

    def function(self, network: NetworkOf, inputs: Arrays, path: Path | None) -> Function:
        return halve_precision(network().eval()).to(self._device, memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def plain_forward(network: nn.Module, device: str) -> Forward:
    """Runs `network` itself on `device`, for any number of inputs."""
    run = _without_gradients(network.eval().to(device))
    return on_arrays(
        lambda *given: tuple(each.cpu() for each in run(*(each.to(device) for each in given)))
    )


def plain_truth(network: nn.Module) -> FixedAnswers:
    """The answers of `network` to the fixed inputs, on the CPU in FP32."""
    return answer_inputs(network.inputs, plain_forward(network, "cpu"), FIXED_INPUTS)  # type: ignore[arg-type]


def _without_gradients(network: nn.Module) -> Function:
    def run(*given: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            answers: tuple[Tensor, ...] = network(*given)
        return answers

    return run


def explain_no_cuda(device: str) -> str | None:
    """Why an engine that needs CUDA cannot run on `device`; None if it can."""
    if torch.cuda.is_available():
        if device.startswith("cuda"):
            return None
        return f"runs on CUDA devices, this run is on {device}: give --device cuda"
    if driver() == "none":
        return "runs on NVIDIA GPUs, and no NVIDIA driver was found here"
    if torch.version.cuda is None:
        index = "https://download.pytorch.org/whl/cu130"
        return (
            f"runs on NVIDIA GPUs, which torch {torch.__version__} does not support: "
            f'pip install "torch>=2.11,<2.14" --index-url {index}'
        )
    return f"runs on NVIDIA GPUs, and torch {torch.__version__} can use none here"
