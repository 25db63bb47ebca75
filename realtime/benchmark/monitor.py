"""What a load costs the machine, while it runs: processor time, memory, energy.

Read from outside of the measured threads, a few times a second. Processor time is that of this
process and of what it started (a browser) apart from that of everything else on the machine: a
figure from a machine that was busy otherwise says so.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from realtime.benchmark.nvml import Gpu, open_gpu
from realtime.stream.clock import monotonic_s

EVERY_S = 0.25
_RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine at one moment; processor figures are means since the reading before."""

    at_s: float
    """Since the first measured frame was due."""
    cores: float
    """Cores' worth of processor time of this process."""
    children: float
    """The same of the processes that it started."""
    others: float
    """The same of everything else on the machine."""
    memory_mb: float
    """Resident memory of this process, 10⁶ bytes."""
    gpu_percent: float | None
    """Share of time in which the GPU computed; None where nothing tells."""
    gpu_memory_mb: float | None
    gpu_w: float | None
    cpu_w: float | None
    """Power of the processors (RAPL), with all else that ran on them; None where unreadable."""


class Monitor:
    """Reads the machine in a thread of its own, from `with` to its end."""

    def __init__(self, device: str) -> None:
        self._process = psutil.Process()
        self._gpu: Gpu | None = open_gpu(device)
        self._readings: list[Reading] = []
        self._threads: list[dict[str, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="monitor")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._gpu is not None:
            self._gpu.close()

    def readings(self, start_s: float, end_s: float) -> tuple[Reading, ...]:
        """What was read from `start_s` to `end_s` of the monotonic clock; their own times count
        from `start_s`."""
        found = [r for r in self._readings if start_s <= r.at_s <= end_s]
        return tuple(replace(r, at_s=r.at_s - start_s) for r in found)

    def threads(self, start_s: float, end_s: float) -> dict[str, float]:
        """Cores' worth of processor time by thread between these times, most first; empty where
        the system does not tell."""
        pairs = zip(self._readings, self._threads, strict=True)
        within = [(r.at_s, t) for r, t in pairs if start_s <= r.at_s <= end_s]
        if len(within) < 2:
            return {}
        (first_s, before), (last_s, after) = within[0], within[-1]
        wall_s = last_s - first_s
        spent = {name: (s - before.get(name, 0.0)) / wall_s for name, s in after.items()}
        return dict(sorted(spent.items(), key=lambda item: -item[1]))

    def _thread_times(self) -> dict[str, float]:
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        found: dict[str, float] = {}
        try:
            for thread in self._process.threads():
                name = names.get(thread.id, "not Python's")
                found[name] = found.get(name, 0.0) + thread.user_time + thread.system_time
        except psutil.Error:
            pass
        return found

    def _watch(self) -> None:
        before, energy = self._times(), _energy_uj()
        while not self._stop.wait(EVERY_S):
            now = self._times()
            wall, own, children, busy = (b - a for a, b in zip(before, now, strict=True))
            spent = _energy_uj()
            joules = _joules(energy, spent)
            before, energy = now, spent
            gpu = (None, None, None) if self._gpu is None else self._gpu.read()
            self._readings.append(
                Reading(
                    at_s=monotonic_s(),
                    cores=own / wall,
                    children=max(0.0, children) / wall,  # one that ended takes its time with it
                    others=max(0.0, busy - own - max(0.0, children)) / wall,
                    memory_mb=self._process.memory_info().rss / 1e6,
                    gpu_percent=gpu[0],
                    gpu_memory_mb=gpu[1],
                    gpu_w=gpu[2],
                    cpu_w=None if joules is None else joules / wall,
                )
            )
            self._threads.append(self._thread_times())

    def _times(self) -> tuple[float, float, float, float]:
        """Clock, and processor seconds of this process, its children, and the whole machine."""
        own = self._process.cpu_times()
        children = 0.0
        for child in self._process.children(recursive=True):
            try:
                times = child.cpu_times()
                children += times.user + times.system
            except psutil.Error:
                continue  # ended since it was listed
        all_times = psutil.cpu_times()
        idle = all_times.idle + getattr(all_times, "iowait", 0.0)
        # Guests' time is in user time already.
        guests = getattr(all_times, "guest", 0.0) + getattr(all_times, "guest_nice", 0.0)
        busy = sum(all_times) - idle - guests
        return monotonic_s(), own.user + own.system, children, busy


def _energy_uj() -> dict[Path, tuple[int, int]]:
    """Counter and its range, µJ, of each processor package that lets itself be read."""
    found = {}
    for package in _RAPL.glob("intel-rapl:?"):
        try:
            now = int((package / "energy_uj").read_text())
            found[package] = now, int((package / "max_energy_range_uj").read_text())
        except (OSError, ValueError):
            continue
    return found


def _joules(
    before: Mapping[Path, tuple[int, int]], after: Mapping[Path, tuple[int, int]]
) -> float | None:
    spent = [(after[p][0] - now) % span for p, (now, span) in before.items() if p in after]
    return sum(spent) / 1e6 if spent else None
