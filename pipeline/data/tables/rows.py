"""Rows of tables, encoded by a schema: those of the file that it was made from, and those of a file for testing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.data.schema import Schema
from pipeline.data.tables.cells import cells_of, without
from pipeline.data.tables.encoding import encode, encode_labels, missing_words, target_cells
from pipeline.data.tables.messages import listed, show
from pipeline.data.tables.related import group_names, times_of
from pipeline.data.tables.table import Table


@dataclass(frozen=True)
class EncodedRows:
    """Rows of a table whose class is one of the schema's.

    Attributes:
        features: (row, feature).
        labels: (row,).
        groups: name of each row's group; None where rows have none.
        times: when each row was; None where rows have no time.
    """

    features: Float32[np.ndarray, "rows features"]
    labels: Int64[np.ndarray, " rows"]
    groups: NDArray[np.str_] | None
    times: Float64[np.ndarray, " rows"] | None

    def only(self, rows: Bool[np.ndarray, " rows"]) -> EncodedRows:
        """Some of the rows."""
        if rows.all():
            return self
        groups, times = (None if each is None else each[rows] for each in (self.groups, self.times))
        return EncodedRows(self.features[rows], self.labels[rows], groups, times)

    def followed_by(self, others: EncodedRows) -> EncodedRows:
        """These rows, then others of the same schema."""
        pairs = ((self.groups, others.groups), (self.times, others.times))
        groups, times = (None if one is None or two is None else np.concatenate([one, two]) for one, two in pairs)
        features = np.concatenate([self.features, others.features])
        return EncodedRows(features, np.concatenate([self.labels, others.labels]), groups, times)


def encode_rows(table: Table, schema: Schema) -> EncodedRows:
    """The rows of the table that a schema was made from; those whose class is left out are left out.

    Raises:
        InputError: a cell cannot be read.
    """
    labels = encode_labels(table, schema)
    rows = EncodedRows(encode(table, schema), labels, group_names(table, schema), times_of(table, schema))
    return rows.only(labels >= 0)


def encode_test_rows(table: Table, schema: Schema, train: Table) -> EncodedRows:
    """The rows of a table for testing, by the schema of the table for training: columns by name, in any order.

    Raises:
        InputError: a column is missing, a cell cannot be read or is missing where the schema does not impute, a class
            is none of the schema's (where it leaves none out), a group occurs in both tables, or no row is left.
    """
    _check_complete(table, schema)
    if schema.rare != "drop":
        _check_classes(table, schema, train)
    rows = encode_rows(table, schema)
    if len(rows.labels) < 2:
        raise InputError(f"{table.name}: must hold two rows or more to test on; got {len(rows.labels)}")
    _check_groups(table, schema, train)
    return rows


def _check_complete(table: Table, schema: Schema) -> None:
    if schema.missing == "impute":
        return
    for column in schema.columns:
        if column.name not in table.frame.columns:
            continue  # `encode` says so
        cells = without(cells_of(table.frame[column.name], column.name), missing_words(column, schema))
        if cells.absent.any():
            row = int(cells.absent.argmax()) + 1
            raise InputError(
                f"{table.name}: column {column.name!r}, data row {row}: missing value; `missing: impute` allows it"
            )


def _check_classes(table: Table, schema: Schema, train: Table) -> None:
    labels, target = encode_labels(table, schema), schema.target
    unknown = (labels < 0) & ~target_cells(table, schema).absent
    if unknown.any():
        row = int(unknown.argmax())
        got = show(str(table.frame[target.name].iloc[row]))
        known = listed(list(target.categories))
        raise InputError(
            f"{table.name}: target column {target.name!r}, data row {row + 1}: must be a class of {train.name}; "
            f"got {got}; there are {known}"
        )


def _check_groups(table: Table, schema: Schema, train: Table) -> None:
    groups, known = group_names(table, schema), group_names(train, schema)
    if groups is None or known is None:
        return
    shared = np.isin(groups, known)
    if shared.any():
        row = int(shared.argmax())
        raise InputError(
            f"{table.name}: group column {schema.group!r}, data row {row + 1}: must be no group of {train.name}; "
            f"got {show(str(groups[row]))}"
        )
