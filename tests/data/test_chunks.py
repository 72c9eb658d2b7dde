"""Tables in chunks: the same rows as all at once, whatever ends the lines, and faults that name the place."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline.core.errors import InputError
from pipeline.data.options import Reading
from pipeline.data.tables.chunks import read_chunks
from pipeline.data.tables.reading import read_table

ROWS = [(str(i), f"w{i % 5}", f"{i / 4:.2f}") for i in range(23)]


def text(separator: str = ",", end: str = "\n") -> str:
    return "".join(separator.join(row) + end for row in [("n", "word", "x"), *ROWS])


def joined(path: str, rows: int) -> tuple[pd.DataFrame, int]:
    tables = list(read_chunks(path, Reading(), target="none", rows=rows))
    return pd.concat([table.frame for table in tables], ignore_index=True), len(tables)


@pytest.mark.parametrize("rows", [1, 4, 22, 23, 24, 100])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_chunks_are_the_whole(tmp_path: Path, rows: int, separator: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text(separator))
    frame, tables = joined(str(path), rows)
    pd.testing.assert_frame_equal(frame, read_table(path, Reading(), target="none").frame)
    assert tables == -(-len(ROWS) // rows)


def test_other_files_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text(end="\r\n").encode()))
    pd.DataFrame(ROWS, columns=["n", "word", "x"]).to_parquet(tmp_path / "t.parquet")
    expected = pd.DataFrame(ROWS, columns=["n", "word", "x"])
    for name in ("t.csv.gz", "t.parquet"):
        frame, tables = joined(str(tmp_path / name), 10)
        pd.testing.assert_frame_equal(frame, expected, check_dtype=False)
        assert tables == 3


def test_a_quoted_line_break_ends_no_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"two\nlines"\n2,"x"\n3,"three\n\nlines"\n4,y\n')
    frame, _ = joined(str(path), 1)
    assert frame["b"].tolist() == ["two\nlines", "x", "three\n\nlines", "y"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(text().encode())

    monkeypatch.setattr(sys, "stdin", Input)
    frame, _ = joined("-", 7)
    assert frame["n"].tolist() == [row[0] for row in ROWS]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "must not be empty; got 0 bytes"),
        (
            b"a,b\n1,2\n3,4\n5\n",
            ", after data row 2: line 2 (data row 1) must have 2 fields, as the header line has; got 1",
        ),
    ],
)
def test_a_fault_is_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        joined(str(path), 2)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith(says)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a file that can be read: No such file or directory"):
        joined(str(tmp_path / "t.csv"), 2)
