import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from model.errors import InputError
from model.face.network_files import (
    NETWORKS,
    NetworkFile,
    fetch_networks,
    network_file,
    networks_cache,
    use_folder,
)

CONTENT = {"short_range": b"short", "full_range": b"full", "mesh": b"mesh"}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Short made-up networks take the place of the published ones; no place has them yet."""
    for name, content in CONTENT.items():
        made_up = NetworkFile(NETWORKS[name].member, hashlib.sha256(content).hexdigest())
        monkeypatch.setitem(NETWORKS, name, made_up)
    monkeypatch.setenv("FMANET_FACE_NETWORKS", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    install(tmp_path / "bare", monkeypatch)


def install(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mediapipe, found before any other, with what lies in `site`."""
    (site / "mediapipe").mkdir(parents=True, exist_ok=True)
    (site / "mediapipe" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "mediapipe", raising=False)
    monkeypatch.syspath_prepend(site)


def write_wheel(path: Path, contents: dict[str, bytes] = CONTENT) -> Path:
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in contents.items():
            wheel.writestr(NETWORKS[name].member, content)
    return path


def write_folder(folder: Path) -> Path:
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / NETWORKS[name].name).write_bytes(content)
    return folder


def test_the_published_networks_are_found_here() -> None:
    for name, network in NETWORKS.items():
        assert hashlib.sha256(network_file(name).read_bytes()).hexdigest() == network.sha256


@pytest.mark.usefixtures("published")
def test_a_wheel_fills_the_cache(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"python -m model\.face fetch.*--face-networks DIR"):
        network_file("mesh")
    assert fetch_networks(write_wheel(tmp_path / "m.whl")) == networks_cache()
    assert {name: network_file(name).read_bytes() for name in NETWORKS} == CONTENT
    assert sorted(path.name for path in networks_cache().iterdir()) == sorted(
        network.name for network in NETWORKS.values()
    )


@pytest.mark.usefixtures("published")
def test_a_folder_fills_the_cache(tmp_path: Path) -> None:
    fetch_networks(write_folder(tmp_path / "copied"))
    assert network_file("mesh").parent == networks_cache()


@pytest.mark.usefixtures("published")
def test_the_installed_package_comes_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = write_wheel(tmp_path / "m.whl")
    fetch_networks(wheel)
    with zipfile.ZipFile(wheel) as unpacked:
        unpacked.extractall(tmp_path / "site")
    install(tmp_path / "site", monkeypatch)
    assert network_file("mesh") == tmp_path / "site" / NETWORKS["mesh"].member
    # Another release of mediapipe has no such file, or another one.
    network_file("mesh").write_bytes(b"of another release")
    assert network_file("mesh").parent == networks_cache()


@pytest.mark.usefixtures("published")
def test_a_damaged_file_in_the_cache_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", monkeypatch)  # a mediapipe without networks
    fetch_networks(write_wheel(tmp_path / "m.whl"))
    network_file("mesh").write_bytes(b"cut off")
    with pytest.raises(InputError, match=r"is not the published file .* `python -m model\.face"):
        network_file("mesh")


@pytest.mark.usefixtures("published")
def test_a_folder_given_is_the_only_place(tmp_path: Path) -> None:
    fetch_networks(write_wheel(tmp_path / "m.whl"))
    folder = write_folder(tmp_path / "given")
    use_folder(folder)
    assert network_file("mesh") == folder / NETWORKS["mesh"].name
    (folder / NETWORKS["mesh"].name).unlink()
    with pytest.raises(InputError, match=r"given has no face_landmark\.tflite"):
        network_file("mesh")
    with pytest.raises(InputError, match=r"given has no face_landmark\.tflite"):
        use_folder(folder)


@pytest.mark.usefixtures("published")
def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "given")
    (folder / NETWORKS["full_range"].name).write_bytes(b"something else")
    with pytest.raises(InputError, match=r"full_range_sparse\.tflite is not the published file"):
        use_folder(folder)
    with pytest.raises(InputError, match="is not the published file"):
        fetch_networks(folder)


@pytest.mark.usefixtures("published")
def test_a_damaged_wheel_leaves_the_cache_as_it_was(tmp_path: Path) -> None:
    fetch_networks(write_wheel(tmp_path / "m.whl"))
    bad = write_wheel(tmp_path / "bad.whl", {**CONTENT, "mesh": b"damaged"})
    with pytest.raises(InputError, match=r"face_landmark\.tflite is not the published file"):
        fetch_networks(bad)
    assert network_file("mesh").read_bytes() == CONTENT["mesh"]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"text", "is not a wheel"),
        (None, r"no item named .* give the wheel of mediapipe==0\.10\.21"),
    ],
)
def test_what_is_not_the_wheel_is_refused(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "m.whl"
    if content is None:
        write_wheel(path, {"mesh": CONTENT["mesh"]})
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        fetch_networks(path)


@pytest.mark.usefixtures("published")
def test_a_damaged_cache_is_fetched_again(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "m.whl")
    (fetch_networks(wheel) / NETWORKS["mesh"].name).write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"model\.face fetch"):
        network_file("mesh")
    fetch_networks(wheel)
    assert network_file("mesh").read_bytes() == CONTENT["mesh"]


def test_without_a_network_connection_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "FMANET_FACE_NETWORKS": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-m", "model.face", "fetch"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: cannot download mediapipe==0.10.21 (")
    assert ran.stderr.count("\n") == 1
    assert "--from WHEEL" in ran.stderr


def test_each_program_takes_the_folder(tmp_path: Path) -> None:
    for command in ("run_live.py", "-m realtime.analyze", "-m calibrate camera"):
        ran = subprocess.run(
            [sys.executable, *command.split(), "--face-networks", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 2
        assert ran.stderr.startswith(f"error: {tmp_path} has no face_detection_short_range.tflite")
