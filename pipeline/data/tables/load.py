"""Tables as pools: the user's files and sets from openml.org, read, understood, judged and encoded.

Whatever is wrong with one is one line that names the file and the place.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from pipeline.core.errors import InputError
from pipeline.data.dataset import Pool
from pipeline.data.options import Meaning, Reading, TableOptions
from pipeline.data.tables.encoding import class_names, feature_names
from pipeline.data.tables.judging import find_shared_rows, judge, repeated_rows
from pipeline.data.tables.messages import listed, reason
from pipeline.data.tables.reading import read_table
from pipeline.data.tables.rows import EncodedRows, encode_rows, encode_test_rows
from pipeline.data.tables.table import Table
from pipeline.data.tables.understanding import check_answered, understand


def read_file(path: Path, options: TableOptions, *, test_path: Path | None = None) -> Pool:
    """Read, understand and encode the user's own data: see `read_table`, `understand` and `encode`.

    Args:
        path: of the table.
        options: the user's, which hold for both files.
        test_path: a table for testing, whose rows come last.

    Raises:
        InputError: a file cannot be read, or a problem of its columns is not answered by an option.
    """
    test = None if test_path is None else read_table(test_path, options, target=options.target)
    return to_pool(read_table(path, options, target=options.target), options, test=test)


def load_openml(number: int, *, target: str | None, meaning: Meaning, cache: Path) -> Pool:
    """Fetch a data set from openml.org by its number, or take it from the cache, and encode it as a file is.

    Args:
        number: the data set's id.
        target: the column that holds the class; OpenML's own default when None.
        meaning: of its columns and classes.
        cache: folder of scikit-learn's `fetch_openml`.

    Raises:
        InputError: it cannot be fetched, or a problem of its columns is not answered by an option.
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
    return to_pool(Table(name, bunch.frame, Reading()), TableOptions(target=target, **dict(meaning)))


def to_pool(table: Table, options: TableOptions, *, test: Table | None = None) -> Pool:
    """Understand and encode a table, and after its rows those for testing; rows of classes left out are left out.

    Raises:
        InputError: the target cannot be classes, or a problem of a column is not answered by an option.
    """
    understood = understand(table, options)
    check_answered(understood, table.name)
    schema = understood.table
    columns = {column.name: feature_names(column) for column in schema.columns}
    rows, classes = encode_rows(table, schema), class_names(schema)
    together = options.duplicates == "group" and options.group is None and options.time is None
    judged = judge(rows.features, rows.labels, classes=classes, columns=columns, together=together)
    tested = 0
    if test is not None:
        others = encode_test_rows(test, schema, table)
        judged = (*judged, *find_shared_rows(rows.features, others.features, names=(table.name, test.name)))
        rows, tested = rows.followed_by(others), len(others.labels)
    return Pool(
        features=rows.features,
        labels=rows.labels,
        classes=classes,
        feature_names=tuple(name for names in columns.values() for name in names),
        understood=understood.model_copy(update={"findings": (*understood.findings, *judged)}),
        groups=_groups(rows, together=together),
        times=rows.times,
        tested=tested,
    )


def _groups(rows: EncodedRows, *, together: bool) -> Int64[np.ndarray, " rows"] | None:
    """The number of each row's group, by its name or, where they stay together, by its features; None if all differ."""
    if rows.groups is None and not together:
        return None
    if rows.groups is None:
        return repeated_rows(rows.features)
    groups: Int64[np.ndarray, " rows"] = np.unique(rows.groups, return_inverse=True)[1].astype(np.int64)
    return groups
