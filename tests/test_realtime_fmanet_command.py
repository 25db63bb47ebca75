"""The command `fmanet`: every job can be reached, and none waits for another's imports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime import fmanet_command

ROOT = Path(__file__).parent.parent


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fmanet", *arguments])
    try:
        return fmanet_command.main()
    except SystemExit as stop:  # argparse
        return int(stop.code or 0)


@pytest.mark.parametrize("name", fmanet_command.JOBS)
def test_every_job_shows_its_own_help(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in ("bench gpu", "train", "evaluate", "data"):
        pytest.importorskip("torch")
    monkeypatch.setenv("COLUMNS", "80")
    assert run(monkeypatch, *name.split(), "--help") == 0
    said = capsys.readouterr().out
    assert f"fmanet {name}" in said
    assert "python -m" not in said
    assert not any(f"default: {mark}" in said for mark in ("(", "[", "None"))
    assert len(said.splitlines()) <= 45


def test_without_a_job_all_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch) == 2
    assert run(monkeypatch, "--help") == 0
    said = capsys.readouterr().out
    for name, job in fmanet_command.JOBS.items():
        assert name in said
        assert job.what in said


def test_an_unknown_job_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "lvie") == 2
    assert capsys.readouterr().err.startswith("error: unknown job 'lvie': choose one of live, ")


def test_record_is_a_run_without_a_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "record", str(tmp_path / "P07"), "--source", "demo") == 2
    assert "needs a participant's code" in capsys.readouterr().err
    assert run(monkeypatch, "record") == 2
    assert "required: DIR" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--help", "--help-all"])
def test_each_kind_of_help_is_there(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([], ["session"], ["session", "redact"], ["calibrate"], ["bench", "compare"]):
        assert run(monkeypatch, *arguments, option) == 0
        assert capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise on Windows")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "command",
    [
        "realtime.fmanet_command --help",
        "realtime.fmanet_command session --help",
        "calibrate --help",
    ],
)
def test_a_reader_that_stops_reading_gets_no_traceback(command: str, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=writing,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(writing)
    assert ended.stderr == b""
    assert ended.returncode == 141 or unbuffered  # argparse ignores that its text is not read


def test_help_imports_nothing_that_is_slow() -> None:
    program = (
        "import sys; sys.argv = ['fmanet', '--help'];"
        "from realtime.fmanet_command import main; main();"
        "print(*(m for m in ('numpy', 'cv2', 'torch', 'gradio', 'av') if m in sys.modules), '.')"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert said.splitlines()[-1].strip() == "."
