"""Splits that keep subjects apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from model.metrics.subject_folds import leave_one_subject_out, validation_split

SUBJECTS = st.lists(st.sampled_from(["01", "02", "03", "s10", "é"]), min_size=2, max_size=30)


@given(SUBJECTS)
def test_no_subject_stands_on_both_sides(subjects: list[str]) -> None:
    if len(set(subjects)) < 2:
        with pytest.raises(InputError, match="two"):
            list(leave_one_subject_out(subjects))
        return
    folds = list(leave_one_subject_out(subjects))
    assert [fold.subject for fold in folds] == sorted(set(subjects))
    for fold in folds:
        assert {subjects[i] for i in fold.test} == {fold.subject}
        assert fold.subject not in {subjects[i] for i in fold.train}
        assert sorted([*fold.train, *fold.test]) == list(range(len(subjects)))
    tested = sorted(i for fold in folds for i in fold.test)
    assert tested == list(range(len(subjects)))


@given(SUBJECTS, st.floats(0.01, 0.99), st.integers(0, 5))
def test_held_out_subjects_are_held_out_whole(subjects: list[str], share: float, seed: int) -> None:
    if len(set(subjects)) < 2:
        return
    kept, held = validation_split(subjects, share, seed)
    assert sorted([*kept, *held]) == list(range(len(subjects)))
    assert not {subjects[i] for i in kept} & {subjects[i] for i in held}
    assert kept.size
    assert held.size
    again = validation_split(subjects, share, seed)
    np.testing.assert_array_equal(held, again[1])


@pytest.mark.parametrize(("subjects", "share"), [(["a", "b"], 0.0), (["a", "a"], 0.5)])
def test_a_split_that_cannot_be_is_refused(subjects: list[str], share: float) -> None:
    with pytest.raises(InputError, match="share"):
        validation_split(subjects, share, 0)
