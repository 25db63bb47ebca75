"""Optical flow by name.

    flow = load_flow("lk")
    uv = flow(first, second)        # (N, H, W) grey twice -> (N, 2, H, W) float32 px

Amplitudes of different methods cannot be mixed, because some lose half of a sub-pixel motion. So a
checkpoint names the flow it was trained on, and its parameters.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.lazy_loading import load_entry
from model.records import ArrayF32, ImageU8

FLOWS = {
    "lk": "model.flow.lk:LucasKanade",
    "dis": "model.flow.dis:DIS",
    "tvl1": "model.flow.tvl1:TVL1",
}

TENSOR_FLOWS = {
    "lk": "model.flow.gpu.lk_tensor:TensorLucasKanade",
    "tvl1": "model.flow.gpu.tvl1_tensor:TensorTVL1",
}
"""Flows that a GPU can compute too; see `model.flow.gpu`."""

Grey = ImageU8 | ArrayF32
"""Grey levels 0 to 255, uint8 or float32."""


class Flow(Protocol):
    """A dense optical flow."""

    @property
    def name(self) -> str:
        """Its name in `FLOWS`."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """Arguments with which `load_flow` builds it again; stored in checkpoints."""

    def __call__(self, first: Grey, second: Grey) -> ArrayF32:
        """The motion from `first` to `second`, both (N, H, W) grey levels 0 to 255, uint8 or
        float32, of one shape.

        Returns (N, 2, H, W) float32 px, (u right, v down), at the pixels of `first`; always finite.
        Raises `InputError` for anything else.
        """


class FlowParameters:
    """Gives a flow that is a dataclass its `parameters`: the fields."""

    @property
    def parameters(self) -> Mapping[str, float]:
        return {f.name: float(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]


def load_flow(name: str, **parameters: float) -> Flow:
    """The flow called `name` in `FLOWS`. Raises `InputError` if there is none, or if a parameter is
    wrong."""
    build = load_entry(FLOWS, name, "flow")
    try:
        flow: Flow = build(**parameters)
    except TypeError:
        given = ", ".join(sorted(parameters))
        known = ", ".join(build().parameters)
        raise InputError(f"flow {name!r} has no parameter among {given}: it has {known}") from None
    return flow


def check_pair(first: Grey, second: Grey) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both stacks as (N, H, W) float32. Raises `InputError` if they are unusable. Every flow calls
    this first."""
    check_shapes(first, second)
    return check_grey(first), check_grey(second)


def check_shapes(first: Grey, second: Grey) -> None:
    """Raise `InputError` unless both are stacks (N, H, W) of one shape."""
    if first.ndim != 3 or first.shape != second.shape:
        raise InputError(
            f"flow needs two stacks (N, H, W) of one shape, got {first.shape} and {second.shape}"
        )


def check_grey(stack: Grey) -> NDArray[np.float32]:
    """A copy of the stack (N, H, W) as float32. Raises `InputError` if it is unusable."""
    if min(stack.shape[1:]) < 8:
        raise InputError(f"flow needs pictures of 8 px or more, got {stack.shape[1:]}")
    if stack.dtype not in (np.uint8, np.float32):
        raise InputError(f"flow needs uint8 or float32 grey levels, got {stack.dtype}")
    if stack.dtype == np.float32 and not np.isfinite(stack).all():
        raise InputError("flow needs finite grey levels, got NaN or infinity")
    return stack.astype(np.float32)
