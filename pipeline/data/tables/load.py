"""Tables as pools: the user's files and sets from openml.org, read, understood, judged and encoded.

Whatever is wrong with one is one line that names the file and the place.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.data.dataset import Pool
from pipeline.data.options import Missing, Reading, TableOptions
from pipeline.data.tables.encoding import class_names, encode, encode_labels, feature_names
from pipeline.data.tables.judging import judge
from pipeline.data.tables.messages import listed, reason
from pipeline.data.tables.reading import read_table
from pipeline.data.tables.table import Table
from pipeline.data.tables.understanding import check_answered, understand


def read_file(path: Path, options: TableOptions) -> Pool:
    """Read, understand and encode the user's own data: see `read_table`, `understand` and `encode`.

    Raises:
        InputError: the file cannot be read, or a problem of its columns is not answered by an option.
    """
    return to_pool(read_table(path, options, target=options.target), options)


def load_openml(number: int, *, target: str | None, missing: Missing, cache: Path) -> Pool:
    """Fetch a data set from openml.org by its number, or take it from the cache, and encode it as a file is.

    Args:
        number: the data set's id.
        target: the column that holds the class; OpenML's own default when None.
        missing: refuse missing values ("error"), or allow them with an indicator feature ("impute").
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
    return to_pool(Table(name, bunch.frame, Reading()), TableOptions(target=target, missing=missing))


def to_pool(table: Table, options: TableOptions) -> Pool:
    """Understand and encode a table; rows of classes that are left out are left out.

    Raises:
        InputError: the target cannot be classes, or a problem of a column is not answered by an option.
    """
    understood = understand(table, options)
    check_answered(understood, table.name)
    schema = understood.table
    columns = {column.name: feature_names(column) for column in schema.columns}
    labels = encode_labels(table, schema)
    kept = labels >= 0
    features, labels, classes = encode(table, schema)[kept], labels[kept], class_names(schema)
    judged = judge(features, labels, classes=classes, columns=columns)
    return Pool(
        features=features,
        labels=labels,
        classes=classes,
        feature_names=tuple(name for names in columns.values() for name in names),
        understood=understood.model_copy(update={"findings": (*understood.findings, *judged)}),
    )
