"""Rows in memory as a pool, and later ones as features: numbers as they are, frames as the project's tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from pipeline.config.reading import validate
from pipeline.core.errors import InputError
from pipeline.data.dataset import Pool
from pipeline.data.options import Reading, TableOptions
from pipeline.data.schema import CategoryColumn, NumberColumn, Schema, Understood
from pipeline.data.tables.columns import NA_NUMBERS, origin_of
from pipeline.data.tables.encoding import LARGEST, encode, feature_names
from pipeline.data.tables.judging import repeated_rows
from pipeline.data.tables.proposing import ANSWERED, propose
from pipeline.data.tables.table import Table
from pipeline.data.tables.understanding import check_answered

if TYPE_CHECKING:
    import pandas as pd

Numbers = Float64[np.ndarray, "rows columns"]
Labels = Int64[np.ndarray, " rows"]

RESERVED = ("target", "rare", "unlabeled")
"""Options of a table that are settled where rows and classes are given apart."""
_NAME = "X"
_DISTINCT = 10  # for each fold: where fewer rows differ, that they repeat is their nature
_ANSWERED = tuple(topic for topic in ANSWERED if topic != "copy of the target")  # the target is not among the columns


def is_frame(rows: object) -> bool:
    """Whether rows are a DataFrame of pandas, which is not imported for it."""
    return "pandas" in sys.modules and isinstance(rows, sys.modules["pandas"].DataFrame)


def is_numeric(frame: pd.DataFrame) -> bool:
    """Whether every column has a type of numbers."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype  # noqa: PLC0415  (slow to import)

    return all(is_numeric_dtype(each) and not is_bool_dtype(each) for each in frame.dtypes)


def pool_of_numbers(numbers: Numbers, names: Sequence[str], labels: Labels, target: CategoryColumn) -> Pool:
    """Rows of numbers, NaN where one is missing; a feature says where, in columns that lack some.

    Raises:
        InputError: a number is too large for 32 bits.
    """
    schema = _schema(numbers, names, target)
    understood = Understood(table=schema, summaries=())
    features = features_of_numbers(numbers, schema)
    called = tuple(name for column in schema.columns for name in feature_names(column))
    return Pool(features, labels, target.categories, called, understood=understood, groups=repeated_rows(features))


def pool_of_frame(frame: pd.DataFrame, labels: Labels, target: CategoryColumn, options: Mapping[str, object]) -> Pool:
    """Rows of a frame, understood as a file's are; what they ask is answered where there is a safe answer.

    Raises:
        InputError: an option is none, a problem has no safe answer, or no column is left.
    """
    for name in RESERVED:
        if name in options:
            raise InputError(f"options: {name} must not be given: the classes are those of y")
    fixed = {"target": target.name, "rare": "error"}
    given = {**options, **fixed}
    validate(TableOptions, given, Path("options"), "")
    table = table_of(frame)
    table.frame[target.name] = labels
    proposal = propose(table, given, topics=_ANSWERED)
    check_answered(proposal.understood, _NAME)
    if proposal.pool is None:
        raise InputError(f"{_NAME}: cannot be understood")
    schema = proposal.understood.table.model_copy(update={"target": target})
    understood = proposal.understood.model_copy(update={"table": schema})
    return replace(proposal.pool, classes=target.categories, understood=understood)


def with_groups_that_suffice(pool: Pool, folds: int) -> Pool:
    """The pool; where very few rows differ, without groups of equal ones, which could not be divided."""
    grouped = pool.understood is not None and pool.understood.table.group is not None
    if pool.groups is None or grouped or len(np.unique(pool.groups)) >= _DISTINCT * folds:
        return pool
    return replace(pool, groups=None)


def table_of(frame: pd.DataFrame) -> Table:
    """A frame as a table, of its own."""
    copied = frame.reset_index(drop=True)
    copied.columns = [str(name) for name in frame.columns]
    return Table(_NAME, copied, Reading())


def target_name(X: Any, y: Any) -> str:
    """What y is called, where no column is."""
    taken, name = set(map(str, getattr(X, "columns", ()))), getattr(y, "name", None)
    chosen = name if isinstance(name, str) and name else "class"
    while chosen in taken:
        chosen += "_"
    return chosen


def column_names(names: Any, columns: int) -> tuple[str, ...]:
    """Names of columns: those that they have, else x0, x1, ..."""
    return tuple(f"x{number}" for number in range(columns)) if names is None else tuple(names)


def takes_numbers(schema: Schema, names: Sequence[str]) -> bool:
    """Whether all columns of these names, and no others, are numbers."""
    numbers = [column.name for column in schema.columns if isinstance(column, NumberColumn)]
    return numbers == list(names) and len(numbers) == len(schema.columns)


def features_of_numbers(numbers: Numbers, schema: Schema) -> Float32[np.ndarray, "rows features"]:
    """What `encode` gives of the same numbers in a table.

    Raises:
        InputError: a number is too large for 32 bits.
    """
    if (np.abs(numbers) > LARGEST).any():
        raise InputError("Input X contains a value too large for dtype('float32').")
    features: list[Any] = []
    for column, values in zip(schema.columns, numbers.T, strict=True):
        features.append((values - getattr(column, "origin", 0.0)).astype(np.float32))
        if column.indicator:
            features.append(np.isnan(values).astype(np.float32))
    return np.stack(features, axis=1)


def features_of_frame(frame: pd.DataFrame, schema: Schema) -> Float32[np.ndarray, "rows features"]:
    """Rows of a frame by the schema of the frame that was fitted.

    Raises:
        InputError: a cell cannot be read.
    """
    return encode(table_of(frame), schema)


def _schema(numbers: Numbers, names: Sequence[str], target: CategoryColumn) -> Schema:
    columns = []
    for name, values in zip(names, numbers.T, strict=True):
        missing = np.isnan(values)
        columns.append(
            NumberColumn(name=name, indicator=bool(missing.any()), origin=origin_of(np.unique(values[~missing])))
        )
    return Schema(reading=Reading(), target=target, columns=tuple(columns), na_numbers=NA_NUMBERS, missing="impute")
