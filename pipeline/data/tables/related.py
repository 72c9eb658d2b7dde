"""Columns that relate rows: groups whose rows belong together, and times that say which rows come after others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.data.schema import CategoryColumn, Column, DateColumn, Finding, NumberColumn, Schema
from pipeline.data.tables.categories import are_integers, as_categories
from pipeline.data.tables.cells import Cells, cells_of, without
from pipeline.data.tables.columns import Understanding
from pipeline.data.tables.dates import dates_of, days_since
from pipeline.data.tables.encoding import missing_words, numbers_of, rows_of
from pipeline.data.tables.findings import finding
from pipeline.data.tables.messages import check_known
from pipeline.data.tables.table import Table


def understand_time(
    understood: Understanding, name: str, *, is_feature: bool
) -> tuple[Column | None, tuple[Finding, ...]]:
    """The rule of the column that orders rows, and what is noticed of it beside what a feature's findings say.

    Raises:
        InputError: a time is missing, or the column holds neither numbers nor dates.
    """
    cells, where = understood.cells, f"{name}: time column {understood.cells.name!r}"
    if isinstance(understood.column, CategoryColumn):
        raise InputError(f"{where} must hold numbers or dates; got categories such as {cells.texts[0]!r}")
    _check_present(cells, where, "time")
    if not is_feature:
        return understood.column, tuple(each for each in understood.findings if each.severity == "problem")
    message = (
        f"column {cells.name!r} orders the rows, so that its values in test rows are beyond those in training rows"
    )
    return understood.column, (finding("warning", "time", message, {"ignore": [cells.name]}, column=cells.name),)


def group_names(table: Table, schema: Schema) -> NDArray[np.str_] | None:
    """The name of each row's group; None where rows have none.

    Raises:
        InputError: the column is missing, or a row has no group.
    """
    if schema.group is None:
        return None
    cells = without(_cells(table, schema.group, "group"), schema.reading.na_values)
    _check_present(cells, f"{table.name}: group column {schema.group!r}", "group")
    named = as_categories(cells, integers=are_integers(cells.texts), folded=False)
    names: NDArray[np.str_] = np.array(named.texts)[named.codes]
    return names


def times_of(table: Table, schema: Schema) -> Float64[np.ndarray, " rows"] | None:
    """When each row was, in days or as the number that stands there; None where rows have no time.

    Raises:
        InputError: the column is missing, a row has no time, or one that cannot be read.
    """
    column = schema.time
    if column is None:
        return None
    cells = without(_cells(table, column.name, "time"), missing_words(column, schema))
    _check_present(cells, f"{table.name}: time column {column.name!r}", "time")
    match column:
        case NumberColumn():
            values = np.array(numbers_of(cells, column), dtype=np.float64)
        case DateColumn():
            values = np.asarray(days_since(dates_of(cells, column.format), column.first))
        case CategoryColumn():
            raise AssertionError(column)
    return rows_of(values, cells.codes)


def _cells(table: Table, column: str, what: str) -> Cells:
    check_known(column, [str(name) for name in table.frame.columns], f"{table.name}: {what} column")
    return cells_of(table.frame[column], column)


def _check_present(cells: Cells, where: str, what: str) -> None:
    if cells.absent.any():
        row = int(cells.absent.argmax()) + 1
        raise InputError(f"{where}, data row {row}: missing value; every row needs a {what}")
