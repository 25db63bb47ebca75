"""CUDA graphs: a fixed sequence of launches, recorded once and played in one call.

At these sizes a launch takes longer than what it launches, so a graph is most of the speed.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, ...]]
"""Of tensors on one device. What it returns it may overwrite with its next call."""
_WARM_UP = 3


def recorded(function: Function, inputs: tuple[Tensor, ...], device: str) -> Function:
    """`function`, which takes and returns tensors on the CUDA `device`, for tensors on the CPU,
    of the shapes of `inputs`, recorded as a CUDA graph with the copies at both ends.

    Inputs are copied into page-locked memory, from where the GPU fetches them itself; nothing is
    allocated and one synchronisation waits for the answer. From one thread at a time. Raises what
    CUDA raises, as when `function` cannot be recorded.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    held = tuple(each.clone().pin_memory() for each in inputs)
    given = tuple(each.to(device) for each in inputs)
    # The allocator must not give away what other streams still use.
    torch.cuda.synchronize(device)
    with torch.inference_mode(), torch.cuda.device(device):
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):  # libraries choose and allocate at first use
                found = function(*given)
        stream.synchronize()
        answers = tuple(each.cpu().pin_memory() for each in found)
        graph = torch.cuda.CUDAGraph()
        # Other threads may use CUDA meanwhile.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            for place, each in zip(given, held, strict=True):
                place.copy_(each, non_blocking=True)
            found = function(*given)
            for answer, each in zip(answers, found, strict=True):
                answer.copy_(each, non_blocking=True)
    done = torch.cuda.Event()  # type: ignore[no-untyped-call]

    # What the graph works in: `function` owns it, and it must live as long.
    play_of = (graph, function, given)

    def play(*fresh: Tensor) -> tuple[Tensor, ...]:
        for place, each in zip(held, fresh, strict=True):
            place.copy_(each)
        with torch.cuda.device(device), torch.cuda.stream(stream):
            play_of[0].replay()
            done.record(stream)
        done.synchronize()
        return tuple(each.clone() for each in answers)

    return play
