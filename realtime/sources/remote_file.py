"""Recordings in storage that FFmpeg cannot read by itself, such as `s3://bucket/P07.mp4`: any
address that fsspec (https://filesystem-spec.readthedocs.io, BSD-3) knows.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from model.errors import SourceError
from realtime.sources import hide_password
from realtime.sources.network_stream import SCHEMES
from realtime.sources.scratch_folder import ScratchFolder

_VERSION = ("size", "mtime", "created", "etag", "content-md5", "digest", "lastmodified",
            "last_modified", "last-modified", "last_write_time", "modificationtime", "md5hash",
            "sha", "updated")  # fmt: skip
"""What file systems call what changes when a file does."""
_DOCUMENT = "session.json"


class _Found(NamedTuple):
    files: Any
    """fsspec's file system."""
    path: str
    facts: dict[str, Any]


def is_remote(spec: str) -> bool:
    """Return whether `spec` is an address of fsspec's, and none that FFmpeg reads (`https://`)."""
    scheme = re.match(r"([a-z0-9]+)(?:::|://)", spec)
    if scheme is None or (scheme[1] in SCHEMES and "::" not in spec):
        return False
    from fsspec import available_protocols

    return scheme[1] in available_protocols()


def remote_name(spec: str) -> str:
    """Return the name of the file at the address `spec`."""
    address = next((part for part in spec.split("::") if "://" in part), spec)
    host, _, path = address.partition("?")[0].rpartition("://")[2].partition("/")
    return PurePosixPath(path).name or host.rpartition("@")[2]


def remote_facts(spec: str) -> list[str]:
    """Return what changes when the file at the address `spec` does. Raises `SourceError` if it
    cannot be reached."""
    facts = _find(spec).facts
    return [f"{key} {facts[key]}" for key in sorted(facts) if key.lower() in _VERSION]


@contextmanager
def fetched(spec: str) -> Iterator[Path]:
    """Yield a copy of the file at the address `spec`, which is deleted afterwards. Raises
    `SourceError` if it cannot be fetched, or belongs to a session: what was agreed to, and what
    must be forgotten, are known of the session alone."""
    found = _find(spec)
    shown, size = hide_password(spec), found.facts.get("size")
    if found.facts.get("type") == "directory":
        raise SourceError(f"{shown} is a folder: give a file, or copy the folder and give its path")
    if size is None:
        raise SourceError(f"{shown} does not say how large it is, as a live stream: give a file")
    with _errors_in_one_line(spec):
        of_session = _is_part_of_session(found)
    if of_session:
        raise SourceError(
            f"{shown} belongs to a session: copy the whole folder and give the copy's path"
        )
    with _scratch_folder() as (folder, free):
        if free < size:
            raise SourceError(
                f"{shown} has {size / 1e9:.1f} GB and {folder} room for {free / 1e9:.1f} GB: make "
                "room there, or set TMPDIR to a folder that has it"
            )
        path = folder / (remote_name(spec) or "recording")
        with _errors_in_one_line(spec):
            found.files.get_file(found.path, str(path))
        if path.stat().st_size != size:
            raise SourceError(f"{shown} was not fetched whole: try again")
        yield path


@contextmanager
def _scratch_folder() -> Iterator[tuple[Path, int]]:
    """Yield a new folder for temporary files, and the room there, B. It is deleted afterwards.
    Raises `SourceError` if it cannot be made or deleted."""
    try:
        scratch = ScratchFolder()
        free = shutil.disk_usage(scratch.path).free
    except OSError as error:
        raise SourceError(
            f"no folder for a copy of the recording ({error.strerror or error}): set TMPDIR to one "
            "that can be written"
        ) from None
    try:
        yield scratch.path, free
    finally:
        try:
            scratch.delete()
        except OSError as error:
            raise SourceError(
                f"{scratch.path}, with a copy of the recording, cannot be deleted "
                f"({error.strerror}): delete it"
            ) from None


def _find(spec: str) -> _Found:
    from fsspec.core import url_to_fs

    with _errors_in_one_line(spec):
        files, path = url_to_fs(spec)
        return _Found(files, path, files.info(path))


def _is_part_of_session(found: _Found) -> bool:
    parent = found.path.partition("?")[0].rpartition("/")[0]
    try:
        return bool(found.files.exists(f"{parent}/{_DOCUMENT}"))
    except PermissionError:  # the file may be read, but not what lies beside it
        return False


@contextmanager
def _errors_in_one_line(spec: str) -> Iterator[None]:
    """Raise `SourceError` instead of what a file system raises, which may be anything."""
    shown = hide_password(spec)
    try:
        yield
    except FileNotFoundError:
        raise SourceError(f"{shown}: there is no such file") from None
    except Exception as error:
        said = str(error).strip() or type(error).__name__
        why = _hide_passwords(said.splitlines()[0], spec)
        raise SourceError(f"{shown} cannot be fetched: {why}") from None


def _hide_passwords(text: str, spec: str) -> str:
    """Return `text` with the addresses of `spec`, and any other, as they may be shown."""
    for address in filter(None, spec.split("::")):
        shown = hide_password(address)
        text = text.replace(address, shown)
        _, _, path = address.partition("://")
        if path:  # as fsspec hands it on
            text = text.replace(path, shown.partition("://")[2])
    return re.sub(r"[a-z][a-z0-9+.-]*://\S+", lambda found: hide_password(found[0]), text)
