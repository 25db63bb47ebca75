"""Reads tables of delimited text (CSV), as spreadsheets and other programs write them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from model.errors import InputError
from model.text import decode_text

DELIMITERS = (",", ";", "\t")
"""Spreadsheets write semicolons if numbers have a decimal comma, and tabs in "Unicode text"."""


CellT = TypeVar("CellT")


@dataclass(frozen=True, slots=True)
class TableRow(Generic[CellT]):
    """One row of a table."""

    where: str
    """Table and line, for messages: "codes.xlsx row 17"."""
    cells: Mapping[str, CellT]
    """Values by column; empty if the row is too short."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table with a header."""

    columns: tuple[str, ...]
    rows: tuple[TableRow[str], ...]


def find_table(source: Path, of: str) -> Path:
    """`source` itself, or the only .csv if it is a folder. Raises `InputError` if the folder has
    none or several; `of` says what they are tables of."""
    if not source.is_dir():
        return source
    tables = sorted(path for path in source.glob("*.csv") if not path.name.startswith("."))
    if len(tables) != 1:
        raise InputError(
            f"{source} holds {len(tables)} .csv tables of {of}, expected one: keep one, or give "
            "its path"
        )
    return tables[0]


def read_table(path: Path, needed: Sequence[str] = ()) -> TextTable:
    """The table in the file `path`, in UTF-8, or in UTF-16 with a byte order mark. The delimiter is
    the one that occurs most often in the header. White space around column names is removed.

    Raises `InputError` if the file cannot be read, is not such a table, or lacks a column of
    `needed`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a CSV table") from error
    try:
        text = decode_text(content)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a CSV table in UTF-8: {error}") from error
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=header.count))
    try:
        columns = tuple(name.strip() for name in next(reader, []))
        rows = tuple(
            TableRow(
                f"{path}, line {reader.line_num}",
                dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False)),
            )
            for cells in reader
            if cells
        )
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV table: {error}") from error
    for name in needed:
        if name not in columns:
            raise InputError(f"{path} has no column {name!r}; it has {list(columns)}")
    return TextTable(columns, rows)
