"""Data sets that come with scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.dataset import Pool
from pipeline.data.splits import require
from pipeline.data.tables.judging import repeated_rows

BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")


def load_bundled(name: str) -> Pool:
    """One of the sets that come with scikit-learn: breast_cancer, diabetes, digits, iris or wine.

    Of iris two rows are equal. Of diabetes the class is whether the progression is above its median, 140.5.

    Raises:
        InputError: the name is another.
    """
    from sklearn import datasets  # noqa: PLC0415  (slow to import)

    require(name in BUNDLED, f"bundled data set must be one of {', '.join(BUNDLED)}; got {name!r}")
    bunch = getattr(datasets, f"load_{name}")()
    named = _classes_of(bunch)
    classes, labels = np.unique(named, return_inverse=True)  # ten digits at most: string order is numerical order
    features = bunch.data.astype(np.float32)
    return Pool(
        features=features,
        labels=labels.astype(np.int64),
        classes=tuple(classes.tolist()),
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        groups=repeated_rows(features),
    )


def _classes_of(bunch: Any) -> NDArray[np.str_]:
    """The name of each row's class; of a number, on which side of the median it lies."""
    if "target_names" in bunch:
        names: NDArray[np.str_] = np.asarray(bunch.target_names).astype(str)[bunch.target]
        return names
    above: NDArray[np.bool_] = bunch.target > np.median(bunch.target)
    return np.where(above, "above", "below")
