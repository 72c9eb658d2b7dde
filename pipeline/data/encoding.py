"""Encoding of a table: its columns as numeric features, its target column as class labels.

Whatever is wrong is one line that names the table, the column and the row; data rows are counted from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from pipeline.core.errors import InputError
from pipeline.data.dataset import Pool
from pipeline.data.messages import check_known, check_unique, show

if TYPE_CHECKING:
    import pandas as pd

Missing = Literal["error", "impute"]

_CATEGORIES = 50  # the most that a column may have
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


def encode(table: pd.DataFrame, *, name: str, target: str, ignore: tuple[str, ...], missing: Missing) -> Pool:
    """Numbers stay as they are; strings, booleans and categoricals become one 0/1 feature for each category seen.

    With `missing="impute"`, a column that lacks values gains the 0/1 feature `column is missing`; a missing number is
    NaN (`standardize` makes it the training mean), a missing category belongs to no other.

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
    return Pool(np.stack(list(features.values()), axis=1), labels, classes, tuple(features))


def _feature_columns(columns: list[str], *, name: str, target: str, ignore: tuple[str, ...]) -> list[str]:
    check_unique(columns, name)
    check_known(target, columns, f"{name}: target column")
    for column in ignore:
        check_known(column, columns, f"{name}: ignored column")
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
        raise InputError(f"{where} must hold at least two classes; every row is {show(classes[0])}")
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
        raise InputError(f"{where} holds dates or times ({show(categories[0])}); use numbers, or add it to ignore")
    if len(categories) <= _CATEGORIES:
        return
    words = [text for text in categories if not _is_number(text)]
    stray = words[0] if words and 2 * len(words) < len(categories) else None
    hint = "" if stray is None else f"; data row {texts.index(stray) + 1} is {show(stray)}, not a number"
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
