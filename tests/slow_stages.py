"""A stage of the program made slower on purpose, to see that the benchmark sees it.

The program itself knows nothing of it: the stage's function is replaced while it lasts.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import model.inference.naming
from model.face.aligner import FaceAligner
from realtime.spotting.motion import Motion
from realtime.spotting.spotter import Spotter

STAGES: dict[str, tuple[Any, str]] = {
    "face": (FaceAligner, "align"),
    "motion": (Motion, "push"),
    "spot": (Spotter, "push"),
    "flow": (model.inference.naming, "phase_flows"),
}
"""By stage: what holds its function, and the function's name."""


@contextmanager
def slow_down(stage: str, ms: float, every: int = 1) -> Iterator[None]:
    """Every `every`-th run of `stage` takes `ms` more. A great `ms` at a great `every` is a stall
    of the whole program."""
    holder, name = STAGES[stage]
    original: Callable[..., Any] = getattr(holder, name)
    runs = 0

    def slower(*arguments: Any) -> Any:
        nonlocal runs
        runs += 1
        if runs % every == 0:
            time.sleep(ms / 1e3)
        return original(*arguments)

    setattr(holder, name, slower)
    try:
        yield
    finally:
        setattr(holder, name, original)
