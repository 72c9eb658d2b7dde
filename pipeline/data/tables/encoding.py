"""Encoding by a schema: columns as features, the target as labels; the same row always gives the same numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from pipeline.core.errors import InputError
from pipeline.data.dataset import Pool
from pipeline.data.options import Reading
from pipeline.data.schema import OTHER, CategoryColumn, Column, DateColumn, NumberColumn, Schema
from pipeline.data.tables.categories import category_of
from pipeline.data.tables.cells import Cells, cells_of, without
from pipeline.data.tables.dates import dates_of, days_since, place_in_cycle
from pipeline.data.tables.messages import check_known, listed, show
from pipeline.data.tables.numbers import parse_numbers
from pipeline.data.tables.table import Table

LARGEST = float(np.finfo(np.float32).max)
"""Numbers beyond are refused: features have 32 bits."""

_WITHIN = f"be within ±{LARGEST:.3g}"

Features = dict[str, Float32[np.ndarray, " rows"]]


def encode(table: Table, schema: Schema) -> Float32[np.ndarray, "rows features"]:
    """The features of a table's rows, those that the schema was made from or new ones.

    Columns are found by their names; others are left alone. A missing number or date is NaN, a missing category and
    one that the schema does not know belong to no category, or to `other` where the schema has that.

    Raises:
        InputError: a column is missing, or holds what its rule cannot read; names the column, row and value.
    """
    known = [str(name) for name in table.frame.columns]
    encoded: Features = {}
    for column in schema.columns:
        check_known(column.name, known, f"{table.name}: column")
        cells = cells_of(table.frame[column.name], column.name)
        encoded |= encode_column(cells, column, missing_words(column, schema), f"{table.name}: column {column.name!r}")
    return np.stack(list(encoded.values()), axis=1)


def encode_labels(table: Table, schema: Schema) -> Int64[np.ndarray, " rows"]:
    """The class of each row; -1 for a row that the schema leaves out, or whose class it does not know.

    Raises:
        InputError: the target column is missing, or a row has no class and the schema does not leave it out.
    """
    cells = target_cells(table, schema)
    if cells.absent.any() and schema.unlabeled == "error":
        row = int(cells.absent.argmax()) + 1
        where = f"{table.name}: target column {cells.name!r}, data row {row}"
        raise InputError(f"{where}: missing value, and every row needs a class; `unlabeled: drop` leaves them out")
    return _places(cells, schema.target)


def target_cells(table: Table, schema: Schema) -> Cells:
    """The cells of the target column.

    Raises:
        InputError: it is missing.
    """
    name = schema.target.name
    check_known(name, [str(each) for each in table.frame.columns], f"{table.name}: target column")
    return without(cells_of(table.frame[name], name), schema.reading.na_values)


def schema_of(pool: Pool) -> Schema:
    """How a row of a table becomes a row of a pool: as its own table did, or by columns named as the features."""
    if pool.understood is not None:
        return pool.understood.table
    return Schema(
        reading=Reading(),
        target=CategoryColumn(name="class", categories=pool.classes),
        columns=tuple(NumberColumn(name=name) for name in pool.feature_names),
        na_numbers=(),
    )


def unread(table: Table, schema: Schema) -> dict[str, int]:
    """What is not read as training rows were, in words, with the rows that it concerns, 0 for columns."""
    known = {column.name for column in schema.columns} | {schema.target.name}
    extra = [str(name) for name in table.frame.columns if str(name) not in known]
    noticed = {f"columns that the model does not use: {listed(extra)}": 0} if extra else {}
    for column in schema.columns:
        if column.name not in table.frame.columns:
            continue  # `encode` says so
        cells = without(cells_of(table.frame[column.name], column.name), missing_words(column, schema))
        if cells.absent.any() and not column.indicator:
            noticed[f"column {column.name!r}: missing, as in no training row"] = int(cells.absent.sum())
        if isinstance(column, CategoryColumn) and not column.pooled:
            strange = int(((_places(cells, column) < 0) & ~cells.absent).sum())
            noticed |= {f"column {column.name!r}: a category that no training row had": strange} if strange else {}
    return noticed


def class_names(schema: Schema) -> tuple[str, ...]:
    """Names of the classes, in the order of the labels."""
    return (*schema.target.categories, OTHER) if schema.target.pooled else schema.target.categories


def feature_names(column: Column) -> tuple[str, ...]:
    """Names of the features that a column becomes."""
    return tuple(f"{column.name}{suffix}" for suffix in _suffixes(column))


def indicators_of(column: Column) -> Bool[np.ndarray, " features"]:
    """Which of the features that a column becomes are 0 or 1: those of categories, and of missing values."""
    features = len(feature_names(column))
    numbers = 0 if isinstance(column, CategoryColumn) else features - column.indicator
    return np.arange(features) >= numbers


def missing_words(column: Column, schema: Schema) -> tuple[str, ...]:
    """Words that mean a missing value in a column."""
    words = schema.reading.na_values
    return words if isinstance(column, CategoryColumn) else (*words, *schema.na_numbers)


def encode_column(cells: Cells, column: Column, words: Collection[str], where: str) -> Features:
    """Features by name.

    Raises:
        InputError: a cell holds what the column's rule cannot read; `where` names table and column.
    """
    cells = without(cells, words)
    match column:
        case NumberColumn():
            arrays = [_number_feature(cells, column, where)]
        case DateColumn():
            arrays = _date_features(cells, column, where)
        case CategoryColumn():
            places = _places(cells, column)
            arrays = [(places == k).astype(np.float32) for k in range(len(column.categories) + column.pooled)]
    if column.indicator:
        arrays.append(cells.absent.astype(np.float32))
    return dict(zip(feature_names(column), arrays, strict=True))


def numbers_of(cells: Cells, column: NumberColumn) -> list[float | None]:
    """The distinct values of a column as numbers, None where one is none."""
    if cells.type == "number":
        return [float(str(value)) for value in cells.values]
    return parse_numbers(cells.texts, column.style)


def rows_of(
    values: Sequence[float] | Float64[np.ndarray, " values"], codes: Int64[np.ndarray, " rows"]
) -> Float64[np.ndarray, " rows"]:
    """A number for each row from those of the distinct values; NaN where it is missing."""
    by_row: Float64[np.ndarray, " rows"] = np.append(np.asarray(values, dtype=np.float64), np.nan)[codes]
    return by_row


def _suffixes(column: Column) -> Iterator[str]:
    match column:
        case NumberColumn():
            yield ""
        case DateColumn():
            yield " (days)"
            yield from (f" ({wave} of {cycle})" for cycle in column.cycles for wave in ("sine", "cosine"))
        case CategoryColumn():
            yield from (f"={category}" for category in column.categories)
            yield from (f"={OTHER}" for _ in range(column.pooled))
    if column.indicator:
        yield " is missing"


def _number_feature(cells: Cells, column: NumberColumn, where: str) -> Float32[np.ndarray, " rows"]:
    numbers = numbers_of(cells, column)
    values = np.array(numbers, dtype=np.float64)  # NaN for None
    for place in np.flatnonzero(~(np.abs(values) <= LARGEST)):
        got = show(cells.texts[place]) if numbers[place] is None else f"{numbers[place]:g}"
        must = "be a number" if numbers[place] is None else "be finite" if np.isinf(values[place]) else _WITHIN
        raise InputError(f"{where}, data row {cells.row_of(int(place))}: must {must}; got {got}")
    return rows_of(values - column.origin, cells.codes).astype(np.float32)


def _date_features(cells: Cells, column: DateColumn, where: str) -> list[Float32[np.ndarray, " rows"]]:
    dates = dates_of(cells, column.format)
    for place in np.flatnonzero(dates.isna()):
        got = show(cells.texts[place])
        raise InputError(f"{where}, data row {cells.row_of(int(place))}: must be a date ({column.format}); got {got}")
    waves = [wave for cycle in column.cycles for wave in place_in_cycle(dates, cycle).values()]
    return [rows_of(each, cells.codes).astype(np.float32) for each in (days_since(dates, column.first), *waves)]


def _places(cells: Cells, column: CategoryColumn) -> Int64[np.ndarray, " rows"]:
    """Place of each row's category; past the last for `other`, -1 for none."""
    place = {category: k for k, category in enumerate(column.categories)}
    unknown = len(column.categories) if column.pooled else -1
    names = (category_of(text, integers=column.integers, folded=column.folded) for text in cells.texts)
    places = np.array([*(place.get(name, unknown) for name in names), -1], dtype=np.int64)
    by_row: Int64[np.ndarray, " rows"] = places[cells.codes]
    return by_row
