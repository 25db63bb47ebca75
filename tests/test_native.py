"""What native libraries print."""

import gc
import os
import re
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from skimage import data

from model.mesh import FaceMesh
from model.native import stderr_without


def test_only_idle_lines_are_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with stderr_without(re.compile(rb"noise|hum")):
        os.write(2, b"noise: nothing\nerror: the network is damaged\n")
        print("from python", file=sys.stderr)
        os.write(2, b"hum\nan unfinished line")

    said = capfd.readouterr().err
    assert "noise" not in said
    assert "hum" not in said
    assert "error: the network is damaged\n" in said
    assert "from python\n" in said
    assert said.endswith("an unfinished line")


def test_a_progress_bar_before_an_idle_line_stays(capfd: pytest.CaptureFixture[str]) -> None:
    with stderr_without(re.compile(rb"noise|hum")):
        os.write(2, b"\r12 framesnoise: nothing\r13 frameshum\n\r14 frames")
    assert capfd.readouterr().err == "\r12 frames\r14 frames"


def test_what_was_printed_comes_out_although_the_body_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        with stderr_without(re.compile(rb"noise")):
            os.write(2, b"last words\n")
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        fail()
    assert capfd.readouterr().err == "last words\n"


def test_threads_at_once_leave_stderr_where_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    def talk(line: int) -> None:
        with stderr_without(re.compile(rb"noise")):
            os.write(2, b"line %03d\n" % line)

    before = os.fstat(2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(talk, range(200)))

    assert os.path.samestat(os.fstat(2), before)
    assert sorted(capfd.readouterr().err.split("\n")[:-1]) == [f"line {n:03d}" for n in range(200)]


def test_a_program_without_stderr_runs() -> None:
    program = (
        "import os, re; from model.native import stderr_without\n"
        "os.close(2)\n"
        "with stderr_without(re.compile(b'x')): print('ran')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True
    )
    assert done.stdout == "ran\n"


def test_the_face_mesh_starts_and_restarts_silently(capfd: pytest.CaptureFixture[str]) -> None:
    grey = np.full((64, 48, 3), 90, np.uint8)
    mesh = FaceMesh(faces=1, follows=True)
    assert mesh.find(grey) == []
    mesh.reset()
    mesh.reset()
    assert mesh.find(grey) == []
    assert len(mesh.find(data.astronaut())) == 1  # type: ignore[no-untyped-call]
    mesh.close()

    assert capfd.readouterr().err == ""


def test_a_closed_face_mesh_is_let_go() -> None:
    mesh = FaceMesh(faces=1, follows=True)
    assert len(mesh.find(data.astronaut())) == 1  # type: ignore[no-untyped-call]
    mesh.close()
    kept = weakref.ref(mesh)
    del mesh
    gc.collect()
    assert kept() is None


def test_threads_that_share_a_face_mesh_get_their_own_picture_s_faces() -> None:
    face = data.astronaut()  # type: ignore[no-untyped-call]
    blank = np.full_like(face, 90)
    mesh = FaceMesh(faces=1, follows=False)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(mesh.find, [face, blank] * 20))
    mesh.close()
    assert [len(faces) for faces in found] == [1, 0] * 20
