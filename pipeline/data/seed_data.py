"""What each seed trains on: the features of its rows, preprocessed by what its training rows are like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from pipeline.data.dataset import Dataset, Pool
from pipeline.data.preprocessor import Preprocessor, fit_preprocessor
from pipeline.data.splits import SPLITS
from pipeline.data.tables.encoding import indicators_of


@dataclass(frozen=True)
class SeedData:
    """What one seed trains on: preprocessed features (row, feature) and labels (row,) of each split."""

    features: Mapping[str, Float32[np.ndarray, "rows features"]]
    labels: Mapping[str, Int64[np.ndarray, " rows"]]
    classes: int


def seed_data(dataset: Dataset, seed: int) -> SeedData:
    """What one seed trains, chooses and tests on, preprocessed by its training part."""
    features, rows = dataset.pool.features, {split: getattr(dataset.splits, split)[seed] for split in SPLITS}
    preprocessor = seed_preprocessor(dataset, seed)
    return SeedData(
        features={split: preprocessor.transform(features[rows[split]]) for split in SPLITS},
        labels={split: dataset.pool.labels[rows[split]] for split in SPLITS},
        classes=len(dataset.pool.classes),
    )


def seed_preprocessor(dataset: Dataset, seed: int) -> Preprocessor:
    """The preprocessor of one seed, fitted on its training rows."""
    train = dataset.pool.features[dataset.splits.train[seed]]
    return fit_preprocessor(train, indicators=indicators(dataset.pool), scale=dataset.scale)


def indicators(pool: Pool) -> Bool[np.ndarray, " features"]:
    """Which features say whether a row is of a category, or lacks a value: 0 or 1."""
    if pool.understood is None:
        return np.zeros(pool.features.shape[1], dtype=np.bool_)
    return np.concatenate([indicators_of(column) for column in pool.understood.table.columns])
