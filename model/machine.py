"""What machine a figure was measured on, in a line: no figure goes without it."""

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import torch

from model.errors import InputError


def machine() -> str:
    """ "4 cores, AMD EPYC 7763, no GPU": cores that this process may use, processor, GPU."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{cores()} cores, {processor()}, {gpu}"


def checked_device(device: str) -> str:
    """`device` of torch ("cpu", "cuda", "cuda:1") if this machine has it; otherwise `InputError`,
    here and not after minutes of other work."""
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise InputError(f"--device {device}: choose cpu, cuda or cuda:N")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {device}: no such CUDA device is available, use --device cpu")
    return device


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name, or its architecture where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


@cache
def driver() -> str:
    """Version of the NVIDIA driver, "none" without one."""
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "none"
    return found.stdout.partition("\n")[0].strip() or "none"
