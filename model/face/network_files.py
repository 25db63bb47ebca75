"""Finds or downloads the networks that find faces.

They are Google's, from the wheel of mediapipe 0.10.21 on PyPI (Apache-2.0; BlazeFace, arXiv
1907.05047, and the face mesh, arXiv 1907.06724). They are looked for in this order:

1. the folder given as `--face-networks DIR`; if it is given, nowhere else;
2. the installed package mediapipe, without importing it;
3. this user's cache, which `python -m model.face fetch` fills from that wheel.

The SHA-256 of each file is checked before use.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from model.cli import make_folder
from model.errors import InputError
from model.files import write_whole
from model.machine import user_cache


class MissingError(InputError):
    """A folder does not have a network."""


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A network's file in the wheel."""

    member: str
    """Path in the wheel, and below site-packages."""
    sha256: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.member).name


_DETECTION = "mediapipe/modules/face_detection"
NETWORKS: dict[str, NetworkFile] = {
    "short_range": NetworkFile(
        f"{_DETECTION}/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "full_range": NetworkFile(
        f"{_DETECTION}/face_detection_full_range_sparse.tflite",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    ),
    "mesh": NetworkFile(
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    ),
}
"""Detection of faces within about 2 m, and within about 5 m; 468 landmarks of one face."""

WHEEL = "mediapipe==0.10.21"
# The last release that contains the networks. This is its smallest wheel, 36 MB. A wheel is a zip
# file, so any Python on any system can read it.
_WHEEL_TAGS = ("--python-version", "3.12", "--platform", "manylinux_2_28_x86_64")
_FOLDER_GIVEN = "FMANET_FACE_NETWORKS"  # in the environment, so that child processes have it too


def network_file(name: str) -> Path:
    """The file of a network; `name` is a key of `NETWORKS`. Raises `InputError` if the published
    file is nowhere on this machine."""
    network = NETWORKS[name]
    if given := os.environ.get(_FOLDER_GIVEN):
        return _file_in(Path(given), network)
    if package := _package_folder():
        with suppress(InputError):  # other releases have other networks or none
            return _file_in(package, network)
    with suppress(MissingError):
        return _file_in(networks_cache(), network)
    raise InputError(
        f"the face network {network.name} is not on this machine: `python -m model.face fetch` "
        "gets it (36 MB, once); without a network connection, give --face-networks DIR"
    )


def networks_cache() -> Path:
    """The folder of downloaded networks in this user's cache."""
    return user_cache() / "face-networks"


def use_folder(folder: Path) -> None:
    """Let this process and its children use the networks in `folder` only. Raises `InputError` if
    one is missing there or differs from the published file."""
    for network in NETWORKS.values():
        _file_in(folder, network)
    os.environ[_FOLDER_GIVEN] = str(folder.resolve())


def add_face_networks(options: argparse._ActionsContainer) -> None:
    """Add the option `--face-networks`. It takes effect when it is parsed, and stores no value."""
    options.add_argument(
        "--face-networks",
        action=_UseFolder,
        default=argparse.SUPPRESS,
        type=Path,
        metavar="DIR",
        help="the networks that find faces, for machines without a network connection",
    )


class _UseFolder(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Path | str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        assert isinstance(values, Path)
        use_folder(values)


def fetch_networks(source: Path | None = None) -> Path:
    """Copy the networks into the cache and return its folder.

    `source`: mediapipe's wheel, or a folder with the networks. Without it, pip downloads the wheel
    and shows its progress. Raises `InputError`, and leaves the cache as it was, if that fails or a
    file is not the published one.
    """
    if source is not None:
        contents = _contents_of(source)
    else:
        with tempfile.TemporaryDirectory() as folder:
            contents = _contents_of(_download_wheel(Path(folder)))
    cache = networks_cache()
    make_folder(cache)
    for network, content in contents.items():
        write_whole(cache / network.name, content)
    return cache


def _package_folder() -> Path | None:
    """The folder in which mediapipe is installed; newer releases have no networks in it."""
    found = find_spec("mediapipe")
    return Path(found.origin).parent.parent if found and found.origin else None


def _file_in(folder: Path, network: NetworkFile) -> Path:
    """The network's file, in `folder` itself or below it as in the wheel."""
    for path in (folder / network.name, folder / network.member):
        if path.is_file():
            _check(network, path.read_bytes(), path)
            return path
    raise MissingError(
        f"{folder} has no {network.name}: `python -m model.face fetch` gets it, or give a folder "
        "that has it"
    )


def _contents_of(source: Path) -> dict[NetworkFile, bytes]:
    """All networks in a wheel or a folder, each checked."""
    if source.is_dir():
        return {n: _file_in(source, n).read_bytes() for n in NETWORKS.values()}
    try:
        with zipfile.ZipFile(source) as wheel:
            contents = {n: wheel.read(n.member) for n in NETWORKS.values()}
    except KeyError as error:
        raise InputError(f"{source}: {error.args[0]}; give the wheel of {WHEEL}") from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{source} is not a wheel ({error}): give that of {WHEEL}") from error
    for network, content in contents.items():
        _check(network, content, source / network.member)
    return contents


def _check(network: NetworkFile, content: bytes, path: Path) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != network.sha256:
        raise InputError(
            f"{path} is not the published file (SHA-256 {found[:12]}…, not "
            f"{network.sha256[:12]}…): get it again with `python -m model.face fetch`"
        )


def _download_wheel(folder: Path) -> Path:
    command = [
        *(*_pip(), "download", "--no-deps", "--only-binary=:all:", *_WHEEL_TAGS),
        *("--retries", "1", "--timeout", "20", "--disable-pip-version-check"),
        *("--dest", str(folder), WHEEL),
    ]
    ran = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    if ran.returncode:
        errors = [line for line in ran.stderr.splitlines() if line.startswith("ERROR: ")]
        why = errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with {ran.returncode}"
        raise InputError(
            f"cannot download {WHEEL} ({why}): check the network connection, or give the wheel "
            "from another machine with --from WHEEL"
        )
    return next(folder.glob("*.whl"))


def _pip() -> list[str]:
    """The command that runs pip; uv makes environments without it."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise InputError(
        f"this environment has no pip to download {WHEEL} with: `python -m ensurepip` adds it"
    )
