"""What machine this is, in a line to print with every figure, and which device to compute on."""

import ctypes
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from model.errors import InputError, explain_missing


def machine() -> str:
    """ "4 cores, AMD EPYC 7763, no GPU": cores that this process may use, processor, GPU."""
    gpu = "no GPU"
    if has_driver() and find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            gpu = torch.cuda.get_device_name()
    return f"{cores()} cores, {processor()}, {gpu}"


def choose_device(asked: str) -> str:
    """The torch device to run on: `cpu` or `cuda:N`.

    `auto` takes the first CUDA device if there is one. Raises `InputError` if the device asked for
    is absent: a silent fallback would show only in the latencies.
    """
    kind, colon, number = asked.partition(":")
    if asked not in ("auto", "cpu") and not (
        kind == "cuda" and (number.isdecimal() if colon else True)
    ):
        raise InputError(f"--device {asked}: choose auto, cpu, cuda or cuda:N")
    if asked == "cpu":
        return "cpu"
    if asked == "auto" and not (has_driver() and find_spec("torch")):
        return "cpu"
    if find_spec("torch") is None:
        raise InputError(f"--device {asked}: {explain_missing('torch')}; or use --device cpu")
    import torch  # takes a second: a machine without a GPU need not wait for it

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda:0" if found else "cpu"
    index = int(number or 0)
    if index < found:
        return f"cuda:{index}"
    if found:
        raise InputError(f"--device {asked}: this machine has cuda:0 to cuda:{found - 1}")
    why = (
        "no NVIDIA driver or GPU was found"
        if torch.version.cuda
        else f"torch {torch.__version__} was built without CUDA"
    )
    raise InputError(f"--device {asked}: {why}; use --device cpu, or install what is missing")


def explain_unused_gpu(device: str) -> str | None:
    """Why a run on `device` does not use the NVIDIA GPU that seems to be here, with the remedy.
    None if no driver is found, `device` is a GPU, or the CPU was chosen though PyTorch could use
    the GPU."""
    if device != "cpu" or not has_driver():
        return None
    if find_spec("torch") is None:
        return f"an NVIDIA driver is here, and the CPU is used: {explain_missing('torch')}"
    import torch

    if torch.version.cuda is None:
        return (
            f"an NVIDIA driver is here, and the CPU is used: torch {torch.__version__} was built "
            "without CUDA; install PyTorch's build for CUDA"
        )
    if torch.cuda.is_available():
        return None
    return "an NVIDIA driver is here, and the CPU is used: PyTorch finds no device that it can use"


def use_threads(number: int) -> None:
    """Let torch compute with `number` threads on the CPU. Raises `InputError` below 1."""
    import torch

    if number < 1:
        raise InputError(f"--threads {number}: choose 1 or more, {cores()} at most make sense here")
    torch.set_num_threads(number)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name, or its architecture if the system does not give the name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def system() -> str:
    """Operating system, its version without the vendor's own suffix, and architecture."""
    release = platform.release().partition("-")[0]
    return f"{platform.system()} {release} {platform.machine()}"


@cache
def has_driver() -> bool:
    """Whether an NVIDIA driver is installed; PyTorch finds no CUDA device without one. This looks
    for the driver's library, which takes a millisecond; importing PyTorch takes a second."""
    name = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


@cache
def driver() -> str:
    """Version of the NVIDIA driver, "none" without one."""
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "none"
    return found.stdout.partition("\n")[0].strip() or "none"


def user_cache() -> Path:
    """This user's cache folder, for files that the program can make or fetch again. It is below
    `XDG_CACHE_HOME` if that is set, on any system."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        base = Path(given)
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path.home() / ".cache"
    return base / "fmanet-live"
