"""A data set: one pool of rows, and how each seed divides it.

Synthetic tasks draw fresh rows for every seed; real pools are split anew. Asking for more seeds changes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from pipeline.data.options import Scale
from pipeline.data.schema import Understood
from pipeline.data.splits import SPLITS, Splits, drawn_shares, overlapping


@dataclass(frozen=True)
class Pool:
    """All rows of one data set.

    Attributes:
        features: numbers; NaN only where a value is missing and the user allowed it.
        labels: the class of each row, 0 to K-1.
        classes: names of the K classes, in numerical order when all are integers, as strings otherwise.
        feature_names: one for each feature.
        posterior: probability of each class given the features, known for synthetic data only.
        understood: how a table became these features and labels; None where the data come from no table.
        groups: number of each row's group, 0, 1, ...: rows that every seed has on one side; None where each is alone.
        times: when each row was, where earlier rows are for training and the latest for testing; else None.
        tested: how many of the last rows come from a file for testing.
    """

    features: Float32[np.ndarray, "rows features"]
    labels: Int64[np.ndarray, " rows"]
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    posterior: Float64[np.ndarray, "rows classes"] | None = None
    understood: Understood | None = None
    groups: Int64[np.ndarray, " rows"] | None = None
    times: Float64[np.ndarray, " rows"] | None = None
    tested: int = 0


@dataclass(frozen=True)
class Dataset:
    """A pool, how each seed divides it, and how features are scaled."""

    pool: Pool
    splits: Splits
    scale: Scale = "standard"


def labels_of(dataset: Dataset, seeds: Sequence[int]) -> dict[str, Int64[np.ndarray, "seeds rows"]]:
    """Labels (seed, row) of each split."""
    return {split: dataset.pool.labels[getattr(dataset.splits, split)[seeds]] for split in SPLITS}


def test_posterior(dataset: Dataset, seeds: Sequence[int]) -> Float64[np.ndarray, "seeds rows classes"] | None:
    """True class probabilities (seed, row, class) of the test rows, where they are known."""
    posterior = dataset.pool.posterior
    return None if posterior is None else posterior[dataset.splits.test[list(seeds)]]


def describe(dataset: Dataset) -> dict[str, object]:
    """Sizes of a data set, ready for JSON.

    `overlapping` is true where two seeds train or choose on some of the same rows, as resplits of one pool do: their
    results are then not independent. Where such seeds share all test rows, `drawn` has the share that a seed draws of
    the rows that are for training, and of those for validation.
    """
    pool, splits = dataset.pool, dataset.splits
    counts = np.bincount(pool.labels, minlength=len(pool.classes))
    described: dict[str, object] = {
        "rows": len(pool.labels),
        "features": len(pool.feature_names),
        "classes": [{"name": name, "rows": int(count)} for name, count in zip(pool.classes, counts, strict=True)],
        "seeds": len(splits.train),
        "train": splits.train.shape[1],
        "validation": splits.validation.shape[1],
        "test": splits.test.shape[1],
        "overlapping": overlapping(splits),
    }
    return described | ({} if (drawn := drawn_shares(splits)) is None else {"drawn": drawn})
