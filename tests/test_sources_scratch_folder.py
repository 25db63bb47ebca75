"""Private temporary folders: gone at the end of the run, or with a later one."""

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from realtime.sources.scratch_folder import ScratchFolder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no lock for folders")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def leave(folder: Path, *, mode: int = 0o700) -> Path:
    """Put a film into a folder, made if there is none, as if an hour ago."""
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)
    (folder / "film.mp4").write_bytes(b"a face")
    then_s = time.time() - 3600
    os.utime(folder, (then_s, then_s))
    return folder


def test_it_is_private_and_gone_when_it_is_deleted_or_forgotten(temporary: Path) -> None:
    scratch = ScratchFolder()
    (scratch.path / "film.mp4").write_bytes(b"a face")
    assert stat.S_IMODE(scratch.path.stat().st_mode) & 0o077 == 0
    scratch.delete()
    assert list(temporary.iterdir()) == []
    scratch = ScratchFolder()
    del scratch
    assert list(temporary.iterdir()) == []


def test_a_later_run_deletes_what_a_killed_one_left(temporary: Path) -> None:
    killed = (
        "import os, sys, tempfile\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "from realtime.sources.scratch_folder import ScratchFolder\n"
        "scratch = ScratchFolder()\n"
        "print(scratch.path, flush=True)\n"
        "os._exit(9)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", killed, str(temporary)], capture_output=True, text=True, check=False
    )
    folder = Path(run.stdout.strip())
    assert (run.returncode, folder.exists()) == (9, True)
    leave(folder)
    ScratchFolder()
    assert not folder.exists()


def test_a_folder_in_use_or_just_made_stays(temporary: Path) -> None:
    used = ScratchFolder()
    leave(used.path)
    made = temporary / "fmanet-scratch-justmade"
    made.mkdir(mode=0o700)
    ScratchFolder()
    assert (used.path.exists(), made.exists()) == (True, True)
    leave(made)
    ScratchFolder()
    assert not made.exists()


def test_what_it_has_not_made_stays(temporary: Path) -> None:
    named = leave(temporary / "fmanet-scratch-results")
    shared = leave(temporary / "fmanet-scratch-holidays", mode=0o755)
    link = temporary / "fmanet-scratch-link_to_"
    link.symlink_to(named)
    file = temporary / "fmanet-scratch-onefile_"
    file.write_bytes(b"")
    ScratchFolder()
    assert all(each.exists() for each in (named / "film.mp4", shared / "film.mp4", link, file))


def test_one_that_is_gone_already_is_deleted(temporary: Path) -> None:
    scratch = ScratchFolder()
    scratch.path.rmdir()
    scratch.delete()
