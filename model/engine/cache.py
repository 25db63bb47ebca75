"""Built engines on disk, each with what it depends on and with PyTorch's answers.

A file is used only if everything it depends on is unchanged. It runs as native code: built for
other weights, another GPU or another library version, it gives wrong answers or crashes.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from model.engine.equality import FixedAnswers, read_truth
from model.machine import user_cache
from model.text import parse_json

NOT_BUILT = "not built yet"
MEGABYTES_KEPT = 512
"""Limit on all files together. The file that was unused for longest is deleted first."""


def cache_folder() -> Path:
    """The default folder for built engines."""
    return user_cache() / "engines"


_DAY_S = 24 * 3600.0
_STALE_S = {"*.partial*": _DAY_S, "*.failed": 30 * _DAY_S}
"""Age at which leftovers are deleted: partial files of killed builds, and notes of failed ones
(`model.engine.failures`)."""


class EngineFile:
    """One built engine's file and the description beside it: `FOLDER/engine-….bin` in the cache,
    or a path of its own."""

    def __init__(
        self, key: Mapping[str, str], folder: Path | None = None, path: Path | None = None
    ) -> None:
        """`key`: everything the engine depends on, by name. In the cache, "engine", "weights",
        "shapes" and "gpu", if there is one, make up the file's name. `find` checks that the whole
        key agrees with the description."""
        self.key = dict(key)
        self._cached = path is None
        named = [self.key.get(name, "") for name in ("engine", "weights", "shapes", "gpu")]
        digest = hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]
        cached = (folder or cache_folder()) / f"{self.key['engine']}-{digest}.bin"
        self.path = path or cached

    def find(self) -> str:
        """Why the file cannot be used, in words; empty if it is whole and has this key."""
        try:
            described = parse_json(self._description.read_text())
            data = self.path.read_bytes()
        except FileNotFoundError:
            return NOT_BUILT
        except (OSError, ValueError):
            return "its description cannot be read"
        known = described.get("key") if isinstance(described, dict) else None
        if not isinstance(known, dict) or hashlib.sha256(data).hexdigest() != described.get(
            "sha256"
        ):
            return "the file is damaged"
        for name, value in self.key.items():
            before = known.get(name)
            if before != value:
                return f"built for {name} {_short(before)}, this is {_short(value)}"
        try:
            read_truth(described["truth"])
        except (KeyError, TypeError, ValueError):
            return "its description does not say what PyTorch answers"
        if self._cached:
            with suppress(OSError):  # the cache may be read-only
                self.path.touch()  # the file used last is kept longest
        return ""

    def truth(self) -> FixedAnswers:
        """PyTorch's answers with the same weights. Call it only if `find` returned empty."""
        return read_truth(parse_json(self._description.read_text())["truth"])

    def write(self, build: Callable[[Path], None], truth: FixedAnswers) -> None:
        """Let `build` write the file, whole or not at all. `truth` holds PyTorch's answers. Raises
        what `build` raises."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}.partial")
        try:
            build(partial)
            digest = hashlib.sha256(partial.read_bytes()).hexdigest()
            document = {"key": self.key, "sha256": digest, "truth": truth.plain()}
            # Until both files are new, the hash does not fit and `find` calls the file damaged.
            partial.replace(self.path)
            self._description.write_text(json.dumps(document) + "\n")
        finally:
            partial.unlink(missing_ok=True)
        if self._cached:
            _trim(self.path.parent, spared=self.path)

    @property
    def _description(self) -> Path:
        return self.path.with_suffix(".json")


def _short(value: object) -> str:
    """`value` as text; of a hash only the beginning."""
    text = str(value)
    return text[:12] if len(text) == 64 else text


def _trim(folder: Path, spared: Path) -> None:
    for pattern, stale_s in _STALE_S.items():
        for left in folder.glob(pattern):
            with suppress(OSError):  # another program may trim too
                if time.time() - left.stat().st_mtime > stale_s:
                    left.unlink()
    known = [(path, _stat(path)) for path in folder.glob("*.bin")]
    files = sorted(((s.st_mtime, s.st_size, path) for path, s in known if s), reverse=True)
    total = 0
    for _, size, path in files:
        total += size
        if total > MEGABYTES_KEPT * 2**20 and path != spared:
            with suppress(OSError):
                path.unlink()
                path.with_suffix(".json").unlink()


def _stat(path: Path) -> os.stat_result | None:
    """None if the file has been deleted meanwhile."""
    with suppress(OSError):
        return path.stat()
    return None
