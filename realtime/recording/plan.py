"""The options of a recording, checked before anything is opened."""

import argparse
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.text import clean_line
from realtime.recording.camera_check import Check, load_camera_report
from realtime.recording.protocol import Protocol, load_protocol
from realtime.sessions.crash_safe_video import CODECS
from realtime.sessions.document_check import PARTICIPANT

PLANNED_S = 600.0
"""The length to plan disk space for if no length is given."""


def check_participant(code: str) -> str:
    """Return `code`. Raises `InputError` if it does not look like a code."""
    if not PARTICIPANT.fullmatch(code):
        if not code:
            raise InputError("enter a participant code, e.g. P07 (no names)")
        raise InputError(
            f"{code!r} is not a valid participant code: use letters, digits, - and _, at most 32, "
            "e.g. P07 (no names)"
        )
    return code


class PlanError(InputError):
    """Options of a recording that are wrong."""

    def __init__(self, by_field: dict[str, str]) -> None:
        """`by_field`: what is wrong, by the field of `RecordPlan`."""
        super().__init__("; ".join(by_field.values()))
        self.by_field = by_field


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """Options of a recording. Wrong values raise `PlanError`, with all of them."""

    folder: Path
    """The session's folder; if it exists, a number is appended."""
    participant: str
    """The participant's code."""
    codec: str = "h264"
    """Name in `realtime.sessions.crash_safe_video.CODECS`."""
    consent: str = ""
    """What the participant agreed to, in words; empty: not written down."""
    pictures: bool = False
    """The participant agreed to pictures of the face in reports."""
    audio: str = ""
    """The microphone to record, see `realtime.recording.microphone`; empty: no sound."""
    voice: bool = False
    """The participant agreed to the recording of sound."""
    protocol: Protocol = field(default_factory=Protocol)
    """The study's keys and questions."""
    camera: Check | None = None
    """Result of the camera check; None: the camera was not checked."""
    planned_s: float | None = None
    """The planned length; None: none, and disk space is planned for `PLANNED_S`."""
    lsl: bool = False
    """Send frames, events and markers to LSL, see `realtime.recording.lsl`."""
    show_labels: bool = False
    """Pages name expressions during the recording too, which may influence interviewer and
    participant."""
    lsl_markers: str = ""
    """The LSL stream whose samples become markers, see `MarkerStream`; empty: no stream."""
    strict: bool = False
    """A failed check is an error. Otherwise it is a warning, kept in the session."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "consent", clean_line(self.consent))
        wrong: dict[str, str] = {}
        try:
            check_participant(self.participant)
        except InputError as error:
            wrong["participant"] = str(error)
        if self.codec not in CODECS:
            wrong["codec"] = f"{self.codec} is no codec: choose one of {', '.join(CODECS)}"
        if self.audio and not self.consent:
            wrong["consent"] = "to record sound, write down what the participant agreed to"
        if self.audio and not self.voice:
            wrong["voice"] = "to record sound, confirm that the consent covers it"
        if self.planned_s is not None and not 0 < self.planned_s < float("inf"):
            wrong["planned_s"] = "choose a length of more than 0, or none"
        if wrong:
            raise PlanError(wrong)

    @property
    def keeps_jpegs(self) -> bool:
        """Whether pictures are kept as the original JPEGs."""
        return CODECS[self.codec].keeps_jpegs


def add_recording(options: argparse._ActionsContainer, folder: str = "--record") -> None:
    """Add the options of a recording; `take_plan` reads them. `folder`: "record" for a positional
    argument in place of an option."""
    add = options.add_argument
    add(folder, type=Path, metavar="DIR", help="new folder for the session")
    add("--participant", metavar="CODE", help="a code, never a name")
    add("--codec", metavar="NAME", help="h264, ffv1 (lossless), mjpeg (default: h264)")
    add("--consent", metavar="SCOPE", help="what the participant agreed to")
    add("--pictures", action="store_true", help="consent covers pictures of the face in reports")
    add("--audio", metavar="MICROPHONE", help="record sound too: a microphone's name, or default")
    add("--voice", action="store_true", help="consent covers the sound")
    add("--protocol", type=Path, metavar="TOML", help="the study's keys and questions")
    add("--camera-report", type=Path, metavar="JSON", help="from calibrate camera --out")
    if folder.startswith("-"):  # otherwise there is no page
        add("--show-labels", action="store_true", help="name expressions while it records too")
    add("--lsl", action="store_true", help="send frames, events and markers to LSL")
    add("--lsl-markers", metavar="NAME", help="take markers from this LSL stream; NAME@SOURCE_ID")
    add("--strict", action="store_true", help="a failed check is an error")


def take_plan(options: dict[str, Any]) -> RecordPlan | None:
    """Take the options of a recording out of a command line's `options`; return None if there is
    none. Raises `InputError` if a value is wrong, or an option needs another."""
    names = [f.name for f in fields(RecordPlan) if f.name in options] + ["camera_report"]
    folder: Path | None = options.pop("record")
    asked = {name: value for name in names if (value := options.pop(name))}
    if folder is None:
        if asked:
            option = next(iter(asked)).replace("_", "-")
            raise InputError(f"--{option} works only with --record: add --record DIR")
        return None
    if "participant" not in asked:
        raise InputError(f"--record {folder} needs a participant's code: add --participant CODE")
    if "protocol" in asked:
        asked["protocol"] = load_protocol(asked["protocol"])
    report: Path | None = asked.pop("camera_report", None)
    camera = None if report is None else load_camera_report(report)
    try:
        return RecordPlan(folder, camera=camera, **asked)
    except PlanError as error:
        raise InputError(
            "; ".join(f"--{name}: {why}" for name, why in error.by_field.items())
        ) from None
