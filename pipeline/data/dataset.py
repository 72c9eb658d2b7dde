"""What does every seed train, choose and test on?

A data set is one pool of rows and, for each seed, the row numbers of its train, validation and test parts.
Synthetic tasks draw fresh rows for every seed; real pools are split anew. Asking for more seeds changes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from pipeline.core.errors import InputError

BUNDLED = ("breast_cancer", "digits", "iris", "wine")


@dataclass(frozen=True)
class Pool:
    """All rows of one data set.

    Attributes:
        features: numbers; NaN only where a value is missing and the user allowed it.
        labels: the class of each row, 0 to K-1.
        classes: names of the K classes, in numerical order when all are integers, as strings otherwise.
        feature_names: one for each feature.
        posterior: probability of each class given the features, known for synthetic data only.
    """

    features: Float32[np.ndarray, "rows features"]
    labels: Int64[np.ndarray, " rows"]
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    posterior: Float64[np.ndarray, "rows classes"] | None = None


@dataclass(frozen=True)
class Splits:
    """Row numbers into a pool: one line a seed, one column a row of that part."""

    train: Int32[np.ndarray, "seeds train"]
    validation: Int32[np.ndarray, "seeds validation"]
    test: Int32[np.ndarray, "seeds test"]


@dataclass(frozen=True)
class Dataset:
    """A pool and how each seed divides it."""

    pool: Pool
    splits: Splits


@dataclass(frozen=True)
class SeedData:
    """What one seed trains on: standardized features (row, feature) and labels (row,) of each split."""

    features: Mapping[str, Float32[np.ndarray, "rows features"]]
    labels: Mapping[str, Int64[np.ndarray, " rows"]]
    classes: int


def load_bundled(name: str) -> Pool:
    """One of the sets that come with scikit-learn: breast_cancer, digits, iris or wine.

    Raises:
        InputError: the name is another.
    """
    from sklearn import datasets  # noqa: PLC0415  (slow to import)

    require(name in BUNDLED, f"bundled data set must be one of {', '.join(BUNDLED)}; got {name!r}")
    bunch = getattr(datasets, f"load_{name}")()
    named = np.asarray(bunch.target_names).astype(str)[bunch.target]
    classes, labels = np.unique(named, return_inverse=True)  # ten digits at most: string order is numerical order
    return Pool(
        features=bunch.data.astype(np.float32),
        labels=labels.astype(np.int64),
        classes=tuple(classes.tolist()),
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
    )


def split_resampled(
    labels: Int64[np.ndarray, " rows"],
    *,
    classes: tuple[str, ...],
    seeds: int,
    train: int | float,
    validation: int | float,
    name: str,
) -> Splits:
    """Divide one pool anew for each seed, stratified by class; the test part is all that is left.

    Seed k is scikit-learn's `StratifiedShuffleSplit` with `random_state=k`. Training rows are shuffled, test rows are
    in the pool's order.

    Args:
        labels: class of each row of the pool.
        classes: names of the classes, for messages.
        seeds: how many; they are numbered from 0.
        train: rows (1 or more) or a share of all rows (between 0 and 1, rounded to whole rows).
        validation: as train.
        name: what messages call the data set.

    Raises:
        InputError: a size is out of range, nothing is left to test on, a class has fewer than 3 rows (one for each
            part), or a seed's training part lacks a class.
    """
    from sklearn.model_selection import StratifiedShuffleSplit  # noqa: PLC0415  (slow to import)

    rows = len(labels)
    require(seeds >= 1, f"{name}: seeds must be at least 1; got {seeds}")
    _check_classes(labels, classes, name)
    sizes = {
        "train_size": _rows(train, rows, len(classes), f"{name}: train"),
        "test_size": _rows(validation, rows, len(classes), f"{name}: validation"),
    }
    require(
        sum(sizes.values()) < rows - 1,
        f"{name}: train and validation must leave two rows or more to test on; "
        f"got train={train:g} and validation={validation:g} of {rows} rows",
    )
    placeholder = np.zeros((rows, 1), dtype=np.int8)
    shuffles = [StratifiedShuffleSplit(n_splits=1, random_state=seed, **sizes) for seed in range(seeds)]
    parts = [next(shuffle.split(placeholder, labels)) for shuffle in shuffles]
    rest = [np.setdiff1d(np.arange(rows), np.concatenate(part), assume_unique=True) for part in parts]
    splits = Splits(
        train=np.stack([part[0] for part in parts]).astype(np.int32),
        validation=np.stack([part[1] for part in parts]).astype(np.int32),
        test=np.stack(rest).astype(np.int32),
    )
    check_training(labels, splits.train, classes, name)
    return splits


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


def describe(dataset: Dataset) -> dict[str, object]:
    """Sizes of a data set, ready for JSON.

    `overlapping` is true where two seeds train or choose on some of the same rows, as resplits of one pool do: their
    results are then not independent.
    """
    pool, splits = dataset.pool, dataset.splits
    counts = np.bincount(pool.labels, minlength=len(pool.classes))
    return {
        "rows": len(pool.labels),
        "features": len(pool.feature_names),
        "classes": [{"name": name, "rows": int(count)} for name, count in zip(pool.classes, counts, strict=True)],
        "seeds": len(splits.train),
        "train": splits.train.shape[1],
        "validation": splits.validation.shape[1],
        "test": splits.test.shape[1],
        "overlapping": overlapping(splits),
    }


def overlapping(splits: Splits) -> bool:
    """Whether two seeds train or choose on some of the same rows, so that their results are not independent."""
    used = np.concatenate([splits.train.ravel(), splits.validation.ravel()])
    return bool(np.unique(used).size < used.size)


def _rows(size: int | float, rows: int, classes: int, what: str) -> int:
    """The size of a part in rows."""
    share = 0 < size < 1
    whole_rows = 1 <= size < np.inf and size == int(size)
    require(share or whole_rows, f"{what} must be whole rows or a share between 0 and 1; got {size:g}")
    count = round(size * rows) if share else int(size)
    require(count < rows, f"{what} must be smaller than the data; got {count} of {rows} rows")
    require(count >= classes, f"{what} must have a row for each of the {classes} classes; got {count} of {rows} rows")
    return count


def _check_classes(labels: Int64[np.ndarray, " rows"], classes: tuple[str, ...], name: str) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    rarest = int(counts.argmin())
    require(
        counts[rarest] >= 3,
        f"{name}: every class needs 3 rows, one each to train, validate and test; "
        f"class {classes[rarest]!r} has {counts[rarest]}",
    )


def check_training(
    labels: Int64[np.ndarray, " rows"], train: Int32[np.ndarray, "seeds train"], classes: tuple[str, ...], name: str
) -> None:
    """Refuse training rows without one of the classes.

    Raises:
        InputError: names the seed and the class.
    """
    for seed, part in enumerate(train):
        counts = np.bincount(labels[part], minlength=len(classes))
        rarest = int(counts.argmin())
        require(
            counts[rarest] > 0,
            f"{name}: train must hold every class; none of the {len(part)} training rows of seed {seed} "
            f"is of class {classes[rarest]!r}; raise train",
        )


def require(condition: bool | np.bool_, message: str) -> None:
    """Refuse what does not hold, in these words."""
    if not condition:
        raise InputError(message)
