"""Which of several faces to follow."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.errors import InputError

if TYPE_CHECKING:
    from model.face.landmarks import Landmarks

LARGEST = "largest"


def check_face_choice(choice: str) -> None:
    """Raise `InputError` unless `choice` is "largest", "left" or "right", as the viewer sees it, or
    a number: faces are counted from the left, from 1."""
    if choice not in (LARGEST, "left", "right") and not re.fullmatch("[1-9][0-9]?", choice):
        raise InputError(
            f"--face {choice}: choose largest, left, right, or a number: 1 is the leftmost face"
        )


def choose_face(faces: Sequence["Landmarks"], choice: str) -> "Landmarks | None":
    """Return the one of `faces`, the largest first, that `choice` asks for; None if there are not
    so many."""
    if choice == LARGEST:
        return faces[0] if faces else None
    from_left = sorted(faces, key=lambda face: face.region.x_px)
    place = {"left": 1, "right": len(faces)}[choice] if choice.isalpha() else int(choice)
    return from_left[place - 1] if 1 <= place <= len(faces) else None
