"""Built engines on disk, each with what it holds for, and with what PyTorch answered.

A file is taken only where all of that is still so: it runs as native code, and one built for other
weights, another GPU or another library version gives wrong answers or none.
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
"""Of all files together; the ones longest unused go first."""


def cache_folder() -> Path:
    """Where built engines lie."""
    return user_cache() / "engines"


_DAY_S = 24 * 3600.0
_STALE_S = {"*.partial*": _DAY_S, "*.failed": 30 * _DAY_S}
"""Of builds that were killed, and notes of those that failed (`model.engine.failures`)."""


class Kept:
    """One built engine's place on disk, its description beside it: `FOLDER/engine-….bin` in the
    cache, or wherever else."""

    def __init__(
        self, key: Mapping[str, str], folder: Path | None = None, path: Path | None = None
    ) -> None:
        """`key`: whatever the engine depends on, by name; "engine", "weights", "shapes" and, if
        there is one, "gpu" name the file in the cache, the rest has to agree with what lies
        there, all of it where the file is at `path`."""
        self.key = dict(key)
        self._cached = path is None
        named = [self.key.get(name, "") for name in ("engine", "weights", "shapes", "gpu")]
        digest = hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]
        cached = (folder or cache_folder()) / f"{self.key['engine']}-{digest}.bin"
        self.path = path or cached

    def find(self) -> str:
        """Empty if a whole file with this key lies there; otherwise why not, in words."""
        try:
            said = parse_json(self._description.read_text())
            data = self.path.read_bytes()
        except FileNotFoundError:
            return NOT_BUILT
        except (OSError, ValueError):
            return "its description cannot be read"
        known = said.get("key") if isinstance(said, dict) else None
        if not isinstance(known, dict) or hashlib.sha256(data).hexdigest() != said.get("sha256"):
            return "the file is damaged"
        for name, value in self.key.items():
            before = known.get(name)
            if before != value:
                return f"built for {name} {_short(before)}, this is {_short(value)}"
        try:
            read_truth(said["truth"])
        except (KeyError, TypeError, ValueError):
            return "its description does not say what PyTorch answers"
        if self._cached:
            with suppress(OSError):  # a cache that others wrote can be read all the same
                self.path.touch()  # what was used last is kept longest
        return ""

    def truth(self) -> FixedAnswers:
        """What PyTorch answers with the same weights; of a file that is found."""
        return read_truth(parse_json(self._description.read_text())["truth"])

    def write(self, build: Callable[[Path], None], truth: FixedAnswers) -> None:
        """Have `build` write the file, whole or not at all; raises what it raises. `truth`: what
        PyTorch answers."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}.partial")
        try:
            build(partial)
            digest = hashlib.sha256(partial.read_bytes()).hexdigest()
            said = {"key": self.key, "sha256": digest, "truth": truth.plain()}
            # Until both are new, the hash does not fit, and the file counts as damaged.
            partial.replace(self.path)
            self._description.write_text(json.dumps(said) + "\n")
        finally:
            partial.unlink(missing_ok=True)
        if self._cached:
            _trim(self.path.parent, spared=self.path)

    @property
    def _description(self) -> Path:
        return self.path.with_suffix(".json")


def _short(value: object) -> str:
    """Of a hash its beginning."""
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
    """None where it is gone meanwhile."""
    with suppress(OSError):
        return path.stat()
    return None
