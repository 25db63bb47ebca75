"""The summary of a live run: one JSON document with only finite numbers."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import platform, python_version
from typing import Any

from model.errors import InputError
from model.files import require_new
from model.records import Event
from model.synthetic import TrueExpression
from realtime.config import LiveConfig
from realtime.results.snapshot import Snapshot
from realtime.sources import hide_password
from realtime.spotting.baseline_file import as_document

RULES_SPOTTER = "rules"
"""The spotter. Files of earlier versions may name a learned spotter here, which was removed."""
VERSIONED = (
    *("fmanet-live", "onnxruntime", "torch", "mediapipe", "ai-edge-litert"),
    *("opencv-contrib-python", "opencv-contrib-python-headless", "numpy", "av"),
)
_OPTIONS = (
    *("width", "height", "fps", "rotate", "seed", "face", "seconds"),
    *("flow", "classifier", "device", "engine", "least_me_probability"),
)


def summarise_run(
    snapshot: Snapshot,
    events: Sequence[Event],
    config: LiveConfig,
    truth: Sequence[TrueExpression] | None = None,
) -> dict[str, Any]:
    """Return what the run found and how fast.

    `source`, `message`, `seconds`, `frames` (`captured`, `analysed`, `with_face`, `dropped` by
    cause), `fps_measured`, `events` (confirmed ones, see `event_record`), `latency_ms`
    (`frame_to_result` from the arrival of a frame, `decision` from the arrival of an expression's
    last frame, `stages`: each `p50`, `p95`, `p99`, `p999`, `max`, `n`), `device`, `engine`,
    `config`, `versions`; for the demo also `truth`, the expressions that its frames really show.
    """
    document: dict[str, Any] = {
        "source": snapshot.source,
        "message": snapshot.message,
        "seconds": snapshot.seconds,
        "frames": {
            "captured": snapshot.captured,
            "analysed": snapshot.analysed,
            "with_face": snapshot.faces,
            "dropped": dict(snapshot.dropped),
        },
        "fps_measured": snapshot.fps_measured,
        "events": [event_record(event) for event in events if event.state == "confirmed"],
        "latency_ms": {
            "frame_to_result": asdict(snapshot.frame_to_result),
            "decision": asdict(snapshot.decision),
            "stages": {stage: asdict(ms) for stage, ms in snapshot.stages.items()},
        },
        "device": snapshot.device,
        "engine": snapshot.engine,
        "config": config_record(config),
        "versions": list_versions(),
    }
    if truth is not None:
        document["truth"] = [asdict(expression) for expression in truth]
    return document


def config_record(config: LiveConfig) -> dict[str, Any]:
    """Return the options that results depend on, as plain values."""
    return {
        "source": hide_password(config.source),
        **{name: getattr(config, name) for name in _OPTIONS},
        "spotter": RULES_SPOTTER,
        "baseline": None if config.baseline is None else as_document(config.baseline),
    }


def event_record(event: Event) -> dict[str, Any]:
    """Return a confirmed event as plain values: `onset_s`, `apex_s`, `offset_s` in the source's
    time, `kind`, `me_probability`, `label`, `probabilities` by label, `action_units`: probability
    by unit."""
    window, prediction = event.window, event.prediction
    if event.state != "confirmed" or window.offset is None or prediction is None:
        raise ValueError(f"event {event.number} is {event.state}, not confirmed")
    return {
        "onset_s": window.onset.time_s,
        "apex_s": window.apex.time_s,
        "offset_s": window.offset.time_s,
        "kind": window.kind,
        "me_probability": window.me_probability,
        "label": prediction.label,
        "probabilities": dict(prediction.probabilities),
        "action_units": dict(prediction.action_units),
    }


def list_versions() -> dict[str, str]:
    """Return the versions of Python, the platform and the packages that results depend on."""
    own = {"python": python_version(), "platform": platform()}
    return own | installed_versions(VERSIONED)


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those of `packages` that are installed."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def check_new(path: Path) -> None:
    """Raise `InputError` unless a result can be written to `path`: it must not exist, because
    recorded files are never overwritten, and its folder must exist. Call it before the run, not
    after."""
    require_new(path)
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: no permission to write into {path.parent}")


def write_json_report(
    path: Path, format_name: str, version_number: int, content: Mapping[str, Any]
) -> None:
    """Write `content` to `path` as JSON, with format, version, date and software."""
    document = {
        "format": format_name,
        "version": version_number,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": list_versions(),
        **content,
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def write_summary(path: Path, document: dict[str, Any]) -> None:
    """Write `document` as JSON. Raises `InputError` if `path` exists by now."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise InputError(f"cannot write the summary {path}: {error.strerror}") from None
