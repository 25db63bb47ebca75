"""Folders for results, and what --help says of defaults."""

import argparse
from pathlib import Path

import pytest

from model.cli import HelpFormatter, ListAction, Parser, make_folder
from model.errors import InputError


def test_a_folder_is_made_with_those_around_it(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_what_can_be_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot make the folder"):
            make_folder(path)


def test_defaults_are_said_where_they_say_something() -> None:
    parser = argparse.ArgumentParser(formatter_class=HelpFormatter)
    parser.add_argument("--rate", default=30, help="frames a second")
    parser.add_argument("--sizes", nargs="+", default=[128, 0.5], help="sides")
    parser.add_argument("--out", help="folder")
    parser.add_argument("--quiet", action="store_true", help="say nothing")
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="open nothing")
    said = parser.format_help()
    assert "frames a second (default: 30)" in said
    assert "sides (default: 128 0.5)" in said
    assert said.count("default") == 2


@pytest.mark.parametrize("typed", [["1,2", "3"], ["1,2,3"], ["1", "2", "3"], ["1,2,", "3"]])
def test_a_list_has_commas_and_may_have_spaces(typed: list[str]) -> None:
    parser = Parser(prog="program")
    parser.add_argument("--seeds", action=ListAction, convert=int, default=[0, 1], help="of faces")
    assert parser.parse_args(["--seeds", *typed]).seeds == [1, 2, 3]
    assert "of faces (default: 0,1)" in parser.format_help()


@pytest.mark.parametrize(
    ("typed", "said"),
    [(["--seeds", "1,x"], "'x' is no whole number"), (["--only", "lk,no"], "'no': choose from lk")],
)
def test_what_is_wrong_in_a_list_is_told(
    typed: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = Parser(prog="program")
    parser.add_argument("--seeds", action=ListAction, convert=int)
    parser.add_argument("--only", action=ListAction, choices=("lk", "lk, tensors"))
    assert parser.parse_args(["--only", "lk,lk, tensors"]).only == ["lk", "lk, tensors"]
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(typed)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_subcommand_is_named_as_it_is_typed(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="fmanet session")
    parser.add_subparsers(required=True).add_parser("recover").add_argument("folder")
    with pytest.raises(SystemExit):
        parser.parse_args(["recover", "--help"])
    assert capsys.readouterr().out.startswith("usage: fmanet session recover [options] folder")


def test_rare_options_are_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="program")
    parser.add_argument("folder")
    parser.add_argument("--rate", default=30, help="frames a second")
    parser.add_argument("--engine", default="auto", help="what runs it")
    with pytest.raises(KeyError):
        parser.hide_rare("--engnie")
    parser.hide_rare("--engine")
    short = parser.format_help()
    assert short.startswith("usage: program [options] folder")
    assert "frames a second (default: 30)" in short
    assert "--engine" not in short
    assert short.endswith("1 rarely needed option more: --help-all\n")
    assert parser.parse_args(["x", "--engine", "onnx"]).engine == "onnx"
    with pytest.raises(SystemExit):
        parser.parse_args(["--help-all"])
    assert "--engine" in capsys.readouterr().out
    plain = Parser(prog="program")
    with pytest.raises(SystemExit, match="0"):
        plain.parse_args(["--help-all"])
    assert capsys.readouterr().out == plain.format_help()
