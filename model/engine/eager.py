"""PyTorch as it is, and on a GPU recorded as a CUDA graph: what is always there."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from model.engine.export import halved
from model.engine.forward import Forward, Inputs
from model.engine.graph import on_device


class Eager:
    """`model.engine.Engine`: the network itself, in FP32. Every other engine is measured against
    it."""

    name = "eager"
    tolerance = 1e-3  # a GPU multiplies in another order, and in TF32 where it may
    built = False

    def __init__(self, device: str) -> None:
        self._device = device

    def absent(self) -> str:
        return ""

    def versions(self) -> Mapping[str, str]:
        return {}

    def describe(self) -> str:
        return f"PyTorch {torch.__version__}, FP32"

    def build(self, network: nn.Module, inputs: Inputs, path: Path) -> None:
        raise NotImplementedError("eager has no file to build")

    def load(self, network: nn.Module, inputs: Inputs, path: Path | None) -> Forward:
        return self.forward(network)

    def forward(self, network: nn.Module) -> Forward:
        """`network`, moved to the device, for any number of inputs."""
        network = network.eval().to(self._device)

        def forward(*given: Tensor) -> tuple[Tensor, Tensor]:
            with torch.inference_mode():
                classes, units = network(*(each.to(self._device) for each in given))
                return classes.cpu(), units.cpu()

        return forward


class Graphed:
    """`model.engine.Engine`: the network in FP16, channels last, as a CUDA graph of its own."""

    name = "graph"
    tolerance = 0.02
    built = False

    def __init__(self, device: str) -> None:
        self._device = device

    def absent(self) -> str:
        return no_cuda(self._device)

    def versions(self) -> Mapping[str, str]:
        return {}

    def describe(self) -> str:
        return f"PyTorch {torch.__version__}, FP16, CUDA graph"

    def build(self, network: nn.Module, inputs: Inputs, path: Path) -> None:
        raise NotImplementedError("graph has no file to build")

    def load(self, network: nn.Module, inputs: Inputs, path: Path | None) -> Forward:
        half = halved(network.eval()).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cast(Forward, on_device(half, inputs, self._device))


def no_cuda(device: str) -> str:
    """Why an engine that needs CUDA cannot run on `device`; empty if it can."""
    if not device.startswith("cuda"):
        return f"runs on CUDA devices, this run is on {device}: give --device cuda"
    if not torch.cuda.is_available():
        return "no CUDA device is available here"
    return ""
