"""The classes of rows in memory: which there are, and whether they can be told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from pipeline.core.errors import InputError

LEAST_ROWS = 4
"""Two folds hold out two rows each: early stopping tells with one what the other is worth."""


def labels_of(rows: Any, y: Any) -> tuple[Int64[np.ndarray, " rows"], NDArray[Any]]:
    """The number of each row's class, and the classes.

    Raises:
        ValueError: they are missing, no classes, of another number than rows, or too few to be divided.
    """
    if y is None:
        raise InputError("RegularizedClassifier requires y to be passed, but the target y is None")
    given = column_or_1d(y, warn=True)
    assert_all_finite(given, input_name="y")
    check_consistent_length(rows, given)
    check_classification_targets(given)
    classes, labels = np.unique(given, return_inverse=True)
    if len(given) < LEAST_ROWS:
        raise InputError(f"RegularizedClassifier needs {LEAST_ROWS} rows or more; got n_samples={len(given)}")
    if len(classes) == 1:
        raise InputError(
            f"RegularizedClassifier needs rows of two classes or more; got one class, {classes.tolist()[0]!r}"
        )
    if len(classes) == len(given):
        raise InputError(f"y must have a class of two rows or more; each of {len(given)} rows has its own")
    return labels.astype(np.int64), classes
