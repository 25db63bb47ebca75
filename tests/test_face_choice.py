"""Which of several faces to follow: what may be typed."""

import pytest

from model.errors import InputError
from model.face.choice import check_face_choice
from realtime.config import LiveConfig


@pytest.mark.parametrize("choice", ["largest", "left", "right", "1", "12"])
def test_choices(choice: str) -> None:
    check_face_choice(choice)
    assert LiveConfig(face=choice).face == choice


@pytest.mark.parametrize("choice", ["", "0", "-1", "middle", "1.5", "100", "LEFT"])
def test_a_wrong_choice_is_told_with_the_right_ones(choice: str) -> None:
    with pytest.raises(InputError, match=r"--face .*: choose largest, left, right, or a number"):
        LiveConfig(face=choice)
