"""Flows on a GPU, with the same names and parameters as on the CPU.

    flow = DeviceFlow(load_flow("lk"), "cuda:0")    # a `Flow`, its arrays on the CPU
    solve = tensor_flow(flow, (128, 128), 2, "cuda:0")
    uv = solve(first, second)                       # tensors (N, H, W) → (N, 2, H, W) on the GPU

A flow without an implementation for tensors (`dis`) stays on the CPU: `model.flow.gpu.flow_on`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from model.errors import InputError, error_line
from model.flow import TENSOR_FLOWS, Flow, Grey, check_pair
from model.flow.gpu.cuda_graph import Function, RecordedGraph
from model.lazy_loading import load_entry
from model.records import ArrayF32

FUSED_FLOWS = {
    "lk": "model.flow.gpu.lk_kernels:TritonLucasKanade",
    "tvl1": "model.flow.gpu.tvl1_kernels:TritonTVL1",
}
_RECORDED = ("lk",)  # TV-L1 decides while it runs when to stop
_SIZES_KEPT = 4


class TensorFlow(Protocol):
    """A flow for pictures of one size, ready on one device."""

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Two stacks (N, H, W) float32 grey 0 to 255 → (N, 2, H, W) float32 px, all on this
        device. Finite pictures give finite flow. The next call may overwrite the answer."""


def tensor_flow(flow: Flow, shape: tuple[int, int], count: int, device: str) -> TensorFlow:
    """`flow` for `count` pairs of pictures (H, W) on `device`. On CUDA it uses fused kernels if
    Triton is installed."""
    if device.startswith("cuda") and find_spec("triton") is not None:
        fused = load_entry(FUSED_FLOWS, flow.name, "flow for tensors")
        solve: TensorFlow = fused(flow.parameters, shape, count, device)
    else:
        plain = load_entry(TENSOR_FLOWS, flow.name, "flow for tensors")
        solve = plain(flow.parameters, shape, device)
    return solve


class DeviceFlow:
    """A `model.flow.Flow` for arrays, computed on `device`. Call it from one thread at a time. If
    the device fails, the flow it was made from takes over on the CPU."""

    def __init__(self, flow: Flow, device: str, *, falls_back: bool = True) -> None:
        """Without `falls_back`, a call raises `InputError` if the device fails, so that nothing
        else is measured in its place."""
        self._flow = flow
        self._device = device
        self._falls_back = falls_back
        self._ready = lru_cache(maxsize=_SIZES_KEPT)(self._prepare)
        self.trouble = ""
        """Why the device is no longer used; empty while it is."""

    @property
    def name(self) -> str:
        return self._flow.name

    @property
    def parameters(self) -> Mapping[str, float]:
        return self._flow.parameters

    def __call__(self, first: Grey, second: Grey) -> ArrayF32:
        """See `model.flow.Flow`."""
        pair = check_pair(first, second)
        if not self.trouble and len(pair[0]):
            try:
                return self._solve(*pair)
            except Exception as error:  # out of memory, lost device, missing compiler
                what = f"{self.name} failed on {self._device}: {error_line(error)}"
                if not self._falls_back:
                    raise InputError(what) from error
                self.trouble = f"{what}; the CPU takes over"
                self._ready.cache_clear()
        return self._flow(*pair)

    def against(self, reference: Grey) -> Callable[[Grey], ArrayF32]:
        """A function that returns the flow from `reference` (H, W) to any picture of its shape, as
        `model.flow.lk.LucasKanade.against` does."""
        kept, _ = check_pair(reference[None], reference[None])

        def flow_to(picture: Grey) -> ArrayF32:
            flow: ArrayF32 = self(kept, picture[None].astype(np.float32))[0]
            return flow

        return flow_to

    def _solve(self, first: ArrayF32, second: ArrayF32) -> ArrayF32:
        found = self._ready(first.shape)(torch.from_numpy(first), torch.from_numpy(second))
        flow: ArrayF32 = found[0].numpy()
        return flow

    def _prepare(self, pair: tuple[int, int, int]) -> Function:
        """The flow of two stacks of the shape (N, H, W)."""
        count, *shape = pair
        solve = tensor_flow(self._flow, (shape[0], shape[1]), count, self._device)
        if self._device.startswith("cuda") and self.name in _RECORDED:
            blank = torch.zeros(pair), torch.zeros(pair)
            return RecordedGraph(lambda *given: (solve(*given),), blank, self._device)

        def run(*given: Tensor) -> tuple[Tensor, ...]:
            with torch.inference_mode():
                return (solve(*(each.to(self._device) for each in given)).cpu(),)

        return run
