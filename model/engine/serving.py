"""A network at work: on the best engine that is ready, on a better one as soon as that is built,
and on a plainer one if it fails."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from model.checkpoint import load_network
from model.cuda_graph import Function
from model.engine import ENGINES, ORDER, Engine
from model.engine.building import Build, kept_for
from model.engine.cache import NOT_BUILT, Kept
from model.engine.equality import Equality, compared, example
from model.engine.forward import Forward
from model.errors import InputError, told
from model.tables import load_entry


@dataclass(frozen=True)
class Loaded:
    """An engine that may serve."""

    name: str
    """In `ENGINES`."""
    device: str
    description: str
    function: Callable[[], Function]
    """Loads the same for tensors on its device."""
    forward: Forward
    equality: Equality | None
    """None for plain PyTorch on the CPU, which is what others are compared with."""


@dataclass(frozen=True)
class _Wanted:
    """An engine that is better than what serves, and has to be built first."""

    engine: Engine
    kept: Kept
    why: str
    """Why what lies in the cache, if anything does, cannot serve."""


class Serving:
    """A network's `forward` for any number of inputs on the CPU. Called from one thread at a time;
    `line`, `trouble` and `close` from any."""

    def __init__(
        self,
        checkpoint: Path,
        *,
        device: str = "cpu",
        engine: str = "auto",
        batch: int = 1,
        folder: Path | None = None,
    ) -> None:
        """`engine` is "auto", and then the first of `ORDER` that is ready serves while a better one
        is built, or a name in `ENGINES`, which is built here and now if it has to be. Engines are
        built for `batch` inputs at a time and kept in `folder`, by default the cache's own.

        Raises `InputError` for an engine that is asked for by name and cannot be had, with the
        reason and what would bring it, and `CheckpointError` for a checkpoint that is none.
        """
        self._checkpoint, self._device = checkpoint, device
        self._batch, self._folder = batch, folder
        self._network = load_network(checkpoint)[1]
        self.reasons: dict[str, str] = {}
        """By name, why an engine that was tried does not serve."""
        self.built: dict[str, str] = {}
        """By name, why an engine was built in this run."""
        self._trouble = ""
        self._building = ""
        self._begun_s = 0.0
        self._build: Build | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loaded, wanted = self._by_name(engine) if engine != "auto" else self._best()
        if wanted:
            self._thread = threading.Thread(
                target=self._build_behind, args=(wanted,), name="engine-build"
            )
            self._thread.start()

    def __call__(
        self, onset_apex: Tensor, apex_offset: Tensor, has_offset: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What a network's `forward` takes and returns, on the CPU. An engine that fails is left
        for the next plainer one, at last for PyTorch on the CPU; only what that raises is
        raised."""
        while True:
            loaded = self._loaded
            try:
                return _sliced(loaded.forward, self._batch, (onset_apex, apex_offset, has_offset))
            except Exception as error:
                if (loaded.name, loaded.device) == ("eager", "cpu"):
                    raise
                self._fall(loaded, told(error))

    @property
    def device(self) -> str:
        """That it was opened for."""
        return self._device

    @property
    def loaded(self) -> Loaded:
        """The engine that serves now."""
        return self._loaded

    def line(self) -> str:
        """What serves, and what is being built, for whoever looks."""
        building = self._building
        if not building:
            return self._loaded.description
        why = self.built[building]
        again = "" if why == NOT_BUILT else f": {why}"
        seconds = time.perf_counter() - self._begun_s
        return f"{self._loaded.description} ({building} is being built{again}, {seconds:.0f} s)"

    def trouble(self) -> str:
        """What failed while it served, and what does in its place; empty if nothing failed."""
        return self._trouble

    def wait(self) -> None:
        """Until nothing is being built any more."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """End what is being built. Answers can still be had."""
        self._closed.set()
        with self._lock:
            if self._build is not None:
                self._build.stop()
        self.wait()

    def _by_name(self, name: str) -> tuple[Loaded, list[_Wanted]]:
        engine = cast(Engine, load_entry(ENGINES, name, "engine")(self._device))
        if why := engine.absent():
            raise InputError(f"--engine {name}: {why}")
        kept = self._kept(engine)
        if kept is not None and (missing := kept.find()):
            self.built[name] = missing
            why = Build(name, self._checkpoint, self._device, self._batch, self._folder).wait()
            if why:
                raise InputError(f"--engine {name}: {why}; use --engine auto")
        loaded = self._load(engine, kept)
        if isinstance(loaded, str):
            raise InputError(f"--engine {name}: {loaded}; use --engine auto")
        return loaded, []

    def _best(self) -> tuple[Loaded, list[_Wanted]]:
        wanted: list[_Wanted] = []
        for name in ORDER[self._device.partition(":")[0]]:
            engine = cast(Engine, load_entry(ENGINES, name, "engine")(self._device))
            self.reasons[name] = engine.absent()
            if self.reasons[name]:
                continue
            kept = self._kept(engine)
            if kept is not None and (why := kept.find()):
                self.reasons[name] = why
                wanted.append(_Wanted(engine, kept, why))
                continue
            loaded = self._load(engine, kept)
            if isinstance(loaded, Loaded):
                return loaded, wanted
            self.reasons[name] = loaded
        return self._plainest(), wanted

    def _kept(self, engine: Engine) -> Kept | None:
        if not engine.built:
            return None
        return kept_for(engine, self._checkpoint, self._batch, self._folder)

    def _load(self, engine: Engine, kept: Kept | None) -> Loaded | str:
        """The engine ready to serve, or why it must not."""
        if (engine.name, self._device) == ("eager", "cpu"):
            return self._plainest()
        network = load_network(self._checkpoint)[1]
        path = None if kept is None else kept.path
        try:
            inputs = example(network, self._batch)
            forward = engine.load(network, inputs, path)
            equality = compared(self._network, forward, self._batch, engine.tolerance)
        except Exception as error:  # native libraries raise whatever they like
            return told(error)
        if equality.refusal:
            return equality.refusal

        def function() -> Function:
            return engine.function(load_network(self._checkpoint)[1], inputs, path)

        described = engine.describe()
        return Loaded(engine.name, self._device, described, function, forward, equality)

    def _plainest(self) -> Loaded:
        engine = cast(Engine, load_entry(ENGINES, "eager", "engine")("cpu"))
        inputs = example(self._network, self._batch)
        forward = engine.load(self._network, inputs, None)

        def function() -> Function:
            return engine.function(self._network, inputs, None)

        return Loaded("eager", "cpu", f"{engine.describe()}, CPU", function, forward, None)

    def _build_behind(self, wanted: list[_Wanted]) -> None:
        """Build them in order until one serves."""
        for each in wanted:
            name = each.engine.name
            with self._lock:
                if self._closed.is_set():
                    return
                self._begun_s = time.perf_counter()
                self.built[name] = each.why
                self._building = name
                self._build = Build(name, self._checkpoint, self._device, self._batch, self._folder)
            why = self._build.wait()
            loaded = why or self._load(each.engine, each.kept)
            self._building = ""
            if isinstance(loaded, str):
                self.reasons[name] = loaded
                continue
            self.reasons[name] = ""
            with self._lock:
                if not self._trouble:  # a device that failed once is not tried again
                    self._loaded = loaded
            return

    def _fall(self, failed: Loaded, why: str) -> None:
        self.reasons[failed.name] = why
        loaded: Loaded | str = ""
        if failed.name != "eager":
            eager = cast(Engine, load_entry(ENGINES, "eager", "engine")(self._device))
            loaded = self._load(eager, None)
        with self._lock:
            self._loaded = loaded if isinstance(loaded, Loaded) else self._plainest()
            self._trouble = (
                f"{failed.name} failed on {failed.device}: {why}; "
                f"{self._loaded.description} serves in its place"
            )


def _sliced(
    forward: Forward, batch: int, given: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """`forward`, which takes `batch` inputs, for as many as there are."""
    count = len(given[0])
    if count == batch:
        return forward(*given)
    classes, units = [], []
    for start in range(0, count, batch):
        part = [each[start : start + batch] for each in given]
        short = batch - len(part[0])
        first, second, known = (F.pad(e, [0, 0] * (e.dim() - 1) + [0, short]) for e in part)
        found = forward(first, second, known)
        classes.append(found[0][: batch - short])
        units.append(found[1][: batch - short])
    return torch.cat(classes), torch.cat(units)
