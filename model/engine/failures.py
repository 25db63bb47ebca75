"""Builds that failed, with their reason: not tried again by themselves until something that they
depend on is another, or a week has passed, as a full memory passes too.
"""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from model.engine.cache import Kept
from model.engine.toolchain import versions
from model.machine import driver

KEPT_S = 7 * 24 * 3600.0


def remember_failure(kept: Kept, why: str) -> None:
    """Note that what belongs at `kept` cannot be built here; where nothing can be written, it is
    tried again."""
    note = {"on": _depends_on(kept), "at_s": time.time(), "why": why}
    with suppress(OSError):
        _note(kept).parent.mkdir(parents=True, exist_ok=True)
        _note(kept).write_text(json.dumps(note) + "\n", encoding="utf-8")


def recall_failure(kept: Kept) -> str:
    """When and why the build failed that would be tried again with nothing changed; empty if none
    did."""
    try:
        note = json.loads(_note(kept).read_text(encoding="utf-8"))
        age_s = time.time() - float(note["at_s"])
        if not 0 <= age_s < KEPT_S or note["on"] != _depends_on(kept):
            return ""
        day = datetime.fromtimestamp(float(note["at_s"]), UTC).date()
        return f"its build failed on {day}: {note['why']}; `fmanet engine build` tries again"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return ""


def forget_failure(kept: Kept) -> None:
    """It has been built."""
    with suppress(OSError):
        _note(kept).unlink(missing_ok=True)


def _note(kept: Kept) -> Path:
    return kept.path.with_suffix(".failed")


def _depends_on(kept: Kept) -> dict[str, str]:
    """What the file would hold for, and what it would be built with."""
    return {**kept.key, "driver": driver(), **versions()}
