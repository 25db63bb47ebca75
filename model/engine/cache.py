"""Built engines on disk, each with what it depends on and with PyTorch's answers; notes of failed
builds, which `auto` does not try again until something they depend on changes.

A file is used only if everything it depends on is unchanged. It runs as native code: built for
other weights, another GPU or another library version, it gives wrong answers or crashes.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from model.engine.equality import FixedAnswers, parse_answers
from model.engine.toolchain import versions
from model.machine import driver, user_cache
from model.text import parse_json

NOT_BUILT = "not built yet"
FAILURE_LASTS_S = 7 * 24 * 3600.0
"""A failed build is tried again after this time: some causes, such as full memory, go away by
themselves."""


def cache_folder() -> Path:
    """The default folder for built engines."""
    return user_cache() / "engines"


class EngineFile:
    """One built engine's file and the description beside it: `FOLDER/engine-….bin` in the cache,
    or a path of its own."""

    def __init__(
        self, key: Mapping[str, str], folder: Path | None = None, path: Path | None = None
    ) -> None:
        """`key`: everything the engine depends on, by name. In the cache, "engine", "weights",
        "shapes" and "gpu", if there is one, make up the file's name. `check` tells whether the
        whole key agrees with the description."""
        self.key = dict(key)
        named = [self.key.get(name, "") for name in ("engine", "weights", "shapes", "gpu")]
        digest = hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]
        cached = (folder or cache_folder()) / f"{self.key['engine']}-{digest}.bin"
        self.path = path or cached

    def check(self) -> str | None:
        """Why the file cannot be used, in words; None if it is whole and has this key."""
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
            parse_answers(described["truth"])
        except (KeyError, TypeError, ValueError):
            return "its description does not say what PyTorch answers"
        return None

    def read_answers(self) -> FixedAnswers:
        """PyTorch's answers with the same weights. Call it only if `check` returned None."""
        return parse_answers(parse_json(self._description.read_text())["truth"])

    def write(self, build: Callable[[Path], None], truth: FixedAnswers) -> None:
        """Let `build` write the file, whole or not at all. `truth` holds PyTorch's answers. Raises
        what `build` raises."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}.partial")
        try:
            build(partial)
            digest = hashlib.sha256(partial.read_bytes()).hexdigest()
            document = {"key": self.key, "sha256": digest, "truth": truth.plain()}
            # Until both files are new, the hash does not fit and `check` calls the file damaged.
            partial.replace(self.path)
            self._description.write_text(json.dumps(document) + "\n")
        finally:
            partial.unlink(missing_ok=True)

    def note_failure(self, why: str) -> None:
        """Note that the file cannot be built here. If the note cannot be written, the build is
        tried again."""
        note = {"on": self._dependencies(), "at_s": time.time(), "why": why}
        with suppress(OSError):
            self._failure.parent.mkdir(parents=True, exist_ok=True)
            self._failure.write_text(json.dumps(note) + "\n", encoding="utf-8")

    def read_failure(self) -> str | None:
        """When and why the build failed, if that was less than `FAILURE_LASTS_S` ago and nothing
        it depends on has changed since; otherwise None."""
        try:
            note = json.loads(self._failure.read_text(encoding="utf-8"))
            age_s = time.time() - float(note["at_s"])
            if not 0 <= age_s < FAILURE_LASTS_S or note["on"] != self._dependencies():
                return None
            day = datetime.fromtimestamp(float(note["at_s"]), UTC).date()
            return f"its build failed on {day}: {note['why']}; `fmanet engine build` tries again"
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None

    def clear_failure(self) -> None:
        """Delete the note of a failure, after a build that worked."""
        with suppress(OSError):
            self._failure.unlink(missing_ok=True)

    @property
    def _description(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def _failure(self) -> Path:
        return self.path.with_suffix(".failed")

    def _dependencies(self) -> dict[str, str]:
        """What the file would depend on, and the tools it would be built with."""
        return {**self.key, "driver": driver(), **versions()}


def _short(value: object) -> str:
    """`value` as text; of a hash only the beginning."""
    text = str(value)
    return text[:12] if len(text) == 64 else text
