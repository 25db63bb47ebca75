"""What is asked of a recording, checked before anything is opened."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import InputError
from realtime.session.video import CODECS

PARTICIPANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
"""A code, never a name: what is exported bears it."""


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """Options of a recording. A value that cannot work raises `InputError`."""

    folder: Path
    """Where the session goes; a number is appended if it is taken."""
    participant: str
    """The participant's code."""
    codec: str = "h264"
    """Name in `realtime.session.video.CODECS`."""
    consent: str = ""
    """What the participant consented to, in words; empty: not recorded."""
    protocol: Path | None = None
    """The study's protocol file, see `realtime.session.protocol`."""
    strict: bool = False
    """What the check list misses is an error, not a warning kept in the session."""

    def __post_init__(self) -> None:
        if not PARTICIPANT.fullmatch(self.participant):
            raise InputError(
                f"--participant {self.participant!r}: give a code of letters, digits, - and _ "
                "(at most 32, like P07), never a name"
            )
        if self.codec not in CODECS:
            raise InputError(f"--codec {self.codec}: choose one of {', '.join(CODECS)}")
        if self.protocol is not None and not self.protocol.is_file():
            raise InputError(f"--protocol {self.protocol}: no such file")


def take_plan(options: dict[str, Any]) -> RecordPlan | None:
    """Take the options of a recording out of a command line's `options`; None if none is asked
    for. Raises `InputError` if one cannot work or lacks another."""
    names = ("participant", "codec", "consent", "protocol", "strict")
    folder: Path | None = options.pop("record")
    asked = {name: value for name in names if (value := options.pop(name))}
    if folder is None:
        if asked:
            raise InputError(
                f"--{next(iter(asked))} belongs to --record: give --record DIR with it"
            )
        return None
    if "participant" not in asked:
        raise InputError(f"--record {folder} needs --participant with the participant's code")
    return RecordPlan(folder, **asked)
