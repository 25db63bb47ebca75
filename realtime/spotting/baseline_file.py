"""The noise floor of a face at rest: the least motion that counts as movement, per region.

`calibrate.baseline.measure` measures it; live runs, sessions and analysis take it as `--baseline
FILE`. A file is versioned JSON and says where it comes from. It holds for one face before one
camera:

- another camera, or a rate that differs by more than a fifth, is refused: the noise of a
  displacement depends on both, and no factor can correct it;
- another picture size scales the floors, up to twofold and with a warning: a crop made from half
  the pixels has twice the noise;
- a recording names no camera, so the program assumes the right one and warns.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from model.errors import InputError
from model.files import read_json
from realtime.sources import SourceInfo
from realtime.spotting.motion import REGIONS

FORMAT, VERSION = "fmanet-live baseline", 1
MAX_RATE_RATIO = 1.2
MAX_SIZE_RATIO = 2.0
_RECORDINGS = ("file", "folder", "network", "session")


@dataclass(frozen=True, slots=True)
class Setting:
    """The camera and picture with which a baseline was measured."""

    kind: str
    """Name in `realtime.sources.SOURCES`."""
    camera: str
    """The camera's own name; for other sources, the source as it was asked for."""
    fps_nominal: float | None
    """As the driver or the file reports it."""
    fps: float
    """As measured."""
    width: int
    """px of the picture."""
    height: int
    crop_px_per_image_px: float
    """Enlargement of the face into its crop. Above 1, the crop has more px than the face had."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """How a baseline was measured."""

    setting: Setting
    date: str
    """UTC, ISO 8601."""
    participant: str
    """The participant's code as given; may be empty."""
    seconds: float
    """How much rest was used."""
    noise_px: Mapping[str, float]
    """Per region, in crop px: mean of the greatest deviation from rest within half a second."""
    false_alarms_per_min: float
    """The rate of false alarms for which the floors were chosen."""
    blinks_per_min: float
    head_px_s: float
    """Median speed of the head, crop px per second."""
    software: Mapping[str, str]
    """Versions by package."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The noise floor of one face before one camera."""

    floor_px: Mapping[str, float]
    """Per region of `realtime.spotting.motion.REGIONS`: the lowest threshold, crop px, however
    quiet the last seconds were. Above it, the spotter's own noise measurement sets the
    threshold."""
    measured: Measurement | None = None
    """None for the default baseline, which was not measured."""

    def __post_init__(self) -> None:
        missing = [name for name in REGIONS if not 0 < self.floor_px.get(name, 0.0) < math.inf]
        if missing:
            raise InputError(f"a baseline needs a floor above 0 px for each region, not {missing}")

    @property
    def participant(self) -> str:
        """The participant's code; empty if unknown."""
        return self.measured.participant if self.measured is not None else ""

    @staticmethod
    def default() -> "Baseline":
        """Return the baseline for an unmeasured face and camera."""
        return Baseline(MappingProxyType(dict.fromkeys(REGIONS, USUAL_FLOOR_PX)))


USUAL_FLOOR_PX = 0.25


def camera_name(info: SourceInfo) -> str:
    """Return what identifies a camera: the device's own name if it has one."""
    if info.kind == "camera":
        return info.description.partition(": asked ")[0]
    return info.kind if info.kind in ("browser", "demo") else info.spec


