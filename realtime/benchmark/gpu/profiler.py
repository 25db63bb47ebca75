"""Finds the slowest kernels, with PyTorch's profiler and, if permitted, with NVIDIA's ncu.

python -m realtime.benchmark.gpu.profiler cuda:0     runs each task a few times, for ncu
"""

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping

import torch

from model.engine.eager import Eager, Graphed
from model.engine.equality import example_inputs
from model.engine.export import tensors
from model.errors import InputError
from model.flow import load_flow
from model.flow.gpu.gpu_flow import tensor_flow
from model.inference.checkpoint import checkpoint_path, load_network
from realtime.benchmark.gpu.pictures import pictures
from realtime.benchmark.gpu.rows import Report

DEAREST = 3
CALLS = 5
METRICS = {
    "gpu__time_duration.sum": "duration",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "of the multiprocessors' peak",
    "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed": "of the memory's peak",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy",
    "launch__registers_per_thread": "registers",
}
"""The metrics to ask ncu for, and their names here."""
NCU_S = 90
Work = Callable[[], object]


def profile_part(report: Report) -> None:
    """List the slowest kernels of both flows and the network; on a CPU, PyTorch's operations."""
    head = ("work", "kernel", "calls", "µs a call", "share of the work")
    report.section("The dearest kernels", *head)
    dear: dict[str, float] = {}
    for name in works(report.device, report.size_px):
        report.attempt(f"profile of {name}", add_profile, name, dear)
    if not report.cuda:
        report.add("left out", "ncu: no GPU")
        return
    report.section("By ncu", "kernel", *METRICS.values())
    for name in sorted(dear, key=lambda each: -dear[each])[:DEAREST]:
        report.attempt(f"ncu of {name}", add_ncu, name)


def works(device: str, size: int) -> Mapping[str, Callable[[], Work]]:
    """Functions that prepare each task, by name: both flows, and FMANet in FP16."""

    def flow(name: str) -> Work:
        pair = [torch.from_numpy(each).to(device) for each in pictures((size, size), 2)]
        solve = tensor_flow(load_flow(name), (size, size), 2, device)
        return lambda: solve(*pair)

    def network() -> Work:
        fmanet, given = load_network(checkpoint_path("fmanet"))[1], example_inputs("flows", 1)
        placed = [each.to(device) for each in tensors(given)]
        engine = Graphed(device) if device.startswith("cuda") else Eager(device)
        run = engine.function(lambda: fmanet, given, None)
        return lambda: run(*placed)

    return {"lk": lambda: flow("lk"), "tvl1": lambda: flow("tvl1"), "FMANet": network}


def add_profile(report: Report, name: str, dear: dict[str, float]) -> None:
    cuda, calls = report.cuda, CALLS if report.cuda else 1
    work = works(report.device, report.size_px)[name]()
    activities = [torch.profiler.ProfilerActivity.CPU]
    if cuda:
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.inference_mode():
        work()  # compiles
        with torch.profiler.profile(activities=activities) as found:
            for _ in range(calls):
                work()
            if cuda:
                torch.cuda.synchronize(report.device)
    wanted = "CUDA" if cuda else "CPU"
    spent = {
        each.key: (each.count, each.self_device_time_total if cuda else each.self_cpu_time_total)
        for each in found.key_averages()
        if each.device_type.name == wanted
    }
    total_us = sum(us for _, us in spent.values())
    if not total_us:
        raise RuntimeError("the profiler saw nothing run")
    for key in sorted(spent, key=lambda each: -spent[each][1])[:DEAREST]:
        count, us = spent[key]
        report.row(name, key, count // calls, us / count, f"{us / total_us:.0%}")
        dear[key] = max(dear.get(key, 0.0), us / calls)


def add_ncu(report: Report, kernel: str) -> None:
    ncu = shutil.which("ncu")
    if ncu is None:
        raise InputError("it is not on the PATH")
    command = [ncu, "--csv", "--metrics", ",".join(METRICS), "--launch-skip", "1"]
    command += ["--launch-count", "1", "--kernel-name", f"regex:^{base_name(kernel)}$"]
    command += [sys.executable, "-m", "realtime.benchmark.gpu.profiler", report.device]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=NCU_S)
    found = read_ncu(ended.stdout)
    if not found:
        errors = [line for line in ended.stdout.splitlines() if line.startswith("==ERROR==")]
        raise RuntimeError(
            errors[0] if errors else f"ncu printed no metric, exit code {ended.returncode}"
        )
    report.row(base_name(kernel), *(found.get(metric, "") for metric in METRICS))


def base_name(kernel: str) -> str:
    """The kernel's name in ncu: `copy` for `void at::native::copy<float>(int)`."""
    plain = re.sub(r"^(void|int)\s+", "", kernel)
    plain = re.split(r"[<(]", plain, maxsplit=1)[0] if not plain.startswith("(") else plain
    return plain.rpartition("::")[2].strip()


def read_ncu(text: str) -> dict[str, str]:
    """Value and unit of each metric in `text`, the output of `ncu --csv` and of the program."""
    lines = text.splitlines()
    begin = next((n for n, line in enumerate(lines) if line.startswith('"ID",')), len(lines))
    return {
        row["Metric Name"]: f"{row['Metric Value']} {row.get('Metric Unit') or ''}".strip()
        for row in csv.DictReader(lines[begin:])
        if row.get("Metric Name") in METRICS and row.get("Metric Value")
    }


def main() -> None:
    """Run each task a few times."""
    device = sys.argv[1]
    with torch.inference_mode():
        for make in works(device, 224).values():
            work = make()
            for _ in range(3):
                work()
    torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
