"""Train, validation and test splits: the rows of a pool that each seed trains, chooses and tests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from pipeline.core.errors import InputError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """Row numbers into a pool: one line a seed, one column a row of that part."""

    train: Int32[np.ndarray, "seeds train"]
    validation: Int32[np.ndarray, "seeds validation"]
    test: Int32[np.ndarray, "seeds test"]


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
