"""Standardization: the features of each seed, scaled by the mean and deviation of its training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from pipeline.data.dataset import Dataset
from pipeline.data.splits import SPLITS


@dataclass(frozen=True)
class SeedData:
    """What one seed trains on: standardized features (row, feature) and labels (row,) of each split."""

    features: Mapping[str, Float32[np.ndarray, "rows features"]]
    labels: Mapping[str, Int64[np.ndarray, " rows"]]
    classes: int


def seed_data(dataset: Dataset, seed: int) -> SeedData:
    """What one seed trains, chooses and tests on, standardized by its training part."""
    features, rows = dataset.pool.features, {split: getattr(dataset.splits, split)[seed] for split in SPLITS}
    mean, scale = standardization(features[rows["train"]])
    return SeedData(
        features={split: standardize(features[rows[split]], mean, scale) for split in SPLITS},
        labels={split: dataset.pool.labels[rows[split]] for split in SPLITS},
        classes=len(dataset.pool.classes),
    )


def standardization(
    features: Float32[np.ndarray, "*stack rows features"],
) -> tuple[Float32[np.ndarray, "*stack features"], Float32[np.ndarray, "*stack features"]]:
    """Mean and standard deviation (divisor n) of each feature over the rows of a training part.

    Missing values are left out. A feature that is constant, or missing throughout, has scale 1; the latter has mean 0.
    Leading axes are kept: `features[splits.train]` gives one line for each seed.
    """
    present = ~np.isnan(features)
    count = np.maximum(present.sum(axis=-2, keepdims=True), 1)
    values = np.where(present, features, 0).astype(np.float64)
    mean = values.sum(axis=-2, keepdims=True) / count
    spread = np.sqrt(np.square(np.where(present, values - mean, 0)).sum(axis=-2, keepdims=True) / count)
    highest = np.where(present, features, -np.inf).max(axis=-2)
    lowest = np.where(present, features, np.inf).min(axis=-2)
    scale = spread.squeeze(-2).astype(np.float32)
    varies = (highest > lowest) & (scale > 0)  # rounding gives a constant column a tiny spread, not zero
    return mean.squeeze(-2).astype(np.float32), np.where(varies, scale, np.float32(1))


def standardize(
    features: Float32[np.ndarray, "*stack rows features"],
    mean: Float32[np.ndarray, "*stack features"],
    scale: Float32[np.ndarray, "*stack features"],
) -> Float32[np.ndarray, "*stack rows features"]:
    """`(features - mean) / scale`; a missing value becomes 0, which is the training mean."""
    centred = features.astype(np.float64) - np.expand_dims(mean, -2)
    scaled = (centred / np.expand_dims(scale, -2)).astype(np.float32)
    return np.where(np.isnan(scaled), np.float32(0), scaled)
