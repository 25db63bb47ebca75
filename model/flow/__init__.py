"""Optical flow by name.

    flow = load_flow("lk")
    uv = flow(first, second)        # (N, H, W) grey twice -> (N, 2, H, W) float32 px

Amplitudes of different methods are not interchangeable (some lose half of a sub-pixel motion), so
a checkpoint names the flow that it was trained on, and its parameters.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.records import ArrayF32, ImageU8
from model.registry import load_entry

FLOWS = {
    "lk": "model.flow.lk:LucasKanade",
    "dis": "model.flow.dis:DIS",
    "tvl1": "model.flow.tvl1:TVL1",
}

TENSOR_FLOWS = {
    "lk": "model.flow.gpu.lk_tensor:TensorLucasKanade",
    "tvl1": "model.flow.gpu.tvl1_tensor:TensorTVL1",
}
"""Those that a GPU computes too; see `model.flow.gpu.gpu_flow`."""

Grey = ImageU8 | ArrayF32
"""Grey levels 0 to 255, uint8 or float32."""


class Flow(Protocol):
    """A dense optical flow."""

    @property
    def name(self) -> str:
        """Its name in `FLOWS`."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """What `load_flow(name, **parameters)` needs to build it again; goes into checkpoints."""

    def __call__(self, first: Grey, second: Grey) -> ArrayF32:
        """Motion from `first` to `second`.

        Both are (N, H, W), uint8 or float32 grey levels 0 to 255, of one shape. Returns
        (N, 2, H, W) float32 px, (u right, v down), on the pixels of `first`; always finite.
        Raises `InputError` on anything else.
        """


def load_flow(name: str, **parameters: float) -> Flow:
    """The flow of that name in `FLOWS`; `InputError` if there is none or a parameter is wrong."""
    build = load_entry(FLOWS, name, "flow")
    try:
        flow: Flow = build(**parameters)
    except TypeError:
        given = ", ".join(sorted(parameters))
        known = ", ".join(build().parameters)
        raise InputError(f"flow {name!r} has no parameter among {given}: it has {known}") from None
    return flow


def flow_on(flow: Flow, device: str) -> Flow:
    """`flow` computed on `device`, or as it is where it cannot be."""
    if device.startswith("cuda") and flow.name in TENSOR_FLOWS:
        from model.flow.gpu.gpu_flow import DeviceFlow  # with PyTorch

        return DeviceFlow(flow, device)
    return flow


def check_pair(first: Grey, second: Grey) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both stacks as (N, H, W) float32, or `InputError`. Every flow calls this first."""
    if first.ndim != 3 or first.shape != second.shape:
        raise InputError(
            f"flow needs two stacks (N, H, W) of one shape, got {first.shape} and {second.shape}"
        )
    if min(first.shape[1:]) < 8:
        raise InputError(f"flow needs pictures of 8 px or more, got {first.shape[1:]}")
    for stack in (first, second):
        if stack.dtype not in (np.uint8, np.float32):
            raise InputError(f"flow needs uint8 or float32 grey levels, got {stack.dtype}")
        if stack.dtype == np.float32 and not np.isfinite(stack).all():
            raise InputError("flow needs finite grey levels, got NaN or infinity")
    return first.astype(np.float32), second.astype(np.float32)
