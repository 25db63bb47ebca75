"""Where and with what a benchmark ran: no figure goes without it."""

import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import psutil

from model.inference.checkpoint import checkpoint_digest, checkpoint_path
from model.machine import choose_device, cores, machine, system
from realtime.benchmark.nvml import open_gpu
from realtime.config import LiveConfig
from realtime.results.summary import installed_versions, versions
from realtime.sessions.clock_anchors import iso

_EXTRAS = ("torch-tensorrt", "triton", "playwright", "pyarrow", "psutil", "gradio", "websockets")


def facts(config: LiveConfig, command: Sequence[str]) -> dict[str, Any]:
    """Machine, versions, commit, weights and command, as plain values."""
    device = choose_device(config.device)
    gpu = open_gpu(device)
    driver = None
    if gpu is not None:
        driver = gpu.driver()
        gpu.close()
    weights = checkpoint_digest(checkpoint_path(config.classifier))
    return {
        "at": iso(time.time()),
        "command": shlex.join(["python", "-m", "realtime.benchmark", *command]),
        "machine": machine(),
        "system": system(),
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "device": device,
        "driver": driver,
        "cuda": None if device == "cpu" else _cuda(),
        "opencv_threads": cv2.getNumThreads(),
        "versions": versions() | installed_versions(_EXTRAS),
        "commit": commit(),
        "weights": {"name": config.classifier, "sha256": weights},
        "flow": config.flow,
    }


def commit() -> str | None:
    """The commit that this program is, with "+" if files differ from it; None outside of a
    repository."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        run = subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True
        )
        return run.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _cuda() -> str | None:
    """That PyTorch was built for, where a GPU is used."""
    import torch

    return torch.version.cuda
