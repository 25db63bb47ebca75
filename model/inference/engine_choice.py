"""Runs a network on the best engine that is ready, switches to a better one once it is built, and
falls back to a plainer one if it fails."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from model.engine import ENGINES, ORDER, Engine
from model.engine.cache import NOT_BUILT, EngineFile
from model.engine.equality import Equality, FixedAnswers, compare_answers, example
from model.engine.forward import Arrays, Forward, in_batches
from model.engine.ort import ONNXRuntime
from model.errors import InputError, error_line, missing
from model.inference.checkpoint import describe_checkpoint
from model.inference.engine_building import Build, engine_file, onnx_file_beside, trained_network
from model.lazy_loading import load_entry
from model.records import ArrayF32

if TYPE_CHECKING:
    from torch import nn

    from model.flow.gpu.cuda_graph import Function

THREADS = 1
"""PyTorch's threads on the CPU. Small batches gain nothing from more. With one thread per core,
the threads spin while they wait for each other and stall for seconds if another program keeps a
core busy."""
WITHOUT_TORCH = ("onnx",)
"""Engines that run where PyTorch is not installed."""


@dataclass(frozen=True)
class LoadedEngine:
    """An engine that is loaded and may serve."""

    name: str
    """Its name in `ENGINES`."""
    device: str
    description: str
    function: "Callable[[], Function]"
    """Loads the same engine for tensors on its device."""
    forward: Forward
    equality: Equality | None
    """None for plain PyTorch on the CPU, the reference for all others."""


@dataclass(frozen=True)
class _PendingBuild:
    """A better engine than the one that serves, still to be built."""

    engine: Engine
    kept: EngineFile
    why: str
    """Why there is no usable file in the cache."""


class Serving:
    """A network's `forward` for any number of inputs. Call it from one thread at a time; any thread
    may call `line`, `trouble` and `close`."""

    def __init__(
        self,
        checkpoint: Path,
        *,
        device: str = "cpu",
        engine: str = "auto",
        batch: int = 1,
        folder: Path | None = None,
    ) -> None:
        """Load an engine for `checkpoint`, and start building a better one if there is one.

        With `engine` "auto", the first of `ORDER` that is ready serves while a better one is built.
        A name in `ENGINES` chooses that engine, and waits for its build if it has no file yet.
        Engines are built for `batch` inputs at a time and kept in `folder`, by default the cache's.

        Raises `InputError`, with the reason and the remedy, if the named engine cannot be used, and
        `CheckpointError` if the file is no checkpoint.
        """
        self._checkpoint = checkpoint
        self.device = device
        """The device it was opened for."""
        self._batch, self._folder = batch, folder
        self._inputs = describe_checkpoint(checkpoint).inputs
        self._plain_truth: FixedAnswers | None = None
        self.reasons: dict[str, str] = {}
        """By name, why each engine that was tried does not serve."""
        self.built: dict[str, str] = {}
        """By name, why each engine built in this run had to be built."""
        self._trouble = ""
        self._building = ""
        self._begun_s = 0.0
        self._build: Build | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.loaded, wanted = self._by_name(engine) if engine != "auto" else self._best()
        """The engine that serves now."""
        if wanted:
            self._thread = threading.Thread(
                target=self._build_behind, args=(wanted,), name="engine-build"
            )
            self._thread.start()

    def __call__(
        self, onset_apex: ArrayF32, apex_offset: ArrayF32, has_offset: ArrayF32
    ) -> tuple[ArrayF32, ArrayF32]:
        """Run the network; takes and returns what its `forward` does. If an engine fails, a plainer
        one takes over, at last PyTorch on the CPU. Raises only what that raises, or what the engine
        raised if PyTorch is not installed."""
        given: Arrays = (onset_apex, apex_offset, has_offset)
        while True:
            loaded = self.loaded
            try:
                return in_batches(loaded.forward, self._batch, given)
            except Exception as error:
                if (loaded.name, loaded.device) == ("eager", "cpu") or not find_spec("torch"):
                    raise
                self._fall(loaded, error_line(error))

    def line(self) -> str:
        """Which engine serves and which is being built, in a line for a person."""
        building = self._building
        if not building:
            return self.loaded.description
        why = self.built[building]
        again = "" if why == NOT_BUILT else f": {why}"
        seconds = time.perf_counter() - self._begun_s
        return f"{self.loaded.description} ({building} is being built{again}, {seconds:.0f} s)"

    def trouble(self) -> str:
        """Which engine failed while it served, and which took over; empty if none failed."""
        return self._trouble

    def wait(self) -> None:
        """Wait until all builds have ended."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop any build. The network can still be called."""
        self._closed.set()
        with self._lock:
            if self._build is not None:
                self._build.stop()
        self.wait()

    def _by_name(self, name: str) -> tuple[LoadedEngine, list[_PendingBuild]]:
        engine = self._engine(name)
        if isinstance(engine, str):
            raise InputError(f"--engine {name}: {engine}")
        kept, why = self._find(engine)
        if why:
            self.built[name] = why
            why = Build(name, self._checkpoint, self.device, self._batch, self._folder).wait()
            if why:
                raise InputError(f"--engine {name}: {why}; use --engine auto")
        loaded = self._load(engine, kept)
        if isinstance(loaded, str):
            raise InputError(f"--engine {name}: {loaded}; use --engine auto")
        return loaded, []

    def _best(self) -> tuple[LoadedEngine, list[_PendingBuild]]:
        wanted: list[_PendingBuild] = []
        for name in ORDER[self.device.partition(":")[0]]:
            try:
                engine = self._engine(name)
                if isinstance(engine, str):
                    self.reasons[name] = engine
                    continue
                kept, why = self._find(engine)
            except Exception as error:  # packages that are half installed raise anything
                self.reasons[name] = error_line(error)
                continue
            self.reasons[name] = why
            if kept is not None and why:
                if failed := kept.read_failure():
                    self.reasons[name] = failed
                else:
                    wanted.append(_PendingBuild(engine, kept, why))
                continue
            loaded = self._load(engine, kept)
            if isinstance(loaded, LoadedEngine):
                return loaded, wanted
            self.reasons[name] = loaded
        return self._plainest(), wanted

    def _engine(self, name: str) -> Engine | str:
        """The engine called `name`, or why it cannot run here."""
        if name in ENGINES and name not in WITHOUT_TORCH and find_spec("torch") is None:
            return missing("torch")
        engine = cast(Engine, load_entry(ENGINES, name, "engine")(self.device))
        return engine.absent() or engine

    def _find(self, engine: Engine) -> tuple[EngineFile | None, str]:
        """Where the engine's file is kept, None if the engine needs no file; and why the file
        cannot serve, empty if it can."""
        if not engine.built:
            return None, ""
        stale = ""
        if engine.name == "onnx" and self._batch == 1:
            beside = onnx_file_beside(self._checkpoint)
            if not (why := beside.check()):
                return beside, ""
            if beside.path.exists():
                stale = f"{beside.path.name}: {why}; "
        kept = engine_file(engine, self._checkpoint, self._batch, self._folder)
        why = kept.check()
        return kept, why and stale + why

    def _load(self, engine: Engine, kept: EngineFile | None) -> LoadedEngine | str:
        """The engine, ready to serve, or why it must not serve."""
        if (engine.name, self.device) == ("eager", "cpu"):
            return self._plainest()
        path = None if kept is None else kept.path
        inputs = example(self._inputs, self._batch)
        try:
            forward = engine.load(self._network, inputs, path)
            truth = self._truth() if kept is None else kept.read_answers()
            equality = compare_answers(truth, forward, self._batch, engine.tolerance)
            described = engine.describe()
        except Exception as error:  # native libraries raise anything
            return error_line(error)
        if equality.refusal:
            return equality.refusal

        function = partial(engine.function, self._network, inputs, path)
        return LoadedEngine(engine.name, self.device, described, function, forward, equality)

    def _plainest(self) -> LoadedEngine:
        if find_spec("torch") is None:
            raise InputError(_without_torch(self._checkpoint, self.reasons.get("onnx", "")))
        engine = cast(Engine, load_entry(ENGINES, "eager", "engine")("cpu"))
        inputs = example(self._inputs, self._batch)
        forward = engine.load(self._network, inputs, None)
        function = partial(engine.function, self._network, inputs, None)
        return LoadedEngine("eager", "cpu", f"{engine.describe()}, CPU", function, forward, None)

    def _network(self) -> "nn.Module":
        import torch

        torch.set_num_threads(THREADS)
        return trained_network(self._checkpoint)

    def _truth(self) -> FixedAnswers:
        if self._plain_truth is None:
            from model.engine.eager import plain_truth

            self._plain_truth = plain_truth(self._network())
        return self._plain_truth

    def _build_behind(self, wanted: list[_PendingBuild]) -> None:
        """Build engines in order until one serves."""
        for each in wanted:
            name = each.engine.name
            with self._lock:
                if self._closed.is_set():
                    return
                self._begun_s = time.perf_counter()
                self.built[name] = each.why
                self._building = name
                self._build = Build(name, self._checkpoint, self.device, self._batch, self._folder)
            why = self._build.wait()
            if why and not self._closed.is_set() and not self._build.was_ended:
                # The build process does this itself, unless it died.
                each.kept.note_failure(why)
            loaded = why or self._load(each.engine, each.kept)
            self._building = ""
            if isinstance(loaded, str):
                self.reasons[name] = loaded
                continue
            self.reasons[name] = ""
            with self._lock:
                if not self._trouble:  # do not retry a device that failed
                    self.loaded = loaded
            return

    def _fall(self, failed: LoadedEngine, why: str) -> None:
        self.reasons[failed.name] = why
        loaded: LoadedEngine | str = ""
        if failed.name != "eager":
            eager = cast(Engine, load_entry(ENGINES, "eager", "engine")(self.device))
            loaded = self._load(eager, None)
        with self._lock:
            self.loaded = loaded if isinstance(loaded, LoadedEngine) else self._plainest()
            self._trouble = (
                f"{failed.name} failed on {failed.device}: {why}; "
                f"{self.loaded.description} serves in its place"
            )


