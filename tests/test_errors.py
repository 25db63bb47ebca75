"""What a command's end looks like from outside."""

import pytest

from model.errors import CheckpointError, InputError, exit_code


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


def test_ctrl_c_is_one_line_and_130(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    assert exit_code(main) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_a_bug_keeps_its_traceback() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exit_code(main)
