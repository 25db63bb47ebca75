"""Annotation tables (.xlsx) as rows by column name."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from model.datasets.annotation_repairs import Cell
from model.datasets.layout import ExpressionRow
from model.errors import InputError, error_line
from model.records import Kind

MOST_CELLS = 10_000_000
"""Of a sheet. The published tables have ten thousand; one value in the last corner makes
17 billion of it."""

COLUMNS: Mapping[str, Sequence[str]] = {
    "Subject": ("sub",),
    "Filename": ("seq",),
    "Onset": ("Onset Frame",),
    "Apex": ("Apex Frame", "ApexFrame1"),
    "Offset": ("Offset Frame",),
    "Action Units": ("AU", "AUs"),
    "Emotion": ("Estimated Emotion",),
}
"""Of a table of expressions, with the other spellings under which data sets have them."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of a table."""

    where: str
    """Table and row, as a person finds it: "codes.xlsx row 17"."""
    cells: Mapping[str, Cell]
    """By column, in the spelling that was asked for."""


def read_sheets(path: Path) -> list[list[tuple[Cell, ...]]]:
    """All sheets of a workbook as rows of values, what is merged downwards in each of its rows.
    `InputError` if it cannot be read."""
    try:
        # A file of ours: one that it opened itself it leaves open where the table is broken.
        with path.open("rb") as file, warnings.catch_warnings():
            # It warns of what it does not keep (styles, data validation), which is nothing here.
            warnings.simplefilter("ignore", UserWarning)
            book = load_workbook(file, data_only=True)
            try:
                return [_rows(sheet) for sheet in book.worksheets]
            finally:
                book.close()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # openpyxl, zip and XML readers raise whatever they stumble over
        raise InputError(
            f"{path} is not an .xlsx table ({error_line(error)}): open it in a spreadsheet program "
            "and save it as .xlsx"
        ) from error


def rows_by_header(
    path: Path, columns: Mapping[str, Sequence[str]], optional: Sequence[str] = ()
) -> Iterator[SheetRow]:
    """The rows under the header of the first sheet that has one, empty rows left out.

    `columns` gives, by the name to use, the spellings under which a column may stand (case and
    white space do not matter); only those are returned, and a column of `optional` that is not
    there has empty cells. Text above the header is skipped.
    Raises `InputError` if no sheet has such a header, naming what it lacks.
    """
    spellings = {name: {_plain(s) for s in (name, *known)} for name, known in columns.items()}
    lacking: list[str] = list(columns)
    for sheet in read_sheets(path):
        for top, header in enumerate(sheet):
            place = _places(header, spellings)
            missing = [name for name in columns if name not in place and name not in optional]
            if missing:
                lacking = min(lacking, missing, key=len)
                continue
            for number, row in enumerate(sheet[top + 1 :], start=top + 2):
                cells = {name: row[place[name]] if name in place else None for name in columns}
                if any(cell not in (None, "") for cell in cells.values()):
                    yield SheetRow(f"{path.name} row {number}", cells)
            return
    named = ", ".join(" or ".join(map(repr, (name, *columns[name]))) for name in lacking)
    raise InputError(f"{path} has no header with the column(s) {named}")


def expression_row(row: SheetRow, folder: Path, kind: Kind = "micro") -> ExpressionRow:
    """What a row under `COLUMNS` says; its pictures should be in `folder`."""
    cells = row.cells
    return ExpressionRow(
        where=row.where,
        subject=cells["Subject"],
        name=cells["Filename"],
        onset=cells["Onset"],
        apex=cells["Apex"],
        offset=cells["Offset"],
        action_units=cells["Action Units"],
        emotion=cells["Emotion"],
        folder=folder,
        kind=kind,
    )


def _rows(sheet: Worksheet) -> list[tuple[Cell, ...]]:
    if sheet.max_row * sheet.max_column > MOST_CELLS:
        raise ValueError(
            f"its sheet {sheet.title!r} has {sheet.max_row} rows and {sheet.max_column} columns"
        )
    rows = [[_cell(value) for value in row] for row in sheet.iter_rows(values_only=True)]
    for span in sheet.merged_cells.ranges:
        # A subject merged over its clips stands in the first one's row alone.
        for row in rows[span.min_row : span.max_row]:
            row[span.min_col - 1] = rows[span.min_row - 1][span.min_col - 1]
    return [tuple(row) for row in rows]


def _cell(value: Any) -> Cell:
    """Dates, which spreadsheet programs make of what looks like one, as text."""
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _places(header: Sequence[Cell], spellings: Mapping[str, set[str]]) -> dict[str, int]:
    place: dict[str, int] = {}
    for i, cell in enumerate(header):
        if isinstance(cell, str):
            for name, known in spellings.items():
                if _plain(cell) in known:
                    place.setdefault(name, i)
    return place


def _plain(heading: str) -> str:
    return "".join(heading.split()).lower()
