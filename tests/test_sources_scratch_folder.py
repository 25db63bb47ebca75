"""Private temporary folders: gone at the end of the run, or with the next one."""

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from realtime.sources.scratch_folder import ScratchFolder

AN_HOUR_S, TWO_DAYS_S = 3600.0, 172800.0


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def make_old(folder: Path, age_s: float) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "film.mp4").write_bytes(b"a face")
    then_s = time.time() - age_s
    os.utime(folder, (then_s, then_s))
    return folder


def test_it_is_private_and_gone_when_it_is_deleted_or_forgotten(temporary: Path) -> None:
    scratch = ScratchFolder()
    (scratch.films / "film.mp4").write_bytes(b"a face")
    for private in (scratch.films, scratch.films.parent):
        assert stat.S_IMODE(private.stat().st_mode) & 0o077 == 0
    scratch.delete()
    assert list(temporary.iterdir()) == []
    scratch = ScratchFolder()
    del scratch
    assert list(temporary.iterdir()) == []


def test_the_next_run_deletes_what_a_killed_one_left(temporary: Path) -> None:
    left = (
        "import os, sys, tempfile\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "from realtime.sources.scratch_folder import ScratchFolder\n"
        "scratch = ScratchFolder()\n"
        "print(scratch.films.parent, flush=True)\n"
        "os._exit(9)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", left, str(temporary)], capture_output=True, text=True, check=False
    )
    folder = Path(run.stdout.strip())
    assert (run.returncode, folder.exists()) == (9, True)
    make_old(folder, AN_HOUR_S)
    ScratchFolder()
    assert not folder.exists()


def test_a_folder_in_use_or_just_made_stays(temporary: Path) -> None:
    used, made = ScratchFolder(), temporary / "fmanet-scratch-made"
    make_old(used.films.parent, TWO_DAYS_S)
    made.mkdir()
    (made / "in-use").touch()
    ScratchFolder()
    assert (used.films.exists(), made.exists()) == (True, True)


def test_a_folder_without_a_lock_is_never_deleted(temporary: Path) -> None:
    earlier = make_old(temporary / "fmanet-upload-1", TWO_DAYS_S)
    other = make_old(temporary / "fmanet-scratch-results", TWO_DAYS_S)
    link = temporary / "fmanet-scratch-link"
    link.symlink_to(other)
    ScratchFolder()
    assert all(each.exists() for each in (earlier, other, link))
    assert (other / "film.mp4").exists()
