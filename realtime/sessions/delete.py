"""Deletes a session, and writes a receipt that lists what was deleted.

Files are deleted, not overwritten: traces may remain in backups and on a disk that keeps old
blocks. The receipt says so too.
"""

import hashlib
import time
from pathlib import Path

from model.errors import InputError
from realtime.results.run_summary import check_new, write_summary
from realtime.sessions.clock_anchors import format_utc
from realtime.sessions.exported_copies import ForgottenCopies, forget_copies, known_copies
from realtime.sessions.folder import SessionFolder
from realtime.sessions.line_file import sync_folder

RECEIPT_NOTE = (
    "deleted, not overwritten: copies may remain in backups and in old blocks of the disk"
)


def delete(path: Path, receipt: Path) -> tuple[int, ForgottenCopies]:
    """Delete the session in `path` and its exports that show faces or have sound. Write `receipt`:
    participant, time, each file with its size and SHA-256, and the exports. Return the number of
    deleted files, and what happened to the exports.

    Raises `InputError`, before anything is deleted, if `path` is not a session or holds a file that
    no session has, or if the receipt cannot be written. Raises it with the number of deleted files
    if a file cannot be deleted.
    """
    folder = SessionFolder(path)
    document = folder.read_document()
    check_new(receipt)
    if path.resolve() in receipt.resolve().parents:
        raise InputError(f"--receipt {receipt} is inside the session to delete: put it elsewhere")
    files = sorted(path.iterdir())
    foreign = [file for file in files if not _belongs(folder, file)]
    if foreign:
        raise InputError(f"{foreign[0]} is not part of the session: move it elsewhere first")
    listed = [
        {"name": file.name, "bytes": file.stat().st_size, "sha256": _hash(file)} for file in files
    ]
    entry = {
        "participant": document["participant"],
        "session": path.resolve().name,
        "recorded_utc": document["started_utc"],
        "deleted_utc": format_utc(time.time()),
        "files": listed,
        "exports": [str(copy) for copy in known_copies(folder)],
        "note": RECEIPT_NOTE,
    }
    write_summary(receipt, entry)
    gone = 0
    try:
        copies = forget_copies(folder)  # first, because a file of the session lists them
        # The document last: while it exists, the same command can delete the rest.
        for file in sorted(files, key=lambda file: file == folder.document):
            file.unlink()
            gone += 1
        path.rmdir()
    except OSError as error:
        rest = "run the same command with another --receipt to delete the rest"
        raise InputError(
            f"{error.filename or path}: {error.strerror}; {gone} of {len(files)} files are "
            f"deleted; {rest if gone < len(files) else 'remove the empty folder yourself'}"
        ) from None
    sync_folder(path.resolve().parent)
    return len(files), copies


def _belongs(folder: SessionFolder, file: Path) -> bool:
    names = (folder.document, folder.frames, folder.motion, folder.events, folder.markers)
    known = {name.name for name in (*names, folder.sound, folder.audit, folder.copies)} | {
        folder.video(part).name for part in folder.parts()
    }
    known |= {folder.edits(coder).name for coder in folder.coders()}
    return file.is_file() and file.name.removesuffix(".partial") in known


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
