"""Folders for results."""

from pathlib import Path

import pytest

from model.cli import make_folder
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
