"""The program as its users start it: options refused, runs ended, summaries written."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import picture, write_clip

import run_live
from model.cli import exit_code
from model.errors import InputError, SourceError
from model.records import Frame, Stamp
from realtime.config import LiveConfig
from realtime.headless import run_headless
from realtime.sources import SOURCES, SourceInfo, SourceOptions, SourceStatus
from realtime.stream.clock import monotonic_s

ROOT = Path(run_live.__file__).parent
TIMEOUT_S = 120
DEMO = ["--source", "demo", "--width", "320", "--height", "240", "--headless"]


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "run_live.py", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_a_headless_run_of_the_demo_writes_its_summary(untrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = run(*DEMO, "--classifier", str(untrained), "--seconds", "1", "--summary", str(out))
    assert done.returncode == 0, done.stderr
    assert "30 frames captured" in done.stdout
    summary = json.loads(out.read_text("utf-8"))
    frames = summary["frames"]
    assert frames["captured"] == 30
    assert frames["analysed"] + sum(frames["dropped"].values()) == 30
    assert summary["fps_measured"] == pytest.approx(30)
    assert summary["config"]["seconds"] == 1
    assert summary["source"].startswith("demo face, seed 7")
    assert isinstance(summary["truth"], list)


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly_with_the_summary_written(
    untrained: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out.json"
    command = [sys.executable, "run_live.py", *DEMO]
    with subprocess.Popen(
        [*command, "--classifier", str(untrained), "--summary", str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        told = b""
        while b"analysed" not in told:  # the progress line: frames are coming
            piece = os.read(process.stderr.fileno(), 4096)
            assert piece, told.decode()
            told += piece
        process.send_signal(number)
        closing, rest = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, rest.decode()
    assert b"Traceback" not in rest
    assert b"summary in" in closing
    frames = json.loads(out.read_text("utf-8"))["frames"]
    assert frames["captured"] > 0
    assert frames["captured"] == frames["analysed"] + sum(frames["dropped"].values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--source", "absent.mp4"], "no such file"),
        (["--source", "demo", "--fps", "0"], "--fps 0"),
        (["--source", "demo", "--flow", "raft"], "--flow raft"),
        (["--source", "browser"], "needs the page"),
        (["--device", "cuda:99"], "--device cuda:99"),
        (["--summary", "no/such/folder/out.json"], "no folder"),
    ],
)
def test_wrong_options_end_with_one_line_and_2(
    options: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["run_live.py", "--headless", *options])
    assert exit_code(run_live.main) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert words in told


def test_the_page_for_others_needs_a_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["run_live.py", "--host", "0.0.0.0"])
    assert exit_code(run_live.main) == 2
    assert "--auth" in capsys.readouterr().err


def test_a_summary_without_headless_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["run_live.py", "--summary", str(tmp_path / "out.json")])
    assert exit_code(run_live.main) == 2
    assert "--headless" in capsys.readouterr().err


def test_an_option_that_does_not_exist_ends_with_2() -> None:
    done = run("--colour", "red")
    assert done.returncode == 2
    assert "--colour" in done.stderr


def test_an_earlier_summary_is_not_overwritten(tmp_path: Path) -> None:
    earlier = tmp_path / "out.json"
    earlier.write_text("earlier")
    with pytest.raises(InputError, match="never overwritten"):
        run_headless(LiveConfig(source="demo"), earlier)
    assert earlier.read_text() == "earlier"


def test_no_face_at_all_is_said_and_is_no_error(
    untrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "grey.mkv"
    write_clip(video, [picture(20 * n) for n in range(8)], [40 * n for n in range(8)])
    run_headless(LiveConfig(source=str(video), classifier=str(untrained)))
    assert "no face in any frame" in capsys.readouterr().out


class Breaking:
    """Three frames, then the cable is cut."""

    info = SourceInfo("", "breaking", "breaks", True, "receipt", 64, 48, None, None, True)

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self.interrupted = False

    def __iter__(self) -> Iterator[Frame]:
        for index in range(3):
            yield Frame(Stamp(index, index / 30), picture(90), monotonic_s())
        raise SourceError("the cable is cut")

    def status(self) -> SourceStatus:
        return SourceStatus("open", "", 3, None, {}, {})

    def interrupt(self) -> None:
        self.interrupted = True

    def close(self) -> None:
        self.interrupted = True


def test_a_source_that_breaks_leaves_its_summary(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "breaking", f"{__name__}:Breaking")
    out = tmp_path / "out.json"
    with pytest.raises(SourceError, match="cable is cut"):
        run_headless(LiveConfig(source="breaking", classifier=str(untrained)), out)
    summary = json.loads(out.read_text("utf-8"))
    assert summary["frames"]["analysed"] == 3
    assert summary["message"] == "the cable is cut"
