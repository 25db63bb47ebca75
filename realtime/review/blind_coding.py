"""Blind coding: whether a coder judged while what the program found was hidden.

A blind coder sees when the program found an expression, but no label, probability, score or motion,
until the coder is done. Each edit says whether it was made blind.
"""

from dataclasses import dataclass

from realtime.sessions.coder_edits import EditHistory


@dataclass(frozen=True, slots=True)
class Blindness:
    """How many expressions a coder judged blind, by the edit of each that counts."""

    blind: int
    seeing: int
    """Number judged after the coder had seen what the program found."""
    done: bool
    """Whether the coder has seen it by now."""

    def __str__(self) -> str:
        """Return it in words, for a table."""
        if self.blind and self.seeing:
            return f"{self.blind} of {self.blind + self.seeing} expressions blind"
        if self.seeing:
            return "not blind"
        return "blind" if self.done else "blind, not done yet"


def measure_blindness(history: EditHistory) -> Blindness:
    """Return how blind a coder was, by the coder's edits in force."""
    final = {edit.number: edit.blind for edit in history.edits}
    blind = sum(final.values())
    return Blindness(blind, len(final) - blind, history.sees_program)
