"""What an engine makes of a network: its `forward`, for inputs of one fixed shape."""

from collections.abc import Callable

from torch import Tensor

Inputs = tuple[Tensor, Tensor, Tensor]
"""What a network's `forward` takes (`model.classifiers`), on the CPU."""

Forward = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""A network's `forward` for tensors on the CPU. Its answers lie there too, and are the caller's to
keep."""
