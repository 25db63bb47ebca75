"""Finds the slowest kernels, with PyTorch's profiler."""

from collections.abc import Callable, Mapping

import torch

from model.engine.equality import example_inputs
from model.engine.export import tensors
from model.engine.pytorch_engine import Eager, Graphed
from model.flow import load_flow
from model.flow.gpu.gpu_flow import tensor_flow
from model.inference.checkpoint import checkpoint_path, load_network
from realtime.benchmark.gpu.pictures import make_pictures
from realtime.benchmark.gpu.rows import Report

DEAREST = 3
CALLS = 5
Work = Callable[[], object]


def profile_part(report: Report) -> None:
    """List the slowest kernels of both flows and the network; on a CPU, PyTorch's operations."""
    head = ("work", "kernel", "calls", "µs a call", "share of the work")
    report.section("The dearest kernels", *head)
    for name in list_works(report.device, report.size_px):
        report.attempt(f"profile of {name}", add_profile, name)


def list_works(device: str, size: int) -> Mapping[str, Callable[[], Work]]:
    """Functions that prepare each task, by name: both flows, and FMANet in FP16."""

    def flow(name: str) -> Work:
        pair = [torch.from_numpy(each).to(device) for each in make_pictures((size, size), 2)]
        solve = tensor_flow(load_flow(name), (size, size), 2, device)
        return lambda: solve(*pair)

    def network() -> Work:
        fmanet, given = load_network(checkpoint_path("fmanet"))[1], example_inputs("flows", 1)
        placed = [each.to(device) for each in tensors(given)]
        engine = Graphed(device) if device.startswith("cuda") else Eager(device)
        run = engine.function(lambda: fmanet, given, None)
        return lambda: run(*placed)

    return {"lk": lambda: flow("lk"), "tvl1": lambda: flow("tvl1"), "FMANet": network}


def add_profile(report: Report, name: str) -> None:
    cuda, calls = report.cuda, CALLS if report.cuda else 1
    work = list_works(report.device, report.size_px)[name]()
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
