"""CUDA graphs: a fixed sequence of launches, recorded once and played in one call.

At these sizes a launch takes longer than what it launches, so a graph is most of the speed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, ...]]
"""Of tensors on one device. What it returns it may overwrite with its next call."""
_WARM_UP = 3
_ONE_AT_A_TIME = threading.Lock()


class RecordedGraph:
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
        torch.cuda.current_stream(device).synchronize()
        with torch.inference_mode(), torch.cuda.device(device):
            with torch.cuda.stream(self.stream):
                for _ in range(_WARM_UP):  # libraries choose and allocate at first use
                    found = function(*self._given)
            self.stream.synchronize()
            self._answers = tuple(each.cpu().pin_memory() for each in found)
            with recording(self.stream, device) as self.graph:
                for place, each in zip(self._given, self._held, strict=True):
                    place.copy_(each, non_blocking=True)
                found = function(*self._given)
                for answer, each in zip(self._answers, found, strict=True):
                    answer.copy_(each, non_blocking=True)

    def __call__(self, *fresh: Tensor) -> tuple[Tensor, ...]:
        """What the function makes of `fresh`; the caller's to keep. Waits once, for the answer."""
        self.fill(*fresh)
        with torch.cuda.device(self._device), torch.cuda.stream(self.stream):
            self.graph.replay()
            self._done.record(self.stream)
        self._done.synchronize()
        return tuple(each.clone() for each in self._answers)

    def fill(self, *fresh: Tensor) -> None:
        """Put `fresh` where the graph will fetch it, for whoever plays it by himself."""
        for place, each in zip(self._held, fresh, strict=True):
            place.copy_(each)


@contextmanager
def recording(stream: torch.cuda.Stream, device: str) -> Iterator[torch.cuda.CUDAGraph]:
    """Record what is launched within into a graph, on `stream`, which has done it before.

    Other threads may use CUDA meanwhile, but for recordings of their own, which wait: one begins by
    waiting for the whole device, which CUDA refuses while another is being made.
    """
    graph = torch.cuda.CUDAGraph()
    with (
        _ONE_AT_A_TIME,
        torch.cuda.device(device),
        torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
    ):
        yield graph
