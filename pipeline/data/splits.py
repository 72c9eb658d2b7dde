"""Train, validation and test splits: the rows of a pool that each seed trains, chooses and tests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from pipeline.core.errors import InputError
from pipeline.data.stratification import GroupSizes, Parts, divide

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """Row numbers into a pool: one line a seed, one column a row of that part."""

    train: Int32[np.ndarray, "seeds train"]
    validation: Int32[np.ndarray, "seeds validation"]
    test: Int32[np.ndarray, "seeds test"]


@dataclass(frozen=True)
class Grouping:
    """Rows that belong together.

    Attributes:
        groups: the number of each row's group, 0, 1, ...
        shared: what rows of a group share, in words, for messages.
    """

    groups: Int64[np.ndarray, " rows"]
    shared: str


def split_resampled(
    labels: Int64[np.ndarray, " rows"],
    *,
    classes: tuple[str, ...],
    seeds: int,
    train: int | float,
    validation: int | float,
    name: str,
    grouping: Grouping | None = None,
    tested: bool = True,
) -> Splits:
    """Divide one pool anew for each seed, stratified by class; the test part is all that is left.

    Seed k is scikit-learn's `StratifiedShuffleSplit` with `random_state=k`. Where that leaves training rows without a
    class, and where rows belong together, it is `stratification.divide`: no group of rows is on two sides, and some
    rows may be left out, so that parts are as large for every seed. Training rows are shuffled, test rows are in the
    pool's order.

    Args:
        labels: class of each row of the pool.
        classes: names of the classes, for messages.
        seeds: how many; they are numbered from 0.
        train: rows (1 or more) or a share of all rows (between 0 and 1, rounded to whole rows).
        validation: as train.
        name: what messages call the data set.
        grouping: which rows belong together; None where every row is on its own.
        tested: whether rows of this pool are for testing; if not, the test part is what is not used.

    Raises:
        InputError: a size is out of range, nothing is left to test on, a class has fewer than 3 rows or groups (one for
            each part), or a seed's training part lacks a class.
    """
    require(seeds >= 1, f"{name}: seeds must be at least 1; got {seeds}")
    alone = Grouping(np.arange(len(labels)), "")
    _check_classes(labels, grouping or alone, classes, name, tested=tested)
    sizes = sizes_of(len(labels), train=train, validation=validation, classes=len(classes), name=name)
    _check_rest(grouping or alone, sizes, (train, validation), name, tested=tested)
    parts = (_divided(labels, grouping, *sizes, seed=seed) for seed in range(seeds))
    rows = [[getattr(part, split).astype(np.int32) for split in SPLITS] for part in parts]
    splits = Splits(*(np.stack(of_split) for of_split in zip(*rows, strict=True)))
    check_training(labels, splits.train, classes, name)
    return splits


def _divided(
    labels: Int64[np.ndarray, " rows"], grouping: Grouping | None, train: int, validation: int, *, seed: int
) -> Parts:
    """The parts of one seed."""
    rng = np.random.default_rng(seed)
    if grouping is not None:
        return divide(labels, grouping.groups, train=train, validation=validation, rng=rng)
    parts = _shuffled(labels, train, validation, seed)
    if np.bincount(labels[parts.train], minlength=labels.max() + 1).all():
        return parts
    return divide(labels, np.arange(len(labels)), train=train, validation=validation, rng=rng)


def _shuffled(labels: Int64[np.ndarray, " rows"], train: int, validation: int, seed: int) -> Parts:
    """As scikit-learn shuffles rows."""
    from sklearn.model_selection import StratifiedShuffleSplit  # noqa: PLC0415  (slow to import)

    shuffle = StratifiedShuffleSplit(n_splits=1, random_state=seed, train_size=train, test_size=validation)
    trained, chosen = next(shuffle.split(np.zeros((len(labels), 1), dtype=np.int8), labels))
    rest = np.setdiff1d(np.arange(len(labels)), np.concatenate([trained, chosen]), assume_unique=True)
    return Parts(trained, chosen, rest)


def overlapping(splits: Splits) -> bool:
    """Whether two seeds train or choose on some of the same rows, so that their results are not independent."""
    used = np.concatenate([splits.train.ravel(), splits.validation.ravel()])
    return bool(np.unique(used).size < used.size)


def drawn_shares(splits: Splits) -> dict[str, float] | None:
    """Share of the rows that some seed trains (or chooses) on that one seed does, where all test on the same rows.

    None where seeds have training and validation rows of their own, or test rows that differ.
    """
    if not overlapping(splits) or (splits.test != splits.test[0]).any():
        return None
    parts = {"train": splits.train, "validation": splits.validation}
    return {part: rows.shape[1] / np.unique(rows).size for part, rows in parts.items()}


def sizes_of(rows: int, *, train: int | float, validation: int | float, classes: int, name: str) -> tuple[int, int]:
    """Rows for training and for validation, each at least one a class.

    Raises:
        InputError: one of them is out of range.
    """
    return (_rows(train, rows, classes, f"{name}: train"), _rows(validation, rows, classes, f"{name}: validation"))


def _rows(size: int | float, rows: int, classes: int, what: str) -> int:
    """The size of a part in rows."""
    share = 0 < size < 1
    whole_rows = 1 <= size < np.inf and size == int(size)
    require(share or whole_rows, f"{what} must be whole rows or a share between 0 and 1; got {size:g}")
    count = round(size * rows) if share else int(size)
    require(count < rows, f"{what} must be smaller than the data; got {count} of {rows} rows")
    require(count >= classes, f"{what} must have a row for each of the {classes} classes; got {count} of {rows} rows")
    return count


def _check_rest(
    grouping: Grouping, sizes: tuple[int, int], asked: tuple[int | float, int | float], name: str, *, tested: bool
) -> None:
    """Raise InputError unless two rows or more are left to test on, where they are wanted."""
    known, rows = GroupSizes.of(grouping.groups), len(grouping.groups)
    needed = "leave two rows or more to test on" if tested else f"be no more than the {rows} rows that there are"
    largest = f", of which up to {known.rows.max():,} belong together" if known.left_out else ""
    require(
        sum(sizes) + known.left_out <= rows - 2 * tested,
        f"{name}: train and validation must {needed}; "
        f"got train={asked[0]:g} and validation={asked[1]:g} of {rows} rows{largest}{_because(grouping)}",
    )


def _check_classes(
    labels: Int64[np.ndarray, " rows"], grouping: Grouping, classes: tuple[str, ...], name: str, *, tested: bool
) -> None:
    """Raise InputError unless each class has a row, or a group of rows, for each part."""
    pairs = np.unique(np.stack([grouping.groups, labels]), axis=1)
    counts = np.bincount(pairs[1], minlength=len(classes))
    rarest = int(counts.argmin())
    what = "groups of rows" if grouping.shared else "rows"
    needed = (
        f"3 {what}, one each to train, validate and test" if tested else f"2 {what}, one each to train and validate"
    )
    got = f"class {classes[rarest]!r} has {counts[rarest]}{_because(grouping)}"
    require(counts[rarest] >= 2 + tested, f"{name}: every class needs {needed}; {got}")


def _because(grouping: Grouping) -> str:
    return f"; {grouping.shared}" if grouping.shared else ""


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
