"""The allowed content of `session.json`, which tells a damaged or hand-edited document from one
that the recorder wrote. Missing fields are fine: older recorders wrote less."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from realtime.results.value_checks import FURTHEST_S, describe_misfit
from realtime.spotting.me_probability import AT_BAR

PARTICIPANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
"""A code, never a name, because exports carry it."""


def _utc(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Utc = Annotated[str, AfterValidator(_utc)]
Time = Annotated[float, Field(ge=-FURTHEST_S, le=FURTHEST_S)]
Share = Annotated[float, Field(gt=0, lt=1)]
Pixels = Annotated[int, Field(ge=1, le=65_535)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True)


class _ConsentShape(_Shape):
    scope: str = ""
    pictures: bool = False
    voice: bool = False


class _ProtocolShape(_Shape):
    name: str = ""
    authors: list[str] = []


class _SettingShape(_Shape):
    camera: str = ""


class _MeasuredShape(_Shape):
    participant: str = ""
    date: str = ""
    setting: _SettingShape = _SettingShape()


class _BaselineShape(_Shape):
    measured: _MeasuredShape | None = None


class _ConfigShape(_Shape):
    flow: str = ""
    classifier: str = ""
    spotter: str = ""
    face: str = "largest"
    least_me_probability: Share = AT_BAR
    baseline: _BaselineShape | None = None


class _CameraShape(_Shape):
    description: str = ""
    clock: str = ""
    width: Pixels = 1
    height: Pixels = 1
    lossless: bool = False
    rotate: Literal[0, 90, 180, 270] = 0


class _AudioShape(_Shape):
    microphone: str = ""
    hz: int = Field(1, ge=1, le=1_000_000)
    codec: str = ""
    clock: str = ""


class _VideoShape(_Shape):
    codec: str = ""
    encoder: str | None = None
    lossless: bool = False
    audio: _AudioShape | None = None


class _WeightsShape(_Shape):
    classifier: str = ""
    sha256: str = ""


class _AnchorShape(_Shape):
    monotonic_s: Time
    utc: Utc


class _DocumentShape(_Shape):
    participant: str = Field("X", pattern=f"^{PARTICIPANT.pattern}$")
    consent: _ConsentShape | None = None
    protocol: _ProtocolShape = _ProtocolShape()
    started_utc: Utc = "2026-01-01"
    config: _ConfigShape = _ConfigShape()
    camera: _CameraShape = _CameraShape()
    video: _VideoShape = _VideoShape()
    weights: _WeightsShape = _WeightsShape()
    software: dict[str, str] = {}
    machine: str = ""
    warnings: list[str] = []
    state: str = ""
    anchors: list[_AnchorShape] = []
    zero_s: Time = 0.0
    ended: str = ""
    failure: str = ""


def find_misfit(document: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a document, in words; None if nothing is."""
    try:
        _DocumentShape.model_validate(document)
    except ValidationError as error:
        return describe_misfit(error.errors()[0])
    return None
