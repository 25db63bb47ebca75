"""The sound of a session as one WAV file. It begins with the first recorded frame and is as long as
the video; missing sound is silence."""

from pathlib import Path

from model.errors import InputError
from model.files import require_new
from realtime.review.session_sound import SessionSound, make_wav_header
from realtime.sessions.export_rows import name_files
from realtime.sessions.reader import Session

AT_ONCE_S = 60


def write_sound(session: Session, folder: Path) -> list[Path]:
    """Write `<code>_<start>.wav`: one channel, 16 bit. Raises `InputError` if there is no sound, or
    the consent does not cover it."""
    sound = SessionSound(session)
    if not may_export_sound(session):
        raise InputError(f"{session.folder.path}: the recorded consent does not cover sound")
    path = require_new(wav_path(session, folder))
    header = make_wav_header(sound.rate, sound.count)
    with path.open("xb") as file:
        file.write(header)
        for first in range(0, sound.count, AT_ONCE_S * sound.rate):
            last = min(first + AT_ONCE_S * sound.rate, sound.count)
            file.write(sound.samples(first, last).astype("<i2").tobytes())
    return [path]


def wav_path(session: Session, folder: Path) -> Path:
    """Return where `write_sound` writes."""
    return folder / f"{name_files(session)}.wav"


def may_export_sound(session: Session) -> bool:
    """Return whether the session has sound and the consent covers it."""
    document = session.document
    return bool(document["video"].get("audio") and (document["consent"] or {}).get("voice"))
