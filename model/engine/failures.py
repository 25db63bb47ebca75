"""Builds that failed, with the reason. `auto` does not try them again until something they depend
on changes, or a week has passed: some causes, such as full memory, go away by themselves.
"""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from model.engine.cache import EngineFile
from model.engine.toolchain import versions
from model.machine import driver

KEPT_S = 7 * 24 * 3600.0


def remember_failure(kept: EngineFile, why: str) -> None:
    """Note that the file at `kept` cannot be built here. If the note cannot be written, the build
    is tried again."""
    note = {"on": _depends_on(kept), "at_s": time.time(), "why": why}
    with suppress(OSError):
        _note(kept).parent.mkdir(parents=True, exist_ok=True)
        _note(kept).write_text(json.dumps(note) + "\n", encoding="utf-8")


def recall_failure(kept: EngineFile) -> str:
    """When and why this build failed, if nothing it depends on has changed since; otherwise
    empty."""
    try:
        note = json.loads(_note(kept).read_text(encoding="utf-8"))
        age_s = time.time() - float(note["at_s"])
        if not 0 <= age_s < KEPT_S or note["on"] != _depends_on(kept):
            return ""
        day = datetime.fromtimestamp(float(note["at_s"]), UTC).date()
        return f"its build failed on {day}: {note['why']}; `fmanet engine build` tries again"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return ""


def forget_failure(kept: EngineFile) -> None:
    """Delete the note of a failure, after a build that worked."""
    with suppress(OSError):
        _note(kept).unlink(missing_ok=True)


def _note(kept: EngineFile) -> Path:
    return kept.path.with_suffix(".failed")


def _depends_on(kept: EngineFile) -> dict[str, str]:
    """What the file would depend on, and the tools it would be built with."""
    return {**kept.key, "driver": driver(), **versions()}
