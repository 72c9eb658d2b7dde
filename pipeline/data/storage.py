"""A data set in storage, and what one seed trains, chooses and tests on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.dataset import Dataset, Pool, SeedData, Splits, describe, standardization, standardize

SPLITS = ("train", "validation", "test")


def to_arrays(dataset: Dataset) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """A data set as named arrays and a JSON-ready description, for storage."""
    pool = dataset.pool
    arrays: dict[str, NDArray[Any]] = {"features": pool.features, "labels": pool.labels}
    arrays |= {split: getattr(dataset.splits, split) for split in SPLITS}
    if pool.posterior is not None:
        arrays["posterior"] = pool.posterior
    return arrays, {"classes": pool.classes, "features": pool.feature_names, "summary": describe(dataset)}


def from_arrays(arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> Dataset:
    """The data set that `to_arrays` took apart."""
    names = tuple(about["classes"]), tuple(about["features"])
    pool = Pool(arrays["features"], arrays["labels"], *names, arrays.get("posterior"))
    return Dataset(pool, Splits(*(arrays[split] for split in SPLITS)))


def seed_data(dataset: Dataset, seed: int) -> SeedData:
    """What one seed trains, chooses and tests on, standardized by its training part."""
    features, rows = dataset.pool.features, {split: getattr(dataset.splits, split)[seed] for split in SPLITS}
    mean, scale = standardization(features[rows["train"]])
    return SeedData(
        features={split: standardize(features[rows[split]], mean, scale) for split in SPLITS},
        labels={split: dataset.pool.labels[rows[split]] for split in SPLITS},
        classes=len(dataset.pool.classes),
    )


def labels_of(dataset: Dataset, seeds: list[int]) -> dict[str, NDArray[np.int64]]:
    """Labels (seed, row) of each split."""
    return {split: dataset.pool.labels[getattr(dataset.splits, split)[seeds]] for split in SPLITS}


def test_posterior(dataset: Dataset, seeds: list[int]) -> NDArray[np.float64] | None:
    """True class probabilities (seed, row, class) of the test rows, where they are known."""
    posterior = dataset.pool.posterior
    return None if posterior is None else posterior[dataset.splits.test[seeds]]
