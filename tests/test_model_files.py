"""Files that are written whole, and hashes of the code."""

from pathlib import Path

import pytest

from model.files import hash_code, write_whole


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for content in (b"old", memoryview(b"new")):
        write_whole(path, content)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.mkdir()
    with pytest.raises(OSError, match=r"a\.bin"):
        write_whole(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_code_has_one_hash_for_each_choice_of_files() -> None:
    some, more = hash_code(["flow/*.py"]), hash_code(["flow/*.py", "labels.py"])
    assert len(some) == 64
    assert some == hash_code(["flow/*.py"])
    assert some != more
