"""Describes the machine: the GPU, its software, and its limits."""

import platform

import cv2
import numpy as np
import torch

from model.engine.toolchain import explain_no_headers, versions
from model.machine import cores, driver, processor, system
from realtime.benchmark.gpu.rows import Report
from realtime.benchmark.gpu.timing import floor_on
from realtime.results.run_summary import installed_versions

REPORTED = (
    *("triton", "torch-tensorrt", "tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-rtx"),
    *("onnxruntime", "onnxscript", "ai-edge-litert", "mediapipe"),
)


def machine_part(report: Report) -> None:
    """List processor, GPU, driver and versions; then measure bytes and launches per ms."""
    report.section("Machine", "what", "is")
    report.row("processor", f"{cores()} cores, {processor()}")
    report.row("system", f"{system()}, Python {platform.python_version()}")
    report.row("torch", f"{torch.__version__}, CUDA {torch.version.cuda}, driver {driver()}")
    contributed = "with" if hasattr(cv2, "optflow") else "without"
    report.row("OpenCV", f"{cv2.__version__}, {contributed} TV-L1; NumPy {np.__version__}")
    installed = dict.fromkeys(REPORTED, "not installed") | installed_versions(REPORTED)
    for name, found in {**installed, **versions()}.items():
        report.row(name, found or "not set")
    if not report.cuda:
        report.add("left out", "the GPU's limits: no GPU")
        return
    report.row("CUDA's headers", explain_no_headers() or "found")
    report.attempt("the GPU's name", add_gpu)
    report.attempt("bytes and launches", add_limits)


def add_gpu(report: Report) -> None:
    found = torch.cuda.get_device_properties(report.device)
    capability = f"compute capability {found.major}.{found.minor}"
    size = f"{found.total_memory / 2**30:.0f} GiB, {found.multi_processor_count} multiprocessors"
    report.row("GPU", f"{found.name}, {capability}, {size}")


def add_limits(report: Report) -> None:
    floor = floor_on(report.device)
    report.row("its memory, GB/s", floor.bytes_per_ms / 1e6)
    report.row("a launch within a graph, µs", 1e3 * floor.launch_ms)
    report.row("page-locked memory to the GPU, GB/s", floor.to_gpu_bytes_per_ms / 1e6)
    report.row("page-locked memory from the GPU, GB/s", floor.from_gpu_bytes_per_ms / 1e6)
