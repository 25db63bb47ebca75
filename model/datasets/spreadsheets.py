"""Reads annotation tables (.xlsx) as rows by column name."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from model.datasets.annotation_repairs import Cell
from model.datasets.delimited import TableRow
from model.datasets.layout import ExpressionRow
from model.errors import InputError, error_line
from model.records import Kind

MOST_CELLS = 10_000_000
"""Limit on the cells of a sheet. The published tables have ten thousand; a single value in the last
corner makes a sheet of 17 billion."""

EXPRESSION_COLUMNS: Mapping[str, Sequence[str]] = {
    "Subject": ("sub",),
    "Filename": ("seq",),
    "Onset": ("Onset Frame",),
    "Apex": ("Apex Frame", "ApexFrame1"),
    "Offset": ("Offset Frame",),
    "Action Units": ("AU", "AUs"),
    "Emotion": ("Estimated Emotion",),
}
"""Columns of a table of expressions, with the other spellings that data sets use."""


def read_sheets(path: Path) -> list[list[tuple[Cell, ...]]]:
    """All sheets of a workbook as rows of values. Cells merged downwards have their value in each
    row. Raises `InputError` if the file cannot be read."""
    try:
        # We open the file, because openpyxl leaves it open if the table is broken.
        with path.open("rb") as file, warnings.catch_warnings():
            # It warns about things it drops (styles, data validation); we need none of them.
            warnings.simplefilter("ignore", UserWarning)
            book = load_workbook(file, data_only=True)
            try:
                return [_rows(sheet) for sheet in book.worksheets]
            finally:
                book.close()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # openpyxl, zip and XML readers raise anything
        raise InputError(
            f"{path} is not an .xlsx table ({error_line(error)}): open it in a spreadsheet program "
            "and save it as .xlsx"
        ) from error


def rows_by_header(
    path: Path, columns: Mapping[str, Sequence[str]], optional: Sequence[str] = ()
) -> Iterator[TableRow[Cell]]:
    """The rows under the header of the first sheet that has one, without empty rows.

    `columns` maps each name to use to the spellings its column may have (case and white space do
    not matter). Only these columns are returned; a missing column of `optional` has empty cells.
    Text above the header is skipped. Raises `InputError` with what is missing if no sheet has such
    a header.
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
                    yield TableRow(f"{path.name} row {number}", cells)
            return
    named = ", ".join(" or ".join(map(repr, (name, *columns[name]))) for name in lacking)
    raise InputError(f"{path} has no header with the column(s) {named}")


def expression_row(row: TableRow[Cell], folder: Path, kind: Kind = "micro") -> ExpressionRow:
    """The expression in a row with `EXPRESSION_COLUMNS`; its pictures should be in `folder`."""
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
        # A subject merged over its clips has its value only in the first row.
        for row in rows[span.min_row : span.max_row]:
            row[span.min_col - 1] = rows[span.min_row - 1][span.min_col - 1]
    return [tuple(row) for row in rows]


def _cell(value: Any) -> Cell:
    """The value of a cell, dates as text: spreadsheets turn anything that looks like a date into
    one."""
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
