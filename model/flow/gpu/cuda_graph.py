"""CUDA graphs: a fixed sequence of launches, recorded once and replayed in one call.

At these sizes a launch takes longer than the kernel itself, so the graph gives most of the speed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, ...]]
"""A function of tensors on one device. Its next call may overwrite the tensors it returned."""
_WARM_UP_RUNS = 3
_ONE_AT_A_TIME = threading.Lock()


class RecordedGraph:
    """A `Function` on a CUDA device for tensors on the CPU. The copies to and from the device are
    recorded with it. Call it from one thread at a time."""

    def __init__(self, function: Function, inputs: tuple[Tensor, ...], device: str) -> None:
        """`inputs`, on the CPU, have the shapes and types that every call will have. Raises what
        CUDA raises, for example if `function` waits for a result or allocates; a graph can do
        neither."""
        self._device = device
        self._function = function  # keeps alive the memory that the graph uses
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        """The stream that replays the graph."""
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        # Page-locked, so that the GPU can read it directly.
        self._held = tuple(each.clone().pin_memory() for each in inputs)
        self._given = tuple(each.to(device) for each in inputs)
        torch.cuda.current_stream(device).synchronize()
        with torch.inference_mode(), torch.cuda.device(device):
            with torch.cuda.stream(self.stream):
                for _ in range(_WARM_UP_RUNS):  # libraries choose kernels and allocate on first use
                    found = function(*self._given)
            self.stream.synchronize()
            self._answers = tuple(each.cpu().pin_memory() for each in found)
            with record_graph(self.stream, device) as self.graph:
                for place, each in zip(self._given, self._held, strict=True):
                    place.copy_(each, non_blocking=True)
                found = function(*self._given)
                for answer, each in zip(self._answers, found, strict=True):
                    answer.copy_(each, non_blocking=True)

    def __call__(self, *fresh: Tensor) -> tuple[Tensor, ...]:
        """The function's answer for `fresh`, which the caller may keep. Waits once, for the
        answer."""
        self.fill(*fresh)
        with torch.cuda.device(self._device), torch.cuda.stream(self.stream):
            self.graph.replay()
            self._done.record(self.stream)
        self._done.synchronize()
        return tuple(each.clone() for each in self._answers)

    def fill(self, *fresh: Tensor) -> None:
        """Put `fresh` where the graph reads its inputs, for callers that replay it themselves."""
        for place, each in zip(self._held, fresh, strict=True):
            place.copy_(each)


@contextmanager
def record_graph(stream: torch.cuda.Stream, device: str) -> Iterator[torch.cuda.CUDAGraph]:
    """Record all launches within into a graph, on `stream`, which has run them before.

    Other threads may use CUDA meanwhile, but their own recordings wait: a recording starts by
    synchronising the whole device, and CUDA refuses that during another recording.
    """
    graph = torch.cuda.CUDAGraph()
    with (
        _ONE_AT_A_TIME,
        torch.cuda.device(device),
        torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
    ):
        yield graph
