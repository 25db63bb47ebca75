"""Tables are looked up lazily."""

import pytest

from model.errors import InputError
from model.lazy_loading import load_entry

TABLE = {"path": "pathlib:Path", "broken": "no.such.module:Name"}


def test_an_entry_is_imported_when_asked_for() -> None:
    from pathlib import Path

    assert load_entry(TABLE, "path", "thing") is Path


def test_an_unknown_name_is_answered_with_the_choices() -> None:
    with pytest.raises(InputError, match="unknown thing 'x': choose one of path, broken"):
        load_entry(TABLE, "x", "thing")


def test_a_broken_entry_is_a_bug_and_shows_itself() -> None:
    with pytest.raises(ModuleNotFoundError):
        load_entry(TABLE, "broken", "thing")
