"""Data sets that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from pipeline.data.dataset import Pool
from pipeline.data.splits import require
from pipeline.data.tables.judging import repeated_rows

BUNDLED = ("breast_cancer", "digits", "iris", "wine")


def load_bundled(name: str) -> Pool:
    """One of the sets that come with scikit-learn: breast_cancer, digits, iris or wine; of iris two rows are equal.

    Raises:
        InputError: the name is another.
    """
    from sklearn import datasets  # noqa: PLC0415  (slow to import)

    require(name in BUNDLED, f"bundled data set must be one of {', '.join(BUNDLED)}; got {name!r}")
    bunch = getattr(datasets, f"load_{name}")()
    named = np.asarray(bunch.target_names).astype(str)[bunch.target]
    classes, labels = np.unique(named, return_inverse=True)  # ten digits at most: string order is numerical order
    features = bunch.data.astype(np.float32)
    return Pool(
        features=features,
        labels=labels.astype(np.int64),
        classes=tuple(classes.tolist()),
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        groups=repeated_rows(features),
    )
