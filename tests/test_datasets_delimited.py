"""Tables of delimited text, however they were saved."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.datasets.delimited import DELIMITERS, read_table
from model.errors import InputError

COLUMNS = ("subject", "clip", "größe")
ROWS = (("s1", "a, b; c", "1,5"), ("s2", "ü", ""))


def saved(path: Path, delimiter: str, encoding: str) -> Path:
    lines = [delimiter.join(f'"{cell}"' for cell in row) for row in (COLUMNS, *ROWS)]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_reads_the_same_however_it_was_saved(
    delimiter: str, encoding: str, tmp_path: Path
) -> None:
    path = saved(tmp_path / "t.csv", delimiter, encoding)
    table = read_table(path, ("subject", "größe"))
    assert table.columns == COLUMNS
    assert [tuple(row.cells.values()) for row in table.rows] == list(ROWS)
    assert table.rows[1].where == f"{path}, line 3"


def test_short_rows_are_filled_long_ones_cut_and_empty_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a, b\n1\n\n1,2,3\n", encoding="utf-8")
    rows = read_table(path).rows
    assert [dict(row.cells) for row in rows] == [{"a": "1", "b": ""}, {"a": "1", "b": "2"}]
    assert rows[1].where.endswith("line 4")


@given(st.binary(max_size=60))
def test_what_is_no_table_is_told_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_table(path, ("a column that bytes do not spell",))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_table(tmp_path / "none.csv")
