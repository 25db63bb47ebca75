"""The check list's item type, and its item for the camera."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.files import read_json

FORMAT, VERSION = "fmanet-live camera", 1
_GOOD = {"green": "", "amber": " (amber)"}


@dataclass(frozen=True, slots=True)
class Check:
    """One item of the check list before a recording."""

    name: str
    good: bool
    text: str
    """What was found and, if it is not good, the remedy."""


def judge_camera(report: Mapping[str, Any]) -> Check:
    """Return the item for a report of `calibrate camera`; only `light` and `verdict` are read."""
    light = str(report["light"])
    return Check("camera", light in _GOOD, str(report["verdict"]) + _GOOD.get(light, ""))


def load_camera_report(path: Path) -> Check:
    """Return the item for a file that `calibrate camera --out` wrote. Raises `InputError` if it is
    not such a file."""
    document = read_json(path, "--camera-report")
    known = isinstance(document, dict) and document.get("format") == FORMAT
    if not known or document.get("version") != VERSION or not {"light", "verdict"} <= set(document):
        raise InputError(
            f"--camera-report {path} is not a report that this version can read: make one with "
            "fmanet calibrate camera --out JSON"
        )
    return judge_camera(document)
