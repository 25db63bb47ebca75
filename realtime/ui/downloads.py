"""Downloads: answers with files that were exported from a session."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from fastapi.responses import FileResponse, Response, StreamingResponse

from model.errors import InputError

CHUNK = 2**20
NO_STORE = {"Cache-Control": "no-store"}


def find_export(out: Path, name: str) -> Path:
    """Return the file `name`, a path relative to the folder of exports `out`. Raises `InputError`
    if there is none in it; a link out of the folder counts as none."""
    try:
        path = (out / name).resolve()
        inside = path.is_relative_to(out.resolve()) and path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        inside = False
    if not inside:
        raise InputError(f"{name!r}: no such file was exported")
    return path


def answer_file(path: Path) -> Response:
    """Return the answer that saves `path` under its own name."""
    return FileResponse(path, filename=path.name, headers=NO_STORE)


def answer_zip(out: Path, names: Sequence[str], file_name: str) -> Response:
    """Return the answer that saves the exported files `names` as one ZIP file. Raises `InputError`
    as `find_export` does."""
    files = {name: find_export(out, name) for name in names}
    return StreamingResponse(
        _pack(files), media_type="application/zip", headers=attachment(file_name)
    )


def attachment(file_name: str) -> dict[str, str]:
    """Return the headers of an answer that browsers save as `file_name`."""
    saved = f"attachment; filename*=utf-8''{quote(file_name, safe='')}"
    return {**NO_STORE, "Content-Disposition": saved}


class _Stream(io.RawIOBase):
    """Keeps what is written until it is taken; it cannot seek, as an answer cannot."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        self._parts.append(bytes(part))  # type: ignore[call-overload]
        return len(self._parts[-1])

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def _pack(files: dict[str, Path]) -> Iterator[bytes]:
    """Yield a ZIP file of `files` by name, without compression: videos do not get smaller."""
    stream = _Stream()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, path in files.items():
            entry = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)  # with its date
            with path.open("rb") as source, packed.open(entry, "w", force_zip64=True) as target:
                while part := source.read(CHUNK):
                    target.write(part)
                    yield stream.take()
            yield stream.take()
    yield stream.take()
