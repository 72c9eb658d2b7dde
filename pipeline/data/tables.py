"""Tables: CSV, Parquet and NPZ files and sets from openml.org, read with pandas and encoded as a pool.

Whatever is wrong with one is one line that names the file and the place.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import InputError
from pipeline.data.dataset import Pool
from pipeline.data.encoding import Missing, encode
from pipeline.data.messages import check_known, check_unique, listed, one_line, reason, show

if TYPE_CHECKING:
    import pandas as pd


def read_file(path: Path, *, target: str, ignore: tuple[str, ...], missing: Missing) -> Pool:
    """Read and encode the user's own data.

    CSV is UTF-8 text with commas and a header line; a missing value is an empty field or what pandas takes for one
    (NA, NaN, null, ...). An index that pandas stored in a Parquet file is left out. NPZ holds a matrix `X` or
    `features`, whose columns are called x0, x1, ..., and the target.

    Args:
        path: a .csv, .parquet or .npz file.
        target: the column, or the array of an NPZ, that holds the class: strings or integers.
        ignore: columns to leave out.
        missing: refuse missing values ("error"), or allow them with an indicator feature ("impute").

    Raises:
        InputError: the file cannot be read, or holds something that cannot be encoded (see `encode`).
    """
    name = one_line(path)
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise InputError(f"{name}: must end in .csv, .parquet or .npz; got {path.suffix!r}")
    content = _read_bytes(path, name)
    try:
        table = _READERS[suffix](content, name, target)
    except InputError:
        raise
    except Exception as error:
        pickled = "it holds pickled Python objects, which could run code"
        why = pickled if "allow_pickle" in str(error) else reason(error)
        raise InputError(f"{name}: cannot be read as a {suffix} file: {why}") from error
    return encode(table, name=name, target=target, ignore=ignore, missing=missing)


def load_openml(number: int, *, target: str | None, missing: Missing, cache: Path) -> Pool:
    """Fetch a data set from openml.org by its number, or take it from the cache, and encode it as a file is.

    Args:
        number: the data set's id.
        target: the column that holds the class; OpenML's own default when None.
        missing: as for `read_file`.
        cache: folder of scikit-learn's `fetch_openml`.

    Raises:
        InputError: it cannot be fetched, or holds something that cannot be encoded (see `encode`).
    """
    from sklearn.datasets import fetch_openml  # noqa: PLC0415  (slow to import)

    name = f"openml {number}"
    try:
        with warnings.catch_warnings(action="ignore"):  # it announces each retry
            bunch = fetch_openml(data_id=number, as_frame=True, parser="auto", data_home=str(cache))
    except Exception as error:
        raise InputError(f"{name}: cannot be fetched: {reason(error)}") from error
    if target is None:
        defaults = list(bunch.target_names)
        if len(defaults) != 1:
            raise InputError(f"{name}: target must be named; OpenML has {len(defaults)} for it: {listed(defaults)}")
        target = str(defaults[0])
    return encode(bunch.frame, name=name, target=target, ignore=(), missing=missing)


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or reason(error)
        raise InputError(f"{name}: must be a file that can be read: {why}") from error
    if not content:
        raise InputError(f"{name}: must not be empty; got 0 bytes")
    return content


def _read_csv(content: bytes, name: str, _: str) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  (slow to import)

    text = _decode(content, name)
    header, rows = _check_csv(text, name)
    table = pd.read_csv(
        io.StringIO(text, newline=""),
        names=header,
        header=0,
        index_col=False,
        skipinitialspace=True,
        low_memory=False,
    )
    if len(table) != rows:
        raise InputError(
            f"{name}: cannot be read as a .csv file: it has {rows} data rows by its quotes, {len(table)} by pandas"
        )
    return table


def _decode(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"byte {error.start} (line {line}) is {content[error.start]:#04x}"
        raise InputError(f"{name}: must be UTF-8 text; {byte}") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{name}: must be text; line {line} holds a zero byte")
    return text


def _check_csv(text: str, name: str) -> tuple[list[str], int]:
    """The header and the number of data rows; pandas would rename, pad or swallow what is refused here."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    header: list[str] = []
    rows = 0
    try:
        for fields in filter(None, reader):
            if not header:
                header = _check_header([field.strip() for field in fields], name)
                continue
            rows += 1
            if len(fields) != len(header):
                where = f"{name}: line {reader.line_num} (data row {rows})"
                raise InputError(f"{where} must have {len(header)} fields, as the header line has; got {len(fields)}")
    except csv.Error as error:
        raise InputError(f"{name}: line {reader.line_num} must be CSV: {one_line(error)}") from error
    if not rows:
        raise InputError(f"{name}: must have a header line and data rows; got no data row")
    return header, rows


def _check_header(header: list[str], name: str) -> list[str]:
    if len(header) < 2:
        raise InputError(f"{name}: must have columns separated by commas; the header line is {show(header[0])}")
    if "" in header:
        raise InputError(
            f"{name}: every column must have a name in the header line; column {header.index('') + 1} has none"
        )
    check_unique(header, name)
    return header


def _read_parquet(content: bytes, _: str, __: str) -> pd.DataFrame:
    from pyarrow import BufferReader, parquet  # type: ignore[import-untyped]  # noqa: PLC0415  (slow to import)

    arrow = parquet.ParquetFile(BufferReader(content)).read()
    arrow.validate(full=True)  # a damaged file may hold text that is not UTF-8
    table: pd.DataFrame = arrow.to_pandas()
    table.columns = [str(column) for column in table.columns]
    return table


def _read_npz(content: bytes, name: str, target: str) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  (slow to import)

    if not content.startswith(b"PK"):
        raise InputError(f"{name}: must be an NPZ archive of arrays; it is no zip file")
    archive = np.load(io.BytesIO(content), allow_pickle=False)
    matrix = "features" if "features" in archive.files and "X" not in archive.files else "X"
    check_known(matrix, archive.files, f"{name}: feature array")
    check_known(target, archive.files, f"{name}: target array")
    features, labels = (_native(np.asarray(archive[key]), f"{name}: array {key!r}") for key in (matrix, target))
    for key, array, axes in ((matrix, features, 2), (target, labels, 1)):
        if array.ndim != axes:
            raise InputError(f"{name}: array {key!r} must be {axes}-D; its shape is {array.shape}")
    if len(features) != len(labels):
        lengths = f"got {len(features)} and {len(labels)}"
        raise InputError(f"{name}: arrays {matrix!r} and {target!r} must have equally many rows; {lengths}")
    table = pd.DataFrame(features, columns=[f"x{j}" for j in range(features.shape[1])])
    table.insert(len(table.columns), target, labels, allow_duplicates=True)
    return table


def _native(array: np.ndarray, where: str) -> np.ndarray:
    """In a byte order and a precision that pandas knows."""
    if array.dtype.kind not in "biufU":
        raise InputError(f"{where} must hold numbers, booleans or strings; its type is {array.dtype}")
    with np.errstate(over="ignore"):  # a long double may become infinite, which is refused later
        return array.astype(np.float64 if array.dtype.kind == "f" else array.dtype.newbyteorder("="))


_READERS: dict[str, Callable[[bytes, str, str], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".npz": _read_npz,
}
