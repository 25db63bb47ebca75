"""The load on the machine during a run: processor time, memory, a GPU's load and power.

The processor time of this process, of its children (a browser) and of everything else on the
machine are measured separately, so the figures show whether the machine was busy.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import psutil

from realtime.stream.clock import monotonic_s
from realtime.stream.processor_time import processor_seconds


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine at one moment; processor figures are means since the previous reading."""

    at_s: float
    """Seconds since the first measured frame was due."""
    cores: float
    """Processor time of this process, in cores."""
    children: float
    """The same for its child processes."""
    others: float
    """The same for everything else on the machine."""
    memory_mb: float
    """Resident memory of this process, 10⁶ bytes."""
    gpu_percent: float | None
    """Percentage of time in which the GPU computed; None if unknown."""
    gpu_w: float | None
    """Power of the GPU, W; None if unknown."""


class Monitor:
    """Takes readings of the machine, in one thread, which must not be one of the measured ones."""

    def __init__(self, device: str) -> None:
        self._process = psutil.Process()
        self._device = device
        self._readings: list[Reading] = []
        self._before = self._times()

    def readings(self, start_s: float, end_s: float) -> tuple[Reading, ...]:
        """Return the readings from `start_s` to `end_s` of the monotonic clock, with times counted
        from `start_s`."""
        found = [r for r in self._readings if start_s <= r.at_s <= end_s]
        return tuple(replace(r, at_s=r.at_s - start_s) for r in found)

    def read(self) -> None:
        """Take a reading. Call it a few times a second."""
        now = self._times()
        wall, own, children, busy = (b - a for a, b in zip(self._before, now, strict=True))
        self._before = now
        children = max(0.0, children)  # below 0 if a child has ended since the last reading
        gpu_percent, gpu_w = self._gpu()
        self._readings.append(
            Reading(
                at_s=monotonic_s(),
                cores=own / wall,
                children=children / wall,
                others=max(0.0, busy - own - children) / wall,
                memory_mb=self._process.memory_info().rss / 1e6,
                gpu_percent=gpu_percent,
                gpu_w=gpu_w,
            )
        )

    def _times(self) -> tuple[float, float, float, float]:
        """Return the clock, and the processor seconds of this process, its children, and the whole
        machine."""
        own = self._process.cpu_times()
        children = 0.0
        for child in self._process.children(recursive=True):
            with suppress(psutil.Error):  # ended since it was listed
                times = child.cpu_times()
                children += times.user + times.system
        busy, _ = processor_seconds()
        return monotonic_s(), own.user + own.system, children, busy

    def _gpu(self) -> tuple[float | None, float | None]:
        """Return `gpu_percent` and `gpu_w`, from NVIDIA's library."""
        if self._device == "cpu":
            return None, None
        import torch

        def ask(question: Any) -> float | None:
            try:
                return float(question(self._device))
            except Exception:  # no nvidia-ml-py, or the GPU does not report it
                return None

        watts = ask(torch.cuda.power_draw)
        return ask(torch.cuda.utilization), None if watts is None else watts / 1e3