def fit_to_source(baseline: Baseline, info: SourceInfo) -> tuple[Baseline, str]:
    """Return the baseline adapted to an open source, and a one-line warning (or empty). Raises
    `InputError` if the baseline does not suit the source."""
    measured = baseline.measured
    if measured is None:
        return baseline, ""
    then, name = measured.setting, camera_name(info)
    again = "measure it again: fmanet calibrate baseline"
    warnings = []
    if info.kind in _RECORDINGS:
        if (info.kind, name) != (then.kind, then.camera):
            warnings.append(
                f"the baseline was measured with {then.camera}; {name} does not say which camera "
                "it comes from, and is taken to be the same"
            )
    elif then.kind in _RECORDINGS:
        warnings.append(
            f"the baseline was measured on {then.camera}, which does not say which camera it comes "
            f"from, and is taken to be of {name}"
        )
    elif (info.kind, name) != (then.kind, then.camera):
        raise InputError(f"the baseline was measured with {then.camera}, not with {name}: {again}")
    before_fps = then.fps_nominal or then.fps
    if info.fps_nominal is not None and _ratio(info.fps_nominal, before_fps) > MAX_RATE_RATIO:
        raise InputError(
            f"the baseline was measured at {before_fps:.4g} fps, {name} has "
            f"{info.fps_nominal:.4g}: {again}"
        )
    factor = min(then.width, then.height) / min(info.width, info.height)
    if (then.width, then.height) != (info.width, info.height):
        sizes = f"{then.width}×{then.height} px, {name} has {info.width}×{info.height}"
        if max(factor, 1 / factor) > MAX_SIZE_RATIO:
            raise InputError(f"the baseline was measured at {sizes}: {again}")
        warnings.append(f"the baseline was measured at {sizes}: its floors are × {factor:.2f}")
        floors = {region: px * factor for region, px in baseline.floor_px.items()}
        baseline = replace(baseline, floor_px=MappingProxyType(floors))
    return baseline, "; ".join(warnings)


def rate_warning(baseline: Baseline, fps: float | None) -> str:
    """Return one line if a running source's rate differs from the baseline's; otherwise empty."""
    if baseline.measured is None or not fps:
        return ""
    then = baseline.measured.setting.fps
    if _ratio(fps, then) <= MAX_RATE_RATIO:
        return ""
    return (
        f"the baseline was measured at {then:.4g} fps, now it is {fps:.4g}: its thresholds do not "
        "hold; measure it again"
    )


def as_document(baseline: Baseline) -> dict[str, Any]:
    """Return the content of the file as JSON values."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "floor_px": dict(baseline.floor_px),
    }
    if baseline.measured is not None:
        plain = replace(
            baseline.measured,
            noise_px=dict(baseline.measured.noise_px),
            software=dict(baseline.measured.software),
        )
        document["measured"] = asdict(plain)
    return document


def to_json(baseline: Baseline) -> str:
    """Return the text of the file."""
    document = as_document(baseline)
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def save_baseline(path: Path, baseline: Baseline) -> None:
    """Write `path`, whole or not at all. Raises `InputError` if it exists or cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(to_json(baseline))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise InputError(f"{path} exists, and is not overwritten: choose another --out") from None
    except OSError as error:
        path.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def load_baseline(path: Path) -> Baseline:
    """Read a baseline. Raises `InputError` if `path` is not a baseline or has another version."""
    document = read_json(path, "--baseline")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"--baseline {path} is no baseline: make one with calibrate baseline")
    if document.get("version") != VERSION:
        raise InputError(
            f"--baseline {path} has version {document.get('version')}, and this program reads "
            f"version {VERSION}: measure it again, or use the program that wrote it"
        )
    try:
        measured = document.get("measured")
        return Baseline(
            MappingProxyType(_numbers(document["floor_px"])),
            None if measured is None else _measurement(measured),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, InputError) as error:
        raise InputError(f"--baseline {path} is damaged: {error}") from None


def _measurement(document: dict[str, Any]) -> Measurement:
    setting = document["setting"]
    nominal = setting["fps_nominal"]
    numbers = {f.name: _number(setting[f.name]) for f in fields(Setting) if f.type is float}
    width, height = int(setting["width"]), int(setting["height"])
    if min(width, height) < 1 or min(numbers.values()) <= 0:
        raise ValueError(f"its size, rate and scale must exceed 0, not {setting}")
    return Measurement(
        setting=Setting(
            kind=str(setting["kind"]),
            camera=str(setting["camera"]),
            fps_nominal=None if nominal is None else _number(nominal),
            width=width,
            height=height,
            **numbers,
        ),
        date=str(document["date"]),
        participant=str(document["participant"]),
        noise_px=MappingProxyType(_numbers(document["noise_px"])),
        software=MappingProxyType({str(k): str(v) for k, v in dict(document["software"]).items()}),
        **{f.name: _number(document[f.name]) for f in fields(Measurement) if f.type is float},
    )


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    numbers = {str(name): _number(value) for name, value in dict(values).items()}
    if not set(REGIONS) <= set(numbers):
        raise ValueError(f"it needs a number for each region, and has {list(numbers)}")
    return numbers


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _ratio(a: float, b: float) -> float:
    return max(a / b, b / a) if min(a, b) > 0 else math.inf
