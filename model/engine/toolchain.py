"""Finds the compilers on this machine that build engines."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_TIMEOUT_S = 10


def compiler() -> str | None:
    """Path of the C++ compiler that TorchInductor calls; None if there is none."""
    wanted = os.environ.get("CXX", "cl" if os.name == "nt" else "g++")
    return shutil.which(wanted) or shutil.which("clang++")


def explain_no_headers() -> str | None:
    """Why TorchInductor would not find CUDA's headers; None if it finds them. Needs PyTorch."""
    try:
        from torch.utils.cpp_extension import include_paths

        # An empty list means the system's own folder, which the compiler searches anyway.
        folders = include_paths("cuda", torch_include_dirs=False) or ["/usr/include"]
    except (OSError, ImportError) as error:
        return f"CUDA's toolkit is not found ({error}): install it, and set CUDA_HOME to its folder"
    if any((Path(folder) / "cuda_runtime_api.h").is_file() for folder in folders):
        return None
    return f"CUDA's headers are not in {folders[0]}: install its toolkit, and set CUDA_HOME"


def versions() -> Mapping[str, str]:
    """Path and version of each compiler, by its purpose, and the folder that CUDA_HOME or
    CUDA_PATH is set to."""
    found = {"compiler": compiler(), "nvcc": shutil.which("nvcc")}
    return {
        **{name: _describe(path) for name, path in found.items()},
        "CUDA_HOME": os.environ.get("CUDA_HOME", os.environ.get("CUDA_PATH", "")),
    }


def _describe(path: str | None) -> str:
    if path is None:
        return "none"
    asked = [path] if Path(path).stem.lower() == "cl" else [path, "--version"]
    try:
        text = subprocess.run(asked, capture_output=True, text=True, timeout=_TIMEOUT_S).stdout
    except (OSError, subprocess.SubprocessError):
        return path
    number = re.search(r"\d+\.\d+\.\d+", text)
    return f"{path}, {number[0]}" if number else path
