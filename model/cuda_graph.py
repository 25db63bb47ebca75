"""CUDA graphs: a fixed sequence of launches, recorded once and played in one call.

At these sizes a launch takes longer than what it launches, so a graph is most of the speed.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, ...]]
"""Of tensors on one device. What it returns it may overwrite with its next call."""
_WARM_UP = 3


class Recorded:
    """A `Function` on a CUDA device for tensors on the CPU, the copies at both ends recorded with
    it. From one thread at a time."""

    def __init__(self, function: Function, inputs: tuple[Tensor, ...], device: str) -> None:
        """`inputs`, on the CPU, have the shapes and types that every call will have. Raises what
        CUDA raises, as when `function` waits for a result or allocates, which no graph can."""
        self._device = device
        self._function = function  # owns what the graph works in
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        """Where the graph is played."""
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        # Page-locked: the GPU fetches from there itself.
        self._held = tuple(each.clone().pin_memory() for each in inputs)
        self._given = tuple(each.to(device) for each in inputs)
        torch.cuda.synchronize(device)
        with torch.inference_mode(), torch.cuda.device(device):
            with torch.cuda.stream(self.stream):
                for _ in range(_WARM_UP):  # libraries choose and allocate at first use
                    found = function(*self._given)
            self.stream.synchronize()
            self._answers = tuple(each.cpu().pin_memory() for each in found)
            self.graph = torch.cuda.CUDAGraph()
            # Other threads may use CUDA meanwhile.
            with torch.cuda.graph(
                self.graph, stream=self.stream, capture_error_mode="thread_local"
            ):
                for place, each in zip(self._given, self._held, strict=True):
                    place.copy_(each, non_blocking=True)
                found = function(*self._given)
                for answer, each in zip(self._answers, found, strict=True):
                    answer.copy_(each, non_blocking=True)

    def __call__(self, *fresh: Tensor) -> tuple[Tensor, ...]:
        """What the function makes of `fresh`; the caller's to keep. Waits once, for the answer."""
        for place, each in zip(self._held, fresh, strict=True):
            place.copy_(each)
        with torch.cuda.device(self._device), torch.cuda.stream(self.stream):
            self.graph.replay()
            self._done.record(self.stream)
        self._done.synchronize()
        return tuple(each.clone() for each in self._answers)
