"""Files that are written whole, and hashes of the code."""

from pathlib import Path

import pytest

from calibrate.spotting.motion import _CODE as CALIBRATED
from model.datasets.cache import _DEPENDS_ON as COMPUTED
from model.errors import InputError
from model.files import distinct_names, hash_code, require_new, write_whole
from model.synthetic.stored_samples import _GENERATOR as DRAWN


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


def test_no_file_leaves_a_hash_by_being_renamed() -> None:
    with pytest.raises(ValueError, match=r"no file of the package matches flow/none\.py"):
        hash_code(["flow/*.py", "flow/none.py"])
    for patterns in (CALIBRATED, COMPUTED, DRAWN):
        assert len(hash_code(patterns)) == 64


def test_a_path_that_exists_is_refused(tmp_path: Path) -> None:
    assert require_new(tmp_path / "new") == tmp_path / "new"
    with pytest.raises(InputError, match="exists, and results are never overwritten"):
        require_new(tmp_path)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["in/a.png", "b.jpg"], ["a", "b"]),
        (["in/a.png", "in/a.jpg", "b.jpg"], ["a.png", "a.jpg", "b"]),
        (["one/a.png", "two/a.png", "a.png"], ["one-a.png", "two-a.png", "a.png"]),
        (["/x/one/a.png", "/y/one/a.png"], ["x-one-a.png", "y-one-a.png"]),
        (["in/a.png", "in/a.jpg", "in/a.jpg.png"], ["a.png", "in-a.jpg", "in-a.jpg.png"]),
        ([], []),
    ],
)
def test_files_are_told_apart_by_as_little_as_it_takes(paths: list[str], names: list[str]) -> None:
    assert list(distinct_names(map(Path, paths)).items()) == [
        (Path(path), name) for path, name in zip(paths, names, strict=True)
    ]
