"""The folder of a session: its files by name, and its document."""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.files import lock_folder, read_json
from realtime.sessions.line_file import replace_text, sync_folder

FORMAT = "fmanet-live-session"
VERSION = 1
DOCUMENT = "session.json"

_PART = re.compile(r"video(?:-([0-9]+))?\.mkv")

RESERVE_BYTES = 32 * 2**20
"""Left free on the disk, so that a recording that fills it can still be closed."""
_PROBE_BYTES = 16 * 2**20


class SessionFolder:
    """The names of the files in a session's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document = path / DOCUMENT
        self.frames = path / "frames.csv"
        """The ledger."""
        self.motion = path / "motion.csv"
        """The motion table."""
        self.events = path / "events.jsonl"
        self.markers = path / "markers.jsonl"
        self.audit = path / "audit.jsonl"
        """Who did what."""
        self.copies = path / "copies.jsonl"
        """What was exported, and where; exists only after an export."""
        self.sound = path / "sound.csv"
        """Missing sound; exists only if sound was recorded."""

    def video(self, part: int) -> Path:
        """Return the path of part 1, 2, … of the video."""
        return self.path / ("video.mkv" if part == 1 else f"video-{part}.mkv")

    def parts(self) -> list[int]:
        """Return the numbers of the existing parts; redaction may have removed some."""
        names = (_PART.fullmatch(path.name) for path in self.path.glob("video*.mkv"))
        return sorted(int(name[1] or 1) for name in names if name)

    def edits(self, coder: str) -> Path:
        """Return the path of the edits of `coder`."""
        return self.path / f"edits-{coder}.jsonl"

    def coders(self) -> list[str]:
        """Return the codes of the coders who reviewed the session."""
        names = (path.stem for path in self.path.glob("edits-*.jsonl"))
        return sorted(name.removeprefix("edits-") for name in names)

    def write_document(self, document: dict[str, Any]) -> None:
        """Replace `session.json` atomically; raises `OSError`."""
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        replace_text(self.document, text.split("\n"))  # not `splitlines`: other breaks are text

    def read_document(self) -> dict[str, Any]:
        """Read `session.json`. Raises `InputError` if it is missing, damaged, or of another version
        of the format."""
        with suppress(OSError):  # it may be there, and not for us to see: `read_json` says so
            if not self.document.exists():
                raise InputError(f"{self.path} is not a session: it has no {DOCUMENT}")
        document = read_json(self.document)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise InputError(f"{self.document} does not describe a session of this program")
        if document.get("version") != VERSION:
            raise InputError(
                f"{self.path} has version {document.get('version')} of the format, and this "
                f"program reads {VERSION}: use the version that recorded it, or a later one"
            )
        # This imports pydantic, which only readers of sessions need.
        from realtime.sessions.document_check import find_misfit

        if why := find_misfit(document):
            raise InputError(f"{self.document} is damaged: {why}")
        return _StrictDict.of(document, self.document)


class _StrictDict(dict[str, Any]):
    """A document, or an object in it. A missing key raises `InputError`."""

    path: Path

    @classmethod
    def of(cls, values: dict[str, Any], path: Path) -> "_StrictDict":
        """Return `values`, read from `path`."""
        made = cls({k: cls.of(v, path) if isinstance(v, dict) else v for k, v in values.items()})
        made.path = path
        return made

    def __missing__(self, key: str) -> Any:
        raise InputError(f"{self.path} is damaged: it has no {key!r}")


def create_folder(wanted: Path) -> SessionFolder:
    """Create a folder that only its owner can open: `wanted` or, if that exists, the first free
    `wanted-2`, `wanted-3` …. Raises `InputError` if it cannot be created."""
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    for path in chain([wanted], numbered):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"--record {path} cannot be created: {error.strerror}") from None
        sync_folder(path.parent)
        return SessionFolder(path)
    raise AssertionError("unreachable: count() has no end")


def lock_session(path: Path) -> Callable[[], None]:
    """Lock the session in `path` for this program; return a function that releases it. The end of
    the program, even a crash, releases it too. Raises `InputError` if another program has locked
    it."""
    try:
        return lock_folder(path)
    except OSError:
        raise InputError(
            f"{path} is being recorded, or another program is changing it: wait until it is done"
        ) from None


@contextmanager
def hold(path: Path) -> Iterator[SessionFolder]:
    """Yield the session in `path`, locked as by `lock_session`. Raises `InputError` if there is
    none."""
    folder = SessionFolder(path)
    folder.read_document()
    release = lock_session(path)
    try:
        yield folder
    finally:
        release()


def free_bytes(path: Path) -> int:
    """Return the free bytes on the disk of `path`, or of its nearest existing parent."""
    return shutil.disk_usage(_nearest(path)).free


def disk_speed(path: Path) -> float:
    """Return how fast the disk of `path` writes, bytes per second, measured with a temporary file
    of 16 MiB; 0 if nothing can be written."""
    data = os.urandom(_PROBE_BYTES)
    try:
        with tempfile.TemporaryFile(dir=_nearest(path)) as probe:
            began_s = time.perf_counter()
            probe.write(data)
            probe.flush()
            os.fsync(probe.fileno())
            return _PROBE_BYTES / (time.perf_counter() - began_s)
    except OSError:
        return 0.0


def check_room(path: Path, needed: float) -> None:
    """Raise `InputError` unless the disk of `path` has room for `needed` bytes and the reserve, and
    its folder can be written to."""
    folder = _nearest(path)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"--record {path}: no permission to write into {folder}: give another one")
    free = free_bytes(path)
    if free < needed + RESERVE_BYTES:
        needs = format_bytes(needed + RESERVE_BYTES)
        raise InputError(
            f"--record {path}: the recording needs about {needs}, the disk has "
            f"{format_bytes(free)} free; make room, or record on another disk, or a shorter session"
        )


def delete_files(paths: Iterable[Path]) -> None:
    """Delete files; a missing file is not an error."""
    for path in paths:
        path.unlink(missing_ok=True)


def _nearest(path: Path) -> Path:
    """Return `path`, or its nearest existing parent."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def format_bytes(count_: float) -> str:
    """Return a number of bytes with its unit: `1.5 GiB`, `20 MiB`."""
    return f"{count_ / 2**30:.1f} GiB" if count_ >= 2**30 else f"{count_ / 2**20:.0f} MiB"
