"""Sessions for the tools that researchers use.

Every export takes its times from `realtime.sessions.export_rows`: seconds from the first recorded
frame, which is 0 s of `video.mkv`, and UTC beside them. Participant and files are named by code
only. To add an export: a module here with a function `(session, folder) -> files written`, and a
line in `EXPORTS`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from model.errors import InputError
from model.registry import load_entry
from realtime.sessions.exported_copies import note_copies
from realtime.sessions.reader import Session

EXPORTS: dict[str, str] = {
    "csv": "realtime.export.plain:write_csv",
    "parquet": "realtime.export.plain:write_parquet",
    "elan": "realtime.export.elan:write_elan",
    "bids": "realtime.export.bids:write_bids",
    "boris": "realtime.export.boris:write_boris",
    "sound": "realtime.export.sound:write_sound",
    "video": "realtime.export.video:write_video",
    "blurred": "realtime.export.video:write_blurred",
    "crop": "realtime.export.video:write_crop",
}
"""Name of an export to the function that writes it."""


def export(session: Session, names: Iterable[str], out: Path | None = None) -> Iterator[Path]:
    """Write each export in `names` of `session` into `out`, or beside the session as `DIR-export`,
    and yield the files written. Raises `InputError` if a name is unknown, a file exists, or nothing
    can be written there."""
    out = out or export_folder(session)
    if out.resolve() == session.folder.path.resolve():
        raise InputError(f"--out {out} is the session itself: name another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in dict.fromkeys(names):
            files = load_entry(EXPORTS, name, "export")(session, out)
            note_copies(session.folder, files)
            yield from files
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None


def export_folder(session: Session) -> Path:
    """Return the default folder for exports: beside the session."""
    folder = session.folder.path.resolve()
    return folder.with_name(f"{folder.name}-export")
