"""Building an engine's file: here, or in a process of its own beside a run that is going on.

A process of its own, because a build of seconds to minutes would hold Python's lock against
capture and analysis, and because what compilers do wrong must not end a session.
"""

import subprocess
import sys
from pathlib import Path

from model.checkpoint import checkpoint_digest, load_network
from model.engine import Engine
from model.engine.cache import Kept
from model.engine.equality import example
from model.errors import InputError, told

_PATIENCE_S = 3.0
_REPOSITORY = Path(__file__).parents[2]  # `-m model.engine` is found from here, installed or not


def kept_for(engine: Engine, checkpoint: Path, batch: int, folder: Path | None) -> Kept:
    """The place of what `engine` builds from the `checkpoint`'s weights, in `folder` or else the
    cache's own."""
    key = {
        "engine": engine.name,
        "weights": checkpoint_digest(checkpoint),
        "shapes": f"batch {batch}",
        **engine.versions(),
    }
    return Kept(key, folder)


def build_here(engine: Engine, checkpoint: Path, batch: int, folder: Path | None) -> Kept:
    """Build, in this process. `InputError` with what went wrong in one line if it fails."""
    _, network = load_network(checkpoint)
    kept = kept_for(engine, checkpoint, batch, folder)
    try:
        kept.write(lambda path: engine.build(network, example(network, batch), path))
    except Exception as error:  # compilers and exporters raise whatever they like
        raise InputError(f"{engine.name} cannot be built: {told(error)}") from error
    return kept


class Build:
    """A build in a process of its own. `wait` in one thread, `stop` from any."""

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

    def wait(self) -> str:
        """Until it has ended; empty if it built the file, otherwise why not."""
        _, said = self._process.communicate()
        if self._process.returncode == 0:
            return ""
        lines = [line for line in said.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit code {self._process.returncode}"
        return reason.removeprefix("error: ")

    def stop(self) -> None:
        """End it; what it wrote so far is gone, or goes with the cache's next build."""
        end(self._process)


def end(process: subprocess.Popen[str], patience_s: float = _PATIENCE_S) -> None:
    """Ask `process` to end, and end it if it does not: a compiler's native code may take minutes
    to listen."""
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
