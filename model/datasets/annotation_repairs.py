"""Repairs errors in annotations by named rules. If no rule applies, the clip is left out and the
reason is reported. No repair is silent.

In the published tables an empty cell, "/", 0 and −1 mean "not annotated".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

REPAIRS = {
    "number-from-text": "a frame number written as text is read as the number it spells",
    "number-rounded": "a frame number with a fraction is rounded to the nearest whole one",
    "whitespace": "white space around a subject, a file name or an emotion is removed",
    "apex-missing": "no apex is annotated: it is found as the largest motion inside the clip",
    "apex-misplaced": "the apex lies outside onset to offset: it is found by motion",
    "apex-at-onset": "the apex is the onset frame, where nothing has moved: it is found by motion",
    "offset-missing": "no offset is annotated: the clip has its first phase only",
    "offset-at-apex": "the offset is the apex frame: the clip has its first phase only",
    "onset-offset-swapped": "the offset lies before the onset, the apex (if any) between: swapped",
    "offset-cut": "the offset lies after the last picture on disk: the last one is used",
    "nearest-frame": "an annotated picture is not on disk: the nearest within 20 ms is used",
    "frames-missing": "pictures between onset and offset are not on disk: the clip has a gap",
    "picture-doubled": "two files have the same number: the first by name is used",
}
"""The rules by name; the check prints these texts."""

NEAREST_S = 0.02
"""A missing picture is replaced by one at most this far away. A live run averages frames over the
same time."""
MIN_FRAMES_TO_SEARCH = 3
"""An apex found by motion needs at least one picture between onset and offset."""

Cell = str | int | float | None
"""The value of a table's cell."""


class UnusableError(Exception):
    """No rule can repair a row; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Onset, apex and offset as numbers of pictures on disk, and the rules that were applied."""

    onset: int
    apex: int | None
    offset: int | None
    repairs: tuple[str, ...]


def repair_moments(
    onset: Cell, apex: Cell, offset: Cell, numbers: Sequence[int], fps: float
) -> Moments:
    """The moments in the cells of a row, repaired if needed, given the sorted `numbers` of its
    pictures. Raises `UnusableError` with the reason if no rule applies."""
    repairs: list[str] = []
    if not numbers:
        raise UnusableError("no pictures on disk")
    first, peak, last = (
        _frame_number(name, cell, numbers, repairs)
        for name, cell in (("onset", onset), ("apex", apex), ("offset", offset))
    )
    if first is None:
        raise UnusableError(f"no onset is annotated ({_describe_cell(onset)})")
    moments = _put_in_order(first, peak, last, repairs)
    return _match_disk(replace(moments, repairs=tuple(repairs)), numbers, fps)


def cell_text(cell: Cell, repairs: list[str] | None = None) -> str:
    """The cell as text, stripped of white space. A whole float becomes a whole number."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    stripped = str(cell).strip()
    if stripped != str(cell) and repairs is not None:
        _note(repairs, "whitespace")
    return stripped


def _frame_number(name: str, cell: Cell, numbers: Sequence[int], repairs: list[str]) -> int | None:
    """The picture number in a cell; None if the cell means "not annotated"."""
    if cell is None:
        return None
    if isinstance(cell, str):
        word = cell.strip()
        if word.lower() in ("", "/", "-", "nan", "none", "n/a"):
            return None
        try:
            cell = float(word)
        except ValueError:
            raise UnusableError(f"the {name} is {word!r}, not a frame number") from None
        _note(repairs, "number-from-text")
    if cell != cell or abs(cell) == float("inf"):
        return None
    number = int(cell)
    if number != cell:
        _note(repairs, "number-rounded")
        number = int(cell + 0.5) if cell >= 0 else number
    if number == -1 or (number == 0 and (name != "onset" or numbers[0] != 0)):
        return None
    if number < 0:
        raise UnusableError(f"the {name} is {number}, not a frame number")
    return number


def _put_in_order(onset: int, apex: int | None, offset: int | None, repairs: list[str]) -> Moments:
    if offset is None:
        if apex is None:
            raise UnusableError("neither apex nor offset is annotated")
        if apex <= onset:
            raise UnusableError(f"no offset is annotated, and apex {apex} is not after {onset}")
        _note(repairs, "offset-missing")
        return Moments(onset, apex, None, ())
    if offset == onset:
        raise UnusableError(f"onset and offset are the same frame, {onset}")
    if offset < onset:
        if apex is not None and not offset <= apex <= onset:
            raise UnusableError(f"onset {onset}, apex {apex}, offset {offset} are in no order")
        onset, offset = offset, onset
        _note(repairs, "onset-offset-swapped")
    if apex is None:
        _note(repairs, "apex-missing")
    elif apex == onset:
        _note(repairs, "apex-at-onset")
        apex = None
    elif not onset < apex <= offset:
        _note(repairs, "apex-misplaced")
        apex = None
    elif apex == offset:
        _note(repairs, "offset-at-apex")
        return Moments(onset, apex, None, ())
    return Moments(onset, apex, offset, ())


def _match_disk(moments: Moments, numbers: Sequence[int], fps: float) -> Moments:
    repairs = list(moments.repairs)
    onset = _nearest("onset", moments.onset, numbers, fps, repairs)
    apex = moments.apex
    if apex is not None:
        apex = _nearest("apex", apex, numbers, fps, repairs)
    offset = moments.offset
    if offset is not None and offset > numbers[-1] > (onset if apex is None else apex):
        offset = numbers[-1]
        _note(repairs, "offset-cut")
    elif offset is not None:
        offset = _nearest("offset", offset, numbers, fps, repairs)
    settled = [moment for moment in (onset, apex, offset) if moment is not None]
    if sorted(set(settled)) != settled:
        raise UnusableError(f"the pictures on disk leave onset, apex, offset no order: {settled}")
    present = sum(onset <= number <= settled[-1] for number in numbers)
    if apex is None and present < MIN_FRAMES_TO_SEARCH:
        raise UnusableError(f"no apex is annotated, and {present} pictures are too few to find it")
    if present < settled[-1] - onset + 1:
        _note(repairs, "frames-missing")
    return Moments(onset, apex, offset, tuple(repairs))


def _nearest(name: str, number: int, numbers: Sequence[int], fps: float, repairs: list[str]) -> int:
    nearest = min(numbers, key=lambda present: (abs(present - number), present))
    if nearest != number:
        if abs(nearest - number) > max(1, round(NEAREST_S * fps)):
            raise UnusableError(f"{name} frame {number} is not on disk; the nearest is {nearest}")
        _note(repairs, "nearest-frame")
    return nearest


def _note(repairs: list[str], rule: str) -> None:
    if rule not in repairs:
        repairs.append(rule)


def _describe_cell(cell: Cell) -> str:
    return "the cell is empty" if cell is None else f"the cell holds {cell!r}"
