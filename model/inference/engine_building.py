"""Building an engine's file: in this process, or in a separate one during a run.

A build takes seconds to minutes. In this process it would hold Python's lock and stall capture and
analysis, and a compiler crash would end the session.
"""

import signal
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from model.engine import Engine
from model.engine.cache import EngineFile
from model.engine.equality import compare_answers, example_inputs
from model.engine.onnxruntime_engine import ONNXRuntime
from model.errors import InputError, error_line, explain_missing
from model.inference.checkpoint import checkpoint_digest, load_network

if TYPE_CHECKING:
    from torch import nn

_PATIENCE_S = 3.0
_ENDED = (130, 143, -signal.SIGINT, -signal.SIGTERM)
_REPOSITORY = Path(__file__).parents[2]  # `-m model.engine` is found from here, installed or not


def engine_file(engine: Engine, checkpoint: Path, batch: int, folder: Path | None) -> EngineFile:
    """Where `engine`'s file for the `checkpoint` is kept: in `folder`, by default the cache's."""
    return EngineFile(_key(engine, checkpoint, batch), folder)


def onnx_file_beside(checkpoint: Path) -> EngineFile:
    """Where the ONNX file beside a `checkpoint` is kept, for one input at a time."""
    key = _key(ONNXRuntime("cpu"), checkpoint, 1)
    return EngineFile(key, path=checkpoint.with_suffix(".onnx"))


def build_here(engine: Engine, checkpoint: Path, batch: int, folder: Path | None) -> EngineFile:
    """Build in this process. On failure, raises `InputError` with the reason in one line and
    notes it in the cache (`EngineFile.note_failure`)."""
    file = engine_file(engine, checkpoint, batch, folder)
    try:
        _build_file(engine, checkpoint, batch, file)
    except InputError as error:
        file.note_failure(str(error))
        raise
    file.clear_failure()
    return file


def export_here(checkpoint: Path) -> EngineFile:
    """Write the ONNX file beside the `checkpoint`, and keep it only if its answers equal
    PyTorch's. On failure, raises `InputError` with the reason in one line."""
    engine = ONNXRuntime("cpu")
    file = _build_file(engine, checkpoint, 1, onnx_file_beside(checkpoint))
    network = partial(trained_network, checkpoint)
    forward = engine.load(network, example_inputs(file.read_answers().inputs, 1), file.path)
    if why := compare_answers(file.read_answers(), forward, 1, engine.tolerance).refusal:
        file.path.unlink()
        raise InputError(f"{file.path} cannot be used and is gone again: {why}")
    return file


def _build_file(engine: Engine, checkpoint: Path, batch: int, file: EngineFile) -> EngineFile:
    if find_spec("torch") is None:
        raise InputError(f"{engine.name} cannot be built: {explain_missing('torch')}")
    from model.engine.pytorch_engine import plain_truth

    network = trained_network(checkpoint)
    truth = plain_truth(network)
    try:
        given = example_inputs(truth.inputs, batch)
        file.write(lambda path: engine.build(network, given, path), truth)
    except Exception as error:  # compilers and exporters raise anything
        raise InputError(f"{engine.name} cannot be built: {error_line(error)}") from error
    return file


def trained_network(checkpoint: Path) -> "nn.Module":
    """The network of a checkpoint, on the CPU in evaluation mode."""
    return load_network(checkpoint)[1]


def _key(engine: Engine, checkpoint: Path, batch: int) -> dict[str, str]:
    return {
        "engine": engine.name,
        "weights": checkpoint_digest(checkpoint),
        "shapes": f"batch {batch}",
        **engine.versions(),
    }


class Build:
    """A build in a separate process. One thread may `wait`; any thread may `stop` it."""

    def __init__(
        self, engine: str, checkpoint: Path, device: str, batch: int, folder: Path | None
    ) -> None:
        options = ["--engine", engine, "--classifier", str(checkpoint.resolve())]
        options += ["--device", device, "--batch", str(batch)]
        if folder is not None:
            options += ["--cache", str(folder.resolve())]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "model.engine", "build", *options],
            cwd=_REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def wait(self) -> str | None:
        """Wait for the build to end. Returns why it failed; None if it built the file."""
        _, errors = self._process.communicate()
        if self._process.returncode == 0:
            return None
        lines = [line for line in errors.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit code {self._process.returncode}"
        return reason.removeprefix("error: ")

    @property
    def was_stopped(self) -> bool:
        """Whether someone stopped it. If so, the build may still be possible."""
        return self._process.returncode in _ENDED

    def stop(self) -> None:
        """Stop the build. Its partial file is deleted, unless it has to be killed."""
        end_process(self._process)


def end_process(process: subprocess.Popen[str], patience_s: float = _PATIENCE_S) -> None:
    """Ask `process` to end, and kill it after `patience_s`: a compiler's native code may take
    minutes to react."""
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
