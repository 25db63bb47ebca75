"""What is installed where, and with which Python."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS = {  # as Python names them: sys_platform, platform_machine
    "Linux x86-64": ("linux", "x86_64"),
    "Linux arm64": ("linux", "aarch64"),
    "macOS arm64": ("darwin", "arm64"),
    "Windows x86-64": ("win32", "AMD64"),
}


def required(system: str, python: str) -> set[str]:
    """Names of all dependencies of that Python on that system."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    platform, machine = SYSTEMS[system]
    where = {"sys_platform": platform, "platform_machine": machine, "python_version": python}
    requirements = [Requirement(text) for text in listed["dependencies"]]
    return {r.name for r in requirements if r.marker is None or r.marker.evaluate(where)}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_mediapipe_is_required_where_it_has_wheels(system: str, python: str) -> None:
    names = required(system, python)
    has_wheels = system != "Linux arm64" and python in ("3.11", "3.12")
    assert ("mediapipe" in names) == has_wheels
    # Two builds of OpenCV overwrite each other's files, and mediapipe brings the first.
    opencv = {name for name in names if name.startswith("opencv")}
    assert opencv == {"opencv-contrib-python" if has_wheels else "opencv-contrib-python-headless"}
    assert {"torch", "ai-edge-litert", "numpy"} <= names


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder for stand-ins of programs, and the only PATH but for what make itself needs."""
    if (make := shutil.which("make")) is None:
        pytest.skip("no make here")
    for program in (make, *map(shutil.which, ("sh", "sed", "uname", "date", "touch", "grep"))):
        assert program is not None
        (tmp_path / Path(program).name).symlink_to(program)
    return tmp_path


def stand_in(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def make(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "PYTHON"))}
    return subprocess.run(
        ["make", *arguments, f"VENV={path / 'venv'}"],
        cwd=ROOT,
        env={**environment, "PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_takes_the_newest_python_that_runs(path: Path) -> None:
    # Launchers stand for versions that are not installed; systems have python3 without ensurepip.
    stand_in(path / "python3.14", "echo not installed >&2; exit 127")
    stand_in(path / "python3.13", f'exec "{sys.executable}" "$@"')
    stand_in(path / "python3.11", f'exec "{sys.executable}" "$@"')
    planned = make(path, "-n", "live")
    assert f'"python3.13" -m venv --clear {path / "venv"}' in planned.stdout


def test_make_lets_uv_bring_a_python_where_none_fits(path: Path) -> None:
    stand_in(path / "python3", "exit 1")
    stand_in(path / "uv", "exit 0")
    planned = make(path, "-n", "live")
    assert f"uv venv --seed --python '>=3.11,<3.15' {path / 'venv'}" in planned.stdout
    assert "uv pip install" in planned.stdout
    assert "-m pip" not in planned.stdout


def test_make_says_that_a_python_is_missing(path: Path) -> None:
    ran = make(path, "live")
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[0].startswith("error: no Python 3.11 to 3.14")
    assert not (path / "venv").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="PyPI's torch brings CUDA on Linux alone")
def test_make_takes_cuda_only_for_an_nvidia_gpu(path: Path) -> None:
    stand_in(path / "python3.13", f'exec "{sys.executable}" "$@"')
    stand_in(path / "nvidia-smi", "exit 0")
    assert "whl/cpu" not in make(path, "-n", "live").stdout
    if not Path("/proc/driver/nvidia").exists():
        stand_in(path / "nvidia-smi", "exit 9")  # without a driver
        planned = make(path, "-n", "live").stdout
        assert "--index-url https://download.pytorch.org/whl/cpu 'torch>=" in planned


def test_nobody_is_sent_to_a_registry_that_lacks_this_package() -> None:
    texts = [
        path for room in ("model", "realtime", "calibrate") for path in (ROOT / room).rglob("*.py")
    ]
    texts += [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert not [path for path in texts if "fmanet-live[" in path.read_text("utf-8")]
