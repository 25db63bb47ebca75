"""The check list before a recording: what a study would miss afterwards."""

from collections.abc import Sequence

from model.errors import InputError
from realtime.recording.camera_check import Check
from realtime.recording.plan import PLANNED_S, RecordPlan
from realtime.sessions.crash_safe_video import CODECS
from realtime.sessions.folder import check_room, format_bytes, free_bytes
from realtime.sources import CLOCK_WORDS, SourceInfo
from realtime.spotting.baseline_file import Baseline

ASSUMED_FPS = 30.0
SPEED_RESERVE = 2.0
"""The disk must write this many times as fast as pictures come: other programs write too."""
SOUND_BYTES_S = 96_000
"""Bytes per second of one 16-bit channel at 48 kHz."""
MEASURE_ONE = "measure one on the Calibrate tab, or with fmanet calibrate baseline"
CHECK_IT = "check it on the Calibrate tab, or with fmanet calibrate camera"
ANOTHER_DISK = "record on another disk, or with h264"


def make_check_list(
    plan: RecordPlan, info: SourceInfo, baseline: Baseline | None, disk_bytes_s: float
) -> tuple[Check, ...]:
    """Return every item except disk space and missing JPEGs, which are errors, not warnings: see
    `require_room` and `require_jpegs`. `disk_bytes_s`: how fast the disk writes, as
    `realtime.sessions.folder.disk_speed` returns it."""
    steady = info.clock in ("driver", "file", "synthetic")
    needed_s = SPEED_RESERVE * estimate_bytes_per_s(plan, info)
    camera = plan.camera or (
        Check("camera", False, f"not checked: {CHECK_IT}") if info.live else None
    )
    return (
        *([camera] if camera else []),
        *([check_jpegs(plan, info)] if plan.keeps_jpegs else []),
        Check(
            "consent",
            bool(plan.consent),
            plan.consent or "not recorded: write down what the participant agreed to",
        ),
        _baseline(baseline, plan.participant),
        Check(
            "time stamps",
            steady,
            CLOCK_WORDS[info.clock]
            + ("" if steady else ": they include the delay on the way to this program"),
        ),
        Check(
            "image quality",
            info.lossless,
            "uncompressed source" if info.lossless else "compressed before it reaches this program",
        ),
        Check(
            "disk speed",
            disk_bytes_s >= needed_s,
            f"{'fast enough' if disk_bytes_s >= needed_s else 'too slow'} "
            f"({disk_bytes_s / 1e6:.0f} MB/s, {needed_s / 1e6:.0f} needed)"
            + ("" if disk_bytes_s >= needed_s else f": {ANOTHER_DISK}"),
        ),
    )


def drop_remedy(warning: str) -> str:
    """Return a warning of a session without the remedy, for which it is too late."""
    for remedy in (MEASURE_ONE, CHECK_IT, ANOTHER_DISK):
        warning = warning.removesuffix(f": {remedy}")
    return warning


def _baseline(baseline: Baseline | None, participant: str) -> Check:
    if baseline is None:
        return Check("baseline", False, f"none yet: {MEASURE_ONE}")
    whose = baseline.participant
    if not whose:
        return Check("baseline", False, f"it does not say whose it is: {MEASURE_ONE}")
    if whose != participant:
        return Check("baseline", False, f"of {whose}, not of {participant}: {MEASURE_ONE}")
    return Check("baseline", True, f"of {whose}")


def estimate_bytes_per_s(plan: RecordPlan, info: SourceInfo) -> float:
    """Return the most that the recording will take, bytes per second of the source."""
    fps = info.fps_nominal or info.fps_asked or ASSUMED_FPS
    sound = SOUND_BYTES_S if plan.audio else 0
    return fps * info.width * info.height * CODECS[plan.codec].bytes_per_px + sound


def check_jpegs(plan: RecordPlan, info: SourceInfo) -> Check:
    """Return the item that says whether the source delivers JPEGs, for a plan that keeps them."""
    if info.jpeg:
        return Check("JPEGs", True, "kept unchanged")
    missing = (
        f"codec {plan.codec} keeps JPEGs, and {info.spec} delivers none; choose ffv1, which keeps "
        "its pictures bit by bit, or h264"
    )
    return Check("JPEGs", False, missing)


def check_disk_space(plan: RecordPlan, info: SourceInfo, seconds: float | None) -> Check:
    """Return the item for disk space: whether it suffices for the planned length."""
    try:
        require_room(plan, info, seconds)
    except InputError as error:
        return Check("disk space", False, str(error))
    free, needed = free_bytes(plan.folder), _needed_bytes(plan, info, seconds)
    return Check(
        "disk space", True, f"{format_bytes(free)} free, {format_bytes(needed)} needed at most"
    )


def require_room(plan: RecordPlan, info: SourceInfo, seconds: float | None) -> None:
    """Raise `InputError` unless the disk has room for the planned length."""
    check_room(plan.folder, _needed_bytes(plan, info, seconds))


def require_jpegs(plan: RecordPlan, info: SourceInfo) -> None:
    """Raise `InputError` if the plan keeps JPEGs and the source delivers none."""
    if plan.keeps_jpegs and not (check := check_jpegs(plan, info)).good:
        raise InputError(check.text)


def _needed_bytes(plan: RecordPlan, info: SourceInfo, seconds: float | None) -> float:
    length_s = seconds or info.duration_s or plan.planned_s or PLANNED_S
    return length_s * estimate_bytes_per_s(plan, info)


def warn_or_refuse(plan: RecordPlan, checks: Sequence[Check]) -> tuple[str, ...]:
    """Return the failed checks in words, for the session's warnings. If the plan is `strict`, raise
    `InputError` with them instead."""
    missing = tuple(f"{check.name}: {check.text}" for check in checks if not check.good)
    if missing and plan.strict:
        raise InputError(f"--strict: {'; '.join(missing)}")
    return missing
