"""A little of what `tests/fuzz.py` does at length: it runs, finds nothing, and would find a bug."""

from pathlib import Path

import pytest
from fuzz import Heard, attempt, cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.errors import InputError


@pytest.mark.parametrize("target", ["protocols", "tables"])
def test_nonsense_is_told_in_one_line(target: str, tmp_path: Path) -> None:
    known = cases(target, tmp_path / "corpus")

    @settings(max_examples=200, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def answer(data: st.DataObject) -> None:
        strategy, do = known[data.draw(st.sampled_from(sorted(known)))]
        attempt(do, data.draw(strategy), tmp_path / "scratch", Heard())

    answer()


def test_a_bug_is_found_and_what_is_told_is_none(tmp_path: Path) -> None:
    def do(value: Exception | None, folder: Path) -> None:
        assert list(folder.iterdir()) == []
        (folder / "left").touch()
        if value is not None:
            raise value

    heard = Heard()
    assert not attempt(do, None, tmp_path / "scratch", heard)
    assert attempt(do, InputError("no such file"), tmp_path / "scratch", heard)
    with pytest.raises(ZeroDivisionError):
        attempt(do, ZeroDivisionError(), tmp_path / "scratch", heard)
