"""The check list before a recording: what a study will miss afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.errors import InputError
from realtime.baseline import Baseline
from realtime.session.folder import check_room
from realtime.session.plan import RecordPlan
from realtime.session.video import CODECS
from realtime.sources import SourceInfo

PLANNED_S = 600.0
"""Room for this long is asked for where no length is given."""
DEFAULT_FPS = 30.0


@dataclass(frozen=True, slots=True)
class Check:
    """One item of the list."""

    name: str
    good: bool
    text: str
    """What was found; where it is not good, with the remedy."""


def check_list(plan: RecordPlan, info: SourceInfo, baseline: Baseline | None) -> tuple[Check, ...]:
    """Every item but disk space, which is never only a warning: `require_room`."""
    steady = info.clock in ("driver", "file", "synthetic")
    return (
        Check(
            "consent",
            bool(plan.consent),
            plan.consent or "no consent is recorded: give --consent with what was agreed to",
        ),
        Check(
            "baseline",
            baseline is not None,
            "of this face" if baseline else "none: make one with python -m calibrate baseline",
        ),
        Check(
            "clock",
            steady,
            f"capture times come from {info.clock}"
            + ("" if steady else ": the delay on the way to this program is not taken off them"),
        ),
        Check(
            "pictures",
            info.lossless,
            "as the source has them"
            if info.lossless
            else "compressed before they reach this program",
        ),
    )


def require_room(plan: RecordPlan, info: SourceInfo, seconds: float | None) -> None:
    """Raise `InputError` unless the disk has room for the planned length."""
    fps = info.fps_nominal or info.fps_asked or DEFAULT_FPS
    length_s = seconds or info.duration_s or PLANNED_S
    px = info.width * info.height
    check_room(plan.folder, length_s * fps * px * CODECS[plan.codec].bytes_per_px)


def enforce(plan: RecordPlan, checks: Sequence[Check]) -> tuple[str, ...]:
    """What is missing, in words, for the session's warnings; raises `InputError` with `strict`."""
    missing = tuple(f"{check.name}: {check.text}" for check in checks if not check.good)
    if missing and plan.strict:
        raise InputError(f"--strict: {'; '.join(missing)}")
    return missing
