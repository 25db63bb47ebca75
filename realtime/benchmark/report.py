"""The files of a benchmark's report, and the facts about where it ran."""

import json
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.files import read_json
from model.inference.checkpoint import checkpoint_digest, checkpoint_path
from model.machine import choose_device, cores, driver, machine, system
from realtime.config import LiveConfig
from realtime.results.run_summary import installed_versions, list_versions
from realtime.sessions.clock_anchors import format_utc

LIVE_FORMAT, PARTS_FORMAT = "fmanet-live benchmark 1", "fmanet-live parts 1"
FILES = {LIVE_FORMAT: "report.json", PARTS_FORMAT: "parts.json"}
"""File name by format. A format keeps the numbers that readers rely on."""
SAMPLES, PAGE = "samples.parquet", "report.md"

_EXTRAS = ("torch-tensorrt", "triton", "playwright", "pyarrow", "psutil", "gradio", "websockets")


def write_json(folder: Path, kind: str, report: Mapping[str, Any]) -> Path:
    """Write `report`, of the format `kind`, into its file in `folder`; return the path."""
    path = folder / FILES[kind]
    text = json.dumps({"format": kind, **report}, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def read_report(folder: Path, kind: str) -> dict[str, Any]:
    """Read the report of the format `kind` in `folder`. Raises `InputError` if there is none."""
    path = folder / FILES[kind]
    report = read_json(path)
    found = report.get("format") if isinstance(report, dict) else None
    if found != kind:
        raise InputError(
            f"{path} has the format {found!r}, and this version reads {kind!r}: run it again"
        )
    return dict(report)


def gather_facts(config: LiveConfig, command: Sequence[str]) -> dict[str, Any]:
    """Return machine, versions, commit, weights and command as JSON values, for every report."""
    device = choose_device(config.device)
    weights = checkpoint_digest(checkpoint_path(config.classifier))
    gpu = None
    if device != "cpu":
        import torch

        gpu = {"driver": driver(), "cuda": torch.version.cuda}
    return {
        "at": format_utc(time.time()),
        "command": shlex.join(["fmanet", "bench", *command]),
        "machine": machine(),
        "system": system(),
        "cores": cores(),
        "device": device,
        "gpu": gpu,
        "versions": list_versions() | installed_versions(_EXTRAS),
        "commit": find_commit(),
        "weights": {"name": config.classifier, "sha256": weights},
    }


def find_commit() -> str | None:
    """Return this program's commit, with "+" if files differ from it; None outside a repository."""
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
