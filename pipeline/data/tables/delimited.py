"""Delimited text: fields separated by commas, semicolons, tabs or bars, read as text cell by cell."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING

from pipeline.core.errors import InputError
from pipeline.data.options import Reading
from pipeline.data.tables.header import find_header, settle_names
from pipeline.data.tables.messages import one_line, show
from pipeline.data.tables.table import Table
from pipeline.data.tables.text_encoding import decode

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
_ORDER = (",;\t|", " ")  # blanks are only tried where nothing else separates
_STATED = re.compile(r"sep=(.)[\r\n]+", re.IGNORECASE)
_SAMPLE = 200_000  # characters from which the separator is told
_PREVIEW = 100  # rows from which the header is told
MOST_COLUMNS = 20_000
_CHUNK = 50_000  # rows that pandas holds as separate texts


@dataclass(frozen=True)
class _Scan:
    """The first rows of a text, the number of its rows, and where each length first occurs below the first row."""

    preview: list[list[str]]
    rows: int
    lengths: dict[int, tuple[int, int]]  # line and row, both counted from 1


def read_delimited(content: bytes, name: str, reading: Reading, target: str) -> Table:
    """Read delimited text; what `reading` leaves open is detected.

    Raises:
        InputError: it is not text, not a table, or its rows are not equally long.
    """
    text, encoding = decode(content, name, reading.encoding)
    text, separator = _separated(text, name, reading.separator)
    scan = _scan(text, separator, name)
    header = find_header(scan.preview, sorted(scan.lengths), target=target, lines=reading.header)
    _check_lengths(scan, len(header.names), header.lines, name)
    frame = _frame(text, separator, max(len(header.names), len(scan.preview[0])))
    if len(frame) != scan.rows:
        raise InputError(
            f"{name}: cannot be read as text: it has {scan.rows} rows by its quotes, {len(frame)} by pandas"
        )
    frame, names, said = settle_names(frame.iloc[header.lines :], header.names, name=name, target=target)
    frame.columns = names
    return Table(
        name,
        frame.reset_index(drop=True),
        reading.model_copy(update={"separator": separator, "encoding": encoding, "header": header.lines}),
        (*_remarks(separator, encoding), *header.remarks, *said),
    )


def _remarks(separator: str, encoding: str) -> Iterator[str]:
    if separator != ",":
        yield f"fields separated by {SEPARATORS.get(separator, repr(separator))}"
    if encoding not in ("utf-8", "utf-8-sig"):
        guessed = ", the likeliest: `encoding` names another" if encoding.startswith("cp") else ""
        yield f"encoding {encoding}{guessed}"


def _separated(text: str, name: str, separator: str | None) -> tuple[str, str]:
    """A text without the first line in which Excel states the separator, and the separator: given, stated or detected.

    Raises:
        InputError: nothing separates its fields.
    """
    if not text.strip():
        raise InputError(f"{name}: must have a header line and data rows; got no data row")
    if stated := _STATED.match(text):
        return text[stated.end() :], separator or stated[1]
    separator = separator or _detect_separator(text)
    if separator is None:
        must = "must have columns, separated by commas, semicolons, tabs, bars or blanks"
        raise InputError(f"{name}: {must}; got {show(text.lstrip().splitlines()[0])}")
    return text, separator


def _detect_separator(text: str) -> str | None:
    """The separator by which most rows have equally many fields; None where no row has two."""
    sample = text[:_SAMPLE].rstrip("\r\n")
    for separators in _ORDER:
        scores = {separator: _evenness(sample, separator) for separator in separators}
        best = max(scores, key=lambda separator: scores[separator])
        if scores[best] > (0, 0):
            return best
    return None


def _evenness(sample: str, separator: str) -> tuple[float, int]:
    """The share of rows that have the most usual number of fields, and that number; zero where it is one."""
    try:
        rows = csv.reader(io.StringIO(sample, newline=""), delimiter=separator, skipinitialspace=True)
        widths = Counter(len(row) for row in islice(filter(None, rows), _PREVIEW))
    except csv.Error:
        return 0, 0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    return (count / widths.total(), width) if width > 1 else (0, 0)


def _scan(text: str, separator: str, name: str) -> _Scan:
    reader = csv.reader(_stream(text), delimiter=separator, strict=True, skipinitialspace=True)
    preview: list[list[str]] = []
    lengths: dict[int, tuple[int, int]] = {}
    rows = 0
    try:
        for fields in filter(None, reader):
            rows += 1
            if len(preview) < _PREVIEW:
                preview.append(fields)
            if rows > 1:
                lengths.setdefault(len(fields), (reader.line_num, rows))
            if len(fields) > MOST_COLUMNS:
                where = f"{name}: line {reader.line_num}"
                raise InputError(f"{where} must have at most {MOST_COLUMNS:,} fields; got {len(fields):,}")
    except csv.Error as error:
        raise InputError(f"{name}: line {reader.line_num} must be CSV: {one_line(error)}") from error
    if rows < 2:
        raise InputError(f"{name}: must have a header line and data rows; got no data row")
    return _Scan(preview, rows, lengths)


def _check_lengths(scan: _Scan, width: int, lines: int, name: str) -> None:
    for length, (line, row) in scan.lengths.items():
        if length != width:
            where = f"{name}: line {line} (data row {row - lines})"
            raise InputError(f"{where} must have {width} fields, as the header line has; got {length}")


def _frame(text: str, separator: str, width: int) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  (slow to import)

    chunks = pd.read_csv(
        _stream(text),
        sep=separator,
        names=list(range(width)),
        header=None,
        index_col=False,
        dtype=str,
        na_filter=False,
        skipinitialspace=True,
        low_memory=False,
        chunksize=_CHUNK,
    )
    return pd.concat(chunks)


def _stream(text: str) -> IO[str]:
    """A text as a stream with its own line ends; `StringIO` would take four bytes for each character."""
    return io.TextIOWrapper(io.BytesIO(text.encode(errors="surrogatepass")), "utf-8", "surrogatepass", newline="")
