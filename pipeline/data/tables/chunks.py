"""Tables in chunks of rows, so that a file of any length is read in little memory."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

from pipeline.core.errors import InputError
from pipeline.core.memory import in_words
from pipeline.data.options import Reading
from pipeline.data.tables.delimited import read_delimited
from pipeline.data.tables.messages import one_line, reason
from pipeline.data.tables.reading import check_regular, read_table
from pipeline.data.tables.table import Table

ROWS = 20_000  # of a chunk
_LONGEST = 1 << 28  # bytes of a chunk
STANDARD_INPUT = "-"
_TEXTS = (".csv", ".tsv", ".txt")


def read_chunks(path: str, reading: Reading, *, target: str, rows: int = ROWS) -> Iterator[Table]:
    """Chunks of a table, in order; of delimited text as it is read, of other files after all of it was read.

    How text is written is told from its first chunk.

    Args:
        path: as of `read_table`, or "-" for text from standard input.
        reading: what is known of how it is written.
        target: a column that a header may name.
        rows: of a chunk.

    Raises:
        InputError: the file cannot be read, or a row of it.
    """
    if path == STANDARD_INPUT:
        import sys  # noqa: PLC0415

        yield from _of_text(sys.stdin.buffer, "standard input", reading, target, rows)
        return
    file = Path(path)
    suffixes = [suffix.lower() for suffix in file.suffixes]
    packed = suffixes[-1:] == [".gz"]
    if (suffixes[-2:-1] if packed else suffixes[-1:]) and suffixes[-2 if packed else -1] in _TEXTS:
        try:
            check_regular(file, one_line(file))
            with _bytes_of(file, packed=packed) as stream:
                yield from _of_text(stream, one_line(file), reading, target, rows)
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or reason(error)
            raise InputError(f"{one_line(file)}: must be a file that can be read: {why}") from error
        return
    table = read_table(file, reading, target=target)
    for start in range(0, len(table.frame), rows):
        yield replace(table, frame=table.frame.iloc[start : start + rows].reset_index(drop=True))


def _bytes_of(file: Path, *, packed: bool) -> IO[bytes]:
    return gzip.open(file) if packed else file.open("rb")  # type: ignore[return-value]


def _of_text(stream: IO[bytes], name: str, reading: Reading, target: str, rows: int) -> Iterator[Table]:
    lines = iter(partial(stream.readline, _LONGEST), b"")
    head = _whole_rows(lines, rows + 1, name)
    if not head:
        raise InputError(f"{name}: must not be empty; got 0 bytes")
    first = read_delimited(head, name, reading, target)
    yield first
    known, done = first.reading, len(first.frame)
    header = b"".join(islice(io.BytesIO(head), known.header))
    while chunk := _whole_rows(lines, rows, name):
        if codecs.lookup(known.encoding or "utf-8").name.startswith(("utf-16", "utf-32")):
            raise InputError(f"{name}: must be UTF-8 or an 8-bit encoding, so many rows; got {known.encoding}")
        table = read_delimited(header + chunk, f"{name}, after data row {done:,}", known, target)
        yield table
        done += len(table.frame)


def _whole_rows(lines: Iterator[bytes], count: int, name: str) -> bytes:
    """So many lines, and those after them that a quoted line break makes part of the last row.

    Raises:
        InputError: they are longer than rows of a table are.
    """
    taken: list[bytes] = []
    quotes = size = 0
    while (len(taken) < count or quotes % 2) and (line := next(lines, b"")):
        taken.append(line)
        quotes += line.count(b'"')
        if (size := size + len(line)) > _LONGEST:
            raise InputError(
                f"{name}: must have shorter rows; {len(taken):,} lines are longer than {in_words(_LONGEST)}"
            )
    return b"".join(taken)