def forward_of(checkpoint: Path, device: str) -> Forward:
    """The network of `checkpoint` for any number of inputs; builds nothing. On a CPU it runs the
    ONNX file beside the checkpoint if that fits, otherwise PyTorch on `device`. Raises `InputError`
    if neither is available, `CheckpointError` if the file is no checkpoint."""
    engine, why = ONNXRuntime(device), ""
    if device == "cpu" and not (why := engine.absent()):
        beside = onnx_file_beside(checkpoint)
        why = beside.check()
        if not why:
            truth = beside.read_answers()
            network = partial(trained_network, checkpoint)
            forward = engine.load(network, example(truth.inputs, 1), beside.path)
            why = compare_answers(truth, forward, 1, engine.tolerance).refusal
            if not why:
                return lambda *given: in_batches(forward, 1, given)
    if find_spec("torch") is None:
        raise InputError(_without_torch(checkpoint, why))
    from model.engine.eager import plain_forward

    return plain_forward(trained_network(checkpoint), device)


def _without_torch(checkpoint: Path, why: str) -> str:
    """The message if only PyTorch could run a network and it is not installed."""
    return (
        f"{checkpoint.name} cannot be run without PyTorch ({checkpoint.stem}.onnx: {why}): "
        "pip install torch onnx onnxscript; or, where they are installed: "
        f"python -m model.engine export {checkpoint}"
    )
