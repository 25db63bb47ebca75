"""The allowed content of `session.json`, which tells a damaged or hand-edited document from one
that the recorder wrote. Missing fields are fine: older recorders wrote less."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from realtime.results.values import FURTHEST_S, describe_misfit

PARTICIPANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
"""A code, never a name, because exports carry it."""


def _utc(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Utc = Annotated[str, AfterValidator(_utc)]
Time = Annotated[float, Field(ge=-FURTHEST_S, le=FURTHEST_S)]
Pixels = Annotated[int, Field(ge=1, le=65_535)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Consent(_Part):
    scope: str = ""
    pictures: bool = False
    voice: bool = False


class _Protocol(_Part):
    name: str = ""
    authors: list[str] = []


class _Setting(_Part):
    camera: str = ""


class _Measured(_Part):
    participant: str = ""
    date: str = ""
    setting: _Setting = _Setting()


class _Baseline(_Part):
    measured: _Measured | None = None


class _Config(_Part):
    flow: str = ""
    classifier: str = ""
    spotter: str = ""
    face: str = "largest"
    baseline: _Baseline | None = None


class _Camera(_Part):
    description: str = ""
    clock: str = ""
    width: Pixels = 1
    height: Pixels = 1
    lossless: bool = False
    rotate: Literal[0, 90, 180, 270] = 0


class _Audio(_Part):
    microphone: str = ""
    hz: int = Field(1, ge=1, le=1_000_000)
    codec: str = ""
    clock: str = ""


class _Video(_Part):
    codec: str = ""
    encoder: str | None = None
    lossless: bool = False
    audio: _Audio | None = None


class _Weights(_Part):
    classifier: str = ""
    sha256: str = ""


class _Anchor(_Part):
    monotonic_s: Time
    utc: Utc


class _DocumentShape(_Part):
    participant: str = Field("X", pattern=f"^{PARTICIPANT.pattern}$")
    consent: _Consent | None = None
    protocol: _Protocol = _Protocol()
    started_utc: Utc = "2026-01-01"
    config: _Config = _Config()
    camera: _Camera = _Camera()
    video: _Video = _Video()
    weights: _Weights = _Weights()
    software: dict[str, str] = {}
    machine: str = ""
    warnings: list[str] = []
    state: str = ""
    anchors: list[_Anchor] = []
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
