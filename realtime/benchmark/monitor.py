"""The load on the machine during a run: processor time, memory, a GPU's load and power.

It is read from outside the measured threads, a few times a second. Processor time of this process
and its children (a browser) is kept apart from everything else on the machine, so a figure from a
busy machine shows it.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self

import psutil

from realtime.stream.clock import monotonic_s

EVERY_S = 0.25


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
    """Share of time in which the GPU computed; None if unknown."""
    gpu_w: float | None


class Monitor:
    """Reads the machine in its own thread, from the start of `with` to its end."""

    def __init__(self, device: str) -> None:
        self._process = psutil.Process()
        self._device = device
        self._readings: list[Reading] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="monitor")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def readings(self, start_s: float, end_s: float) -> tuple[Reading, ...]:
        """Return the readings from `start_s` to `end_s` of the monotonic clock; their times count
        from `start_s`."""
        found = [r for r in self._readings if start_s <= r.at_s <= end_s]
        return tuple(replace(r, at_s=r.at_s - start_s) for r in found)

    def _watch(self) -> None:
        before = self._times()
        while not self._stop.wait(EVERY_S):
            now = self._times()
            wall, own, children, busy = (b - a for a, b in zip(before, now, strict=True))
            before = now
            children = max(0.0, children)  # a child that ended takes its time with it
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
        """Clock, and processor seconds of this process, its children, and the whole machine."""
        own = self._process.cpu_times()
        children = 0.0
        for child in self._process.children(recursive=True):
            with suppress(psutil.Error):  # ended since it was listed
                times = child.cpu_times()
                children += times.user + times.system
        all_times = psutil.cpu_times()
        # Guests' time is in user time already.
        idle = ("idle", "iowait", "guest", "guest_nice")
        busy = sum(all_times) - sum(getattr(all_times, name, 0.0) for name in idle)
        return monotonic_s(), own.user + own.system, children, busy

    def _gpu(self) -> tuple[float | None, float | None]:
        """Return the percentage of time in which the GPU computed, and its W, from NVIDIA's
        library."""
        if self._device == "cpu":
            return None, None
        import torch

        def ask(question: Any) -> float | None:
            try:
                return float(question(self._device))
            except Exception:  # no nvidia-ml-py, or a GPU that does not tell
                return None

        watts = ask(torch.cuda.power_draw)
        return ask(torch.cuda.utilization), None if watts is None else watts / 1e3
