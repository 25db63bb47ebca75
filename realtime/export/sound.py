"""The sound of a session as one WAV file on the time line of the exports: 0 is the first recorded
frame, what is missing is silence, and it is as long as the video."""

from pathlib import Path

from model.errors import InputError
from realtime.review.sound import Sound, wav_header
from realtime.sessions.export_rows import new_file, stem
from realtime.sessions.reader import Session

AT_ONCE_S = 60


def write_sound(session: Session, folder: Path) -> list[Path]:
    """`<code>_<start>.wav`: one channel of 16 bit. Raises `InputError` if there is none, or the
    consent does not cover it."""
    sound = Sound(session)
    if not may_export_sound(session):
        raise InputError(f"{session.folder.path}: the consent that was recorded covers no sound")
    path = new_file(wav_path(session, folder))
    header = wav_header(sound.rate, sound.count)
    with path.open("xb") as file:
        file.write(header)
        for first in range(0, sound.count, AT_ONCE_S * sound.rate):
            last = min(first + AT_ONCE_S * sound.rate, sound.count)
            file.write(sound.samples(first, last).astype("<i2").tobytes())
    return [path]


def wav_path(session: Session, folder: Path) -> Path:
    """Where `write_sound` writes."""
    return folder / f"{stem(session)}.wav"


def may_export_sound(session: Session) -> bool:
    """Whether sound was recorded, and the consent says that it may be."""
    document = session.document
    return bool(document["video"].get("audio") and (document["consent"] or {}).get("voice"))
