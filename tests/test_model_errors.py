"""What a command's end looks like from outside."""

import errno
from pathlib import Path

import pytest

from model.cli import exit_code
from model.errors import CheckpointError, InputError, describe_error, is_refused


def test_a_command_that_works_ends_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [InputError, CheckpointError])
def test_bad_input_is_one_line_and_two(
    kind: type[InputError], capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise kind("--fps 0: choose more than 0")

    assert exit_code(main) == 2
    assert capsys.readouterr() == ("", "error: --fps 0: choose more than 0\n")


def test_what_the_system_refuses_is_one_line_and_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(lambda: (tmp_path / "no" / "figures.svg").write_text("") and None) == 2
    told = capsys.readouterr().err
    assert (told.count("\n"), "figures.svg: No such file" in told) == (1, True)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert exit_code(full) == 2
    assert capsys.readouterr().err == "error: No space left on device\n"


def test_a_name_with_a_line_break_makes_no_second_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise InputError("clip\n\x1b[2J.mp4: no such file")

    assert exit_code(main) == 2
    assert capsys.readouterr().err == "error: clip �[2J.mp4: no such file\n"
    assert exit_code(lambda: (tmp_path / "no\nsuch").read_text() and None) == 2
    assert capsys.readouterr().err.endswith("/no such: No such file or directory\n")
    assert describe_error(ValueError("a\tb\x00\nc")) == "ValueError: a b�"


def test_a_link_in_a_circle_is_refused_and_a_closed_descriptor_is_a_bug(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links") as caught:
        (tmp_path / "loop").read_bytes()
    assert is_refused(caught.value)
    assert not is_refused(OSError(errno.EBADF, "bad descriptor"))
    assert not is_refused(ValueError())


def test_ctrl_c_is_one_line_and_130(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    assert exit_code(main) == 130
    assert capsys.readouterr().err == "stopped\n"


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError(errno.EBADF, "bad descriptor")])
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    def main() -> None:
        raise error

    with pytest.raises(type(error)):
        exit_code(main)
