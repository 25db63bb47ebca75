"""For which systems and Pythons wheels of everything that the program needs exist.

    python tests/wheels.py          or: make resolve

Asks the package index by way of uv; installs nothing. Exit code 1 if a promised combination has no
whole set of wheels. Where one has none, the dependencies that block it are named.
"""

import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PROMISED = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux arm64": "aarch64-manylinux_2_28",
    "macOS arm64": "aarch64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
}
OTHERS = {
    "macOS x86-64": "x86_64-apple-darwin",
    "Windows arm64": "aarch64-pc-windows-msvc",
}
"""Shown too, so that one sees when they become possible."""
MACOS = "14.0"  # the oldest that torch has wheels for


def main() -> int:
    """Print the table; the exit code."""
    if find_spec("uv") is None:
        print("error: uv is not installed: `make resolve` brings it", file=sys.stderr)
        return 2
    failed = False
    print(f"{'':16}", *(f"{python:8}" for python in PYTHONS))
    for system, platform in {**PROMISED, **OTHERS}.items():
        print(f"{system:16}", end=" ", flush=True)
        missing: dict[str, str] = {}
        for python in PYTHONS:
            why = resolve(platform, python, [str(PROJECT)])
            if why:
                missing[python] = blockers(platform, python) or why
            print(f"{'no' if why else 'yes':8}", end=" ", flush=True)
        print("" if system in PROMISED else "(not promised)")
        for python, names in missing.items():
            print(f"    {python}: {names}")
        failed |= bool(missing) and system in PROMISED
    return int(failed)


def blockers(platform: str, python: str) -> str:
    """The dependencies of which not one allowed release has a wheel, with commas."""
    listed = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    return ", ".join(
        requirement.partition(";")[0]
        for requirement in listed
        if resolve(platform, python, ["--no-deps", "-"], requirement)
    )


def resolve(platform: str, python: str, what: list[str], given: str = "") -> str:
    """Empty if wheels for all of it exist; otherwise uv's words."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--only-binary",
        ":all:",
        "--no-header",
    ]
    command += ["--python-platform", platform, "--python-version", python, *what]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS, "NO_COLOR": "1"}
    ran = subprocess.run(
        command, input=given, env=environment, capture_output=True, text=True, check=False
    )
    return " ".join(ran.stderr.split()) or "uv failed" if ran.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
