"""How does a user's table become numbers?

A CSV, Parquet or NPZ file, or a set from openml.org, is read into a pandas table and encoded as features and labels.
Whatever is wrong with it is one line that names the file, the column and the row; data rows are counted from 1.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from pipeline.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Missing = Literal["error", "impute"]

_CATEGORIES = 50  # the most that a column may have
_NAMES_SHOWN = 12
_LARGEST = float(np.finfo(np.float32).max)
# What pandas.api.types.infer_dtype calls the values of a column, and what that means here.
_KINDS = dict.fromkeys(("floating", "integer", "mixed-integer-float", "decimal", "empty"), "number") | dict.fromkeys(
    ("string", "boolean", "categorical"), "category"
)
_REFUSED = dict.fromkeys(
    ("date", "datetime", "datetime64", "period", "time", "timedelta", "timedelta64"), "dates or times"
) | dict.fromkeys(("mixed", "unknown-array"), "lists, structs or a mixture of types")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:.*)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,300}")


class Encoded(NamedTuple):
    """A table as numbers, in the order of the fields of `pipeline.data.dataset.Pool`.

    Attributes:
        features: (rows, features); NaN only where a number is missing and the user allowed it.
        labels: (rows,), 0 to K-1.
        classes: names of the K classes, in numerical order when all are integers, as strings otherwise.
        feature_names: the column's name; `column=category` and `column is missing` for 0/1 indicators.
    """

    features: Float32[np.ndarray, "rows features"]
    labels: Int64[np.ndarray, " rows"]
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]


def read_file(path: Path, *, target: str, ignore: tuple[str, ...], missing: Missing) -> Encoded:
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
    name = _one_line(path)
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
        reason = pickled if "allow_pickle" in str(error) else _reason(error)
        raise InputError(f"{name}: cannot be read as a {suffix} file: {reason}") from error
    return encode(table, name=name, target=target, ignore=ignore, missing=missing)


def load_openml(number: int, *, target: str | None, missing: Missing, cache: Path) -> Encoded:
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
        raise InputError(f"{name}: cannot be fetched: {_reason(error)}") from error
    if target is None:
        defaults = list(bunch.target_names)
        if len(defaults) != 1:
            raise InputError(f"{name}: target must be named; OpenML has {len(defaults)} for it: {_listed(defaults)}")
        target = str(defaults[0])
    return encode(bunch.frame, name=name, target=target, ignore=(), missing=missing)


def encode(table: pd.DataFrame, *, name: str, target: str, ignore: tuple[str, ...], missing: Missing) -> Encoded:
    """Numbers stay as they are; strings, booleans and categoricals become one 0/1 feature for each category seen.

    With `missing="impute"`, a column that lacks values gains the 0/1 feature `column is missing`; a missing number is
    NaN (`pipeline.data.dataset.standardize` makes it the training mean), a missing category belongs to no other.

    Raises:
        InputError: a column is absent, of another type, infinite, beyond 32-bit floats or has more than 50
            categories; a value is missing and that is not allowed; the target is not a class, or is always the same.
    """
    chosen = _feature_columns([str(column) for column in table.columns], name=name, target=target, ignore=ignore)
    if len(table) == 0:
        raise InputError(f"{name}: must have data rows; got none")
    labels, classes = _encode_target(table[target], f"{name}: target column {target!r}")
    features: dict[str, Float32[np.ndarray, " rows"]] = {}
    for column in chosen:
        for feature, values in _encode_column(table[column], f"{name}: column {column!r}", missing).items():
            if feature in features:
                raise InputError(f"{name}: column {column!r} gives a second feature called {feature!r}; rename it")
            features[feature] = values
    return Encoded(np.stack(list(features.values()), axis=1), labels, classes, tuple(features))


def _feature_columns(columns: list[str], *, name: str, target: str, ignore: tuple[str, ...]) -> list[str]:
    _check_unique(columns, name)
    _check_known(target, columns, f"{name}: target column")
    for column in ignore:
        _check_known(column, columns, f"{name}: ignored column")
    if target in ignore:
        raise InputError(f"{name}: ignore must not name the target; got {target!r}")
    chosen = [column for column in columns if column != target and column not in ignore]
    if not chosen:
        raise InputError(
            f"{name}: must have a feature column; none is left beside {target!r} and ignore={list(ignore)}"
        )
    return chosen


def _encode_target(column: pd.Series, where: str) -> tuple[Int64[np.ndarray, " rows"], tuple[str, ...]]:
    kind = _kind(column, where)
    absent = column.isna().to_numpy()
    if absent.any():
        raise InputError(f"{where}, {_row(absent)}: missing value; every row needs a class")
    if kind == "number":
        numbers = _numbers(column)
        broken = ~np.isfinite(numbers) | (numbers != np.floor(numbers))
        if broken.any():
            got = f"{_row(broken)} is {numbers[broken.argmax()]:g}"
            raise InputError(f"{where} must hold strings or integers; {got}; this looks like a regression target")
    names = [str(int(value)) if kind == "number" else str(value) for value in column]
    classes = _in_order(names)
    if len(classes) < 2:
        raise InputError(f"{where} must hold at least two classes; every row is {_show(classes[0])}")
    index = {value: k for k, value in enumerate(classes)}
    return np.array([index[value] for value in names], dtype=np.int64), tuple(classes)


def _encode_column(column: pd.Series, where: str, missing: Missing) -> dict[str, Float32[np.ndarray, " rows"]]:
    """Features by name."""
    kind = _kind(column, where)
    absent = column.isna().to_numpy()
    if absent.any() and missing == "error":
        raise InputError(f"{where}, {_row(absent)}: missing value; `missing: impute` allows it")
    if kind == "number":
        features = {str(column.name): _finite(_numbers(column), where)}
    else:
        texts = ["" if lacks else str(value) for value, lacks in zip(column, absent, strict=True)]
        categories = _in_order(text for text, lacks in zip(texts, absent, strict=True) if not lacks)
        _check_categories(texts, categories, where)
        values = np.array(texts, dtype=object)
        features = {f"{column.name}={text}": ((values == text) & ~absent).astype(np.float32) for text in categories}
    return features | ({f"{column.name} is missing": absent.astype(np.float32)} if absent.any() else {})


def _check_categories(texts: list[str], categories: list[str], where: str) -> None:
    if categories and all(_DATE.fullmatch(text) for text in categories):
        raise InputError(f"{where} holds dates or times ({_show(categories[0])}); use numbers, or add it to ignore")
    if len(categories) <= _CATEGORIES:
        return
    words = [text for text in categories if not _is_number(text)]
    stray = words[0] if words and 2 * len(words) < len(categories) else None
    hint = "" if stray is None else f"; data row {texts.index(stray) + 1} is {_show(stray)}, not a number"
    counts = f"at most {_CATEGORIES} categories; got {len(categories)}"
    raise InputError(f"{where} must have {counts}{hint}; correct it, or add it to ignore")


def _kind(column: pd.Series, where: str) -> str:
    """Whether a column is a "number" or a "category"."""
    from pandas.api.types import infer_dtype  # noqa: PLC0415  (slow to import)

    inferred = infer_dtype(column, skipna=True)
    if inferred not in _KINDS:
        found = _REFUSED.get(inferred, f"values of type {inferred}")
        raise InputError(f"{where} must hold numbers, strings, booleans or categories; got {found}")
    return _KINDS[inferred]


def _numbers(column: pd.Series) -> Float64[np.ndarray, " rows"]:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _finite(numbers: Float64[np.ndarray, " rows"], where: str) -> Float32[np.ndarray, " rows"]:
    for faulty, must in ((np.isinf(numbers), "be finite"), (np.abs(numbers) > _LARGEST, f"be within ±{_LARGEST:.3g}")):
        if faulty.any():
            raise InputError(f"{where}, {_row(faulty)}: must {must}; got {numbers[faulty.argmax()]:g}")
    return numbers.astype(np.float32)


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or _reason(error)
        raise InputError(f"{name}: must be a file that can be read: {reason}") from error
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
        raise InputError(f"{name}: line {reader.line_num} must be CSV: {_one_line(error)}") from error
    if not rows:
        raise InputError(f"{name}: must have a header line and data rows; got no data row")
    return header, rows


def _check_header(header: list[str], name: str) -> list[str]:
    if len(header) < 2:
        raise InputError(f"{name}: must have columns separated by commas; the header line is {_show(header[0])}")
    if "" in header:
        raise InputError(
            f"{name}: every column must have a name in the header line; column {header.index('') + 1} has none"
        )
    _check_unique(header, name)
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
    _check_known(matrix, archive.files, f"{name}: feature array")
    _check_known(target, archive.files, f"{name}: target array")
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


def _check_unique(columns: Iterable[str], name: str) -> None:
    for column, count in Counter(columns).items():
        if count > 1:
            raise InputError(f"{name}: column names must differ; {_show(column)} occurs {count} times")


def _check_known(wanted: str, known: list[str], where: str) -> None:
    if wanted in known:
        return
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(wanted.casefold(), folded, n=1)
    hint = f" (did you mean {_show(folded[close[0]])}?)" if close else ""
    raise InputError(f"{where} {wanted!r} does not exist{hint}; there are {_listed(known)}")


def _in_order(names: Iterable[str]) -> list[str]:
    """Each name once, in numerical order when all are integers."""
    distinct = sorted(set(names))
    if all(_INTEGER.fullmatch(name) for name in distinct):
        return sorted(distinct, key=int)
    return distinct


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _row(faulty: Bool[np.ndarray, " rows"]) -> str:
    """The first faulty row, as a person counts."""
    return f"data row {faulty.argmax() + 1}"


def _listed(names: list[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _NAMES_SHOWN else ""
    return (", ".join(_show(name) for name in names[:_NAMES_SHOWN]) or "none") + more


def _show(value: str) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _reason(error: Exception) -> str:
    return _one_line(f"{type(error).__name__}: {error}")
