"""What each seed trains on: the features of its rows, preprocessed by what its training rows are like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, Int64

from pipeline.data.dataset import Dataset, Pool
from pipeline.data.preprocessor import Preprocessor, fit_preprocessor
from pipeline.data.splits import SPLITS
from pipeline.data.tables.encoding import indicators_of

Features = Float32[np.ndarray, "rows features"]
Places = slice | Int[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class PoolRows(Mapping[str, Features]):
    """Features of each split, encoded whenever they are asked for: all that is held is the pool and row numbers.

    Attributes:
        pool: of all rows, which all seeds share.
        rows: the pool's row numbers of each split.
        encode: what networks see of rows; a row's bits depend on no other row.
    """

    pool: Features
    rows: Mapping[str, Int[np.ndarray, " rows"]]
    encode: Callable[[Features], Features]

    def __getitem__(self, split: str) -> Features:
        return self.take(split, slice(None))

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, split: str, places: Places) -> Features:
        """Features of the rows at these places of a split."""
        return self.encode(self.pool[self.rows[split][places]])


@dataclass(frozen=True)
class SeedData:
    """What one seed trains on: preprocessed features (row, feature) and labels (row,) of each split.

    Features of `PoolRows` are made anew whenever a split is asked for; `take` makes those of some rows alone.
    """

    features: Mapping[str, Features]
    labels: Mapping[str, Int64[np.ndarray, " rows"]]
    classes: int

    def rows(self, split: str) -> int:
        """How many rows a split has, also one without labels."""
        return len(self.features.rows[split] if isinstance(self.features, PoolRows) else self.features[split])

    def take(self, split: str, places: Places) -> Features:
        """Features of the rows at these places of a split."""
        features = self.features
        return features.take(split, places) if isinstance(features, PoolRows) else features[split][places]


def seed_data(dataset: Dataset, seed: int) -> SeedData:
    """What one seed trains, chooses and tests on, preprocessed by its training part."""
    rows = {split: getattr(dataset.splits, split)[seed] for split in SPLITS}
    return SeedData(
        features=PoolRows(dataset.pool.features, rows, seed_preprocessor(dataset, seed).transform),
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
