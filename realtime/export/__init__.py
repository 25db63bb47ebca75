"""Exports sessions for the tools that researchers use.

Every export takes its times from `realtime.sessions.export_rows`: seconds from the first recorded
frame, which is 0 s of `video.mkv`, and UTC. Participants and files are named only by code. To add
an export, write a module with a function `(session, folder) -> files written`, and a line in
`EXPORTS`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from model.errors import InputError
from model.lazy_loading import load_entry
from realtime.sessions.exported_copies import note_copies
from realtime.sessions.private_files import private_files
from realtime.sessions.reader import Session

EXPORTS: dict[str, str] = {
    "csv": "realtime.export.csv_parquet:write_csv",
    "parquet": "realtime.export.csv_parquet:write_parquet",
    "elan": "realtime.export.elan:write_elan",
    "bids": "realtime.export.bids:write_bids",
    "boris": "realtime.export.boris:write_boris",
    "sound": "realtime.export.wav:write_sound",
    "video": "realtime.export.video:write_video",
    "blurred": "realtime.export.video:write_blurred",
    "crop": "realtime.export.video:write_crop",
}
"""The function that writes each export, by name."""


def export(session: Session, names: Iterable[str], out: Path | None = None) -> Iterator[Path]:
    """Write the exports `names` of `session` into `out` (None: `DIR-export` beside the session) and
    yield the files written. Only their owner can read them, as the session. Raises `InputError` if
    a name is unknown, a file exists, or the folder cannot be written."""
    out = out or export_folder(session)
    if out.resolve() == session.folder.path.resolve():
        raise InputError(f"--out {out} is the session itself: give another folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.mkdir(mode=0o700, exist_ok=True)
        for name in dict.fromkeys(names):
            write = load_entry(EXPORTS, name, "export")
            with private_files():
                files: list[Path] = write(session, out)
            note_copies(session.folder, files)
            yield from files
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None


def export_folder(session: Session) -> Path:
    """Return the default folder for exports: beside the session."""
    folder = session.folder.path.resolve()
    return folder.with_name(f"{folder.name}-export")
