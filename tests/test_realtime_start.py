"""A run on a CPU loads what it needs, and starts without what it does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import run_live
from model.errors import explain_missing
from model.inference.shipped_weights import WEIGHTS

ROOT = Path(run_live.__file__).parent
TIMEOUT_S = 120
HEAVY = {
    *("torch", "onnx", "onnxscript", "gradio", "fastapi", "uvicorn", "pandas", "psutil"),
    *(
        "mediapipe",
        "matplotlib",
        "scipy",
        "skimage",
        "pyarrow",
        "openpyxl",
        "sounddevice",
    ),
}
DEMO = ("--source", "demo", "--width", "320", "--height", "240", "--headless", "--seconds", "1")

RUN = """
import runpy
import sys
{before}
sys.argv = ["program", *{arguments!r}]
try:
    runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
    code = 0
except SystemExit as end:
    code = end.code
print("loaded:", *sorted({heavy!r} & sys.modules.keys()), file=sys.stderr)
sys.exit(code)
"""
# What an import finds where PyTorch is not installed.
WITHOUT_TORCH = """
import importlib.util
find = importlib.util.find_spec
hidden = {"torch", "onnx", "onnxscript"}
importlib.util.find_spec = lambda name, *rest: None if name in hidden else find(name, *rest)
sys.modules.update(dict.fromkeys(hidden))
"""


def run(module: str, *arguments: object, before: str = "") -> "subprocess.CompletedProcess[str]":
    given = [str(argument) for argument in arguments]
    code = RUN.format(before=before, arguments=given, module=module, heavy=HEAVY)
    # `sys.modules` has the hidden ones as None.
    code = code.replace("sys.modules.keys()", "{n for n, m in sys.modules.items() if m}")
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def loaded(done: "subprocess.CompletedProcess[str]") -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stderr.rpartition("loaded:")[2].split()


def test_a_headless_run_loads_neither_pytorch_nor_the_page() -> None:
    assert loaded(run("run_live", *DEMO)) == []


def test_an_analysis_loads_neither_pytorch_nor_the_page(tmp_path: Path) -> None:
    demo = ("demo", "--width", "320", "--height", "240", "--seconds", "1")
    done = run("realtime.analyze", *demo, "--out", tmp_path / "tables")
    assert set(loaded(done)) <= {"pyarrow", "pandas", "scipy"}  # for tables and intervals


def test_a_run_does_without_pytorch() -> None:
    done = run("run_live", *DEMO, before=WITHOUT_TORCH)
    assert done.returncode == 0, done.stderr
    assert "fmanet by ONNX Runtime" in done.stdout


def test_what_needs_pytorch_says_so_in_a_line(tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    shutil.copyfile(WEIGHTS / "ststnet.safetensors", own)
    done = run("run_live", *DEMO, "--classifier", own, before=WITHOUT_TORCH)
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said[0].startswith("error: own.safetensors cannot be run without PyTorch (own.onnx: ")
    assert said[0].endswith(f"fmanet engine export {own}")

    for options in (("--engine", "eager"), ("--device", "cuda")):
        done = run("run_live", *DEMO, *options, before=WITHOUT_TORCH)
        assert done.returncode == 2
        assert explain_missing("torch") in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("model.engine", "export", "ststnet"),
        ("model.evaluate",),
        ("model.train", "fmanet", "--out", "x"),
    ],
)
def test_commands_that_need_pytorch_say_so(words: tuple[str, ...]) -> None:
    done = run(*words, before=WITHOUT_TORCH)
    assert done.returncode == 2
    assert explain_missing("torch") in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_is_built_without_pytorch() -> None:
    code = """
import sys
from realtime.config import LiveConfig
from realtime.ui.server import LiveSession, build_server
from calibrate.guide import Guide
config = LiveConfig(source="demo", device="cpu")
build_server(LiveSession(config), config, Guide())
print(*({"torch", "onnx", "onnxscript"} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
