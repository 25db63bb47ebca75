"""Runs a network on the best engine that is ready, switches to a better one once it is built, and
falls back to a plainer one if it fails."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from model.engine import ENGINES, ORDER, Engine, make_engine
from model.engine.cache import NOT_BUILT, EngineFile
from model.engine.equality import Equality, FixedAnswers, compare_answers, example_inputs
from model.engine.forward import Arrays, Forward, in_batches
from model.engine.onnxruntime_engine import ONNXRuntime
from model.errors import InputError, describe_error, error_line, explain_missing
from model.inference.checkpoint import describe_checkpoint
from model.inference.engine_building import Build, engine_file, onnx_file_beside, trained_network
from model.records import ArrayF32

if TYPE_CHECKING:
    from torch import nn

    from model.flow.gpu.cuda_graph import Function

TORCH_THREADS = 1
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
    file: EngineFile
    why: str
    """Why there is no usable file in the cache."""


class Serving:
    """A network's `forward` for any number of inputs. Call it from one thread at a time; any thread
    may call `describe` and `close`."""

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
        self.build_reasons: dict[str, str] = {}
        """By name, why each engine built in this run had to be built."""
        self.trouble = ""
        """Which engine failed while it served, and which took over; empty if none failed."""
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

    def describe(self) -> str:
        """Which engine serves and which is being built, in a line for a person."""
        building = self._building
        if not building:
            return self.loaded.description
        why = self.build_reasons[building]
        again = "" if why == NOT_BUILT else f": {why}"
        seconds = time.perf_counter() - self._begun_s
        return f"{self.loaded.description} ({building} is being built{again}, {seconds:.0f} s)"

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
        remedy = ""
        try:
            engine = self._engine(name)
            remedy = "; use --engine auto"
            file, why = self._find(engine)
            if why:
                self.build_reasons[name] = why
                if why := self._start_build(name).wait():
                    raise InputError(why)
            return self._load(engine, file), []
        except Exception as error:  # native libraries raise anything
            raise InputError(f"--engine {name}: {describe_error(error)}{remedy}") from error

    def _best(self) -> tuple[LoadedEngine, list[_PendingBuild]]:
        wanted: list[_PendingBuild] = []
        for name in ORDER[self.device.partition(":")[0]]:
            try:
                engine = self._engine(name)
                file, why = self._find(engine)
                if file is None or why is None:
                    return self._load(engine, file), wanted
                failed = file.read_failure()
                self.reasons[name] = failed or why
                if failed is None:
                    wanted.append(_PendingBuild(engine, file, why))
            except Exception as error:
                # Native libraries and half installed packages raise anything.
                self.reasons[name] = describe_error(error)
        return self._plainest(), wanted

    def _engine(self, name: str) -> Engine:
        """The engine called `name`. Raises `InputError` with the reason if it cannot run here."""
        if name in ENGINES and name not in WITHOUT_TORCH and find_spec("torch") is None:
            raise InputError(explain_missing("torch"))
        engine = make_engine(name, self.device)
        if why := engine.find_obstacle():
            raise InputError(why)
        return engine

    def _start_build(self, name: str) -> Build:
        return Build(name, self._checkpoint, self.device, self._batch, self._folder)

    def _find(self, engine: Engine) -> tuple[EngineFile | None, str | None]:
        """The engine's file, None if the engine needs none; and why the file cannot serve, None if
        it can."""
        if not engine.has_file:
            return None, None
        stale = ""
        if engine.name == "onnx" and self._batch == 1:
            beside = onnx_file_beside(self._checkpoint)
            if not (why := beside.check()):
                return beside, None
            if beside.path.exists():
                stale = f"{beside.path.name}: {why}; "
        file = engine_file(engine, self._checkpoint, self._batch, self._folder)
        why = file.check()
        return file, None if why is None else stale + why

    def _load(self, engine: Engine, file: EngineFile | None) -> LoadedEngine:
        """The engine, ready to serve. Raises `InputError` if its answers differ, or anything that
        it raises."""
        if (engine.name, self.device) == ("eager", "cpu"):
            return self._plainest()
        path = None if file is None else file.path
        inputs = example_inputs(self._inputs, self._batch)
        forward = engine.load(self._network, inputs, path)
        truth = self._truth() if file is None else file.read_answers()
        equality = compare_answers(truth, forward, self._batch, engine.tolerance)
        if equality.refusal:
            raise InputError(equality.refusal)
        function = partial(engine.function, self._network, inputs, path)
        return LoadedEngine(
            engine.name, self.device, engine.describe(), function, forward, equality
        )

    def _plainest(self) -> LoadedEngine:
        if find_spec("torch") is None:
            raise InputError(
                _without_torch(self._checkpoint, self.reasons.get("onnx", "not tried"))
            )
        engine = make_engine("eager", "cpu")
        inputs = example_inputs(self._inputs, self._batch)
        forward = engine.load(self._network, inputs, None)
        function = partial(engine.function, self._network, inputs, None)
        return LoadedEngine("eager", "cpu", f"{engine.describe()}, CPU", function, forward, None)

    def _network(self) -> "nn.Module":
        import torch

        torch.set_num_threads(TORCH_THREADS)
        return trained_network(self._checkpoint)

    def _truth(self) -> FixedAnswers:
        if self._plain_truth is None:
            from model.engine.pytorch_engine import plain_truth

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
                self.build_reasons[name] = each.why
                self._building = name
                self._build = self._start_build(name)
            why = self._build.wait()
            if why is None:
                try:
                    loaded = self._load(each.engine, each.file)
                except Exception as error:  # native libraries raise anything
                    why = describe_error(error)
            elif not self._closed.is_set() and not self._build.was_stopped:
                # The build process does this itself, unless it died.
                each.file.note_failure(why)
            self._building = ""
            if why is None:
                self.reasons.pop(name, None)
                with self._lock:
                    if not self.trouble:  # do not retry a device that failed
                        self.loaded = loaded
                return
            self.reasons[name] = why

    def _fall(self, failed: LoadedEngine, why: str) -> None:
        self.reasons[failed.name] = why
        loaded = None
        if failed.name != "eager":
            with suppress(Exception):  # a lost device raises anything
                eager = make_engine("eager", self.device)
                loaded = self._load(eager, None)
        with self._lock:
            self.loaded = loaded or self._plainest()
            self.trouble = (
                f"{failed.name} failed on {failed.device}: {why}; "
                f"{self.loaded.description} serves in its place"
            )


def forward_of(checkpoint: Path, device: str) -> Forward:
    """The network of `checkpoint` for any number of inputs; builds nothing. On a CPU it runs the
    ONNX file beside the checkpoint if that fits, otherwise PyTorch on `device`. Raises `InputError`
    if neither is available, `CheckpointError` if the file is no checkpoint."""
    engine = ONNXRuntime(device)
    why = engine.find_obstacle()
    if why is None:
        beside = onnx_file_beside(checkpoint)
        why = beside.check()
        if why is None:
            truth = beside.read_answers()
            network = partial(trained_network, checkpoint)
            forward = engine.load(network, example_inputs(truth.inputs, 1), beside.path)
            why = compare_answers(truth, forward, 1, engine.tolerance).refusal
            if why is None:
                return lambda *given: in_batches(forward, 1, given)
    if find_spec("torch") is None:
        raise InputError(_without_torch(checkpoint, why))
    from model.engine.pytorch_engine import plain_forward

    return plain_forward(trained_network(checkpoint), device)


def _without_torch(checkpoint: Path, why: str | None) -> str:
    """The message if only PyTorch could run a network and it is not installed."""
    return (
        f"{checkpoint.name} cannot be run without PyTorch ({checkpoint.stem}.onnx: {why}): "
        "pip install torch onnx onnxscript; or, where they are installed: "
        f"fmanet engine export {checkpoint}"
    )
