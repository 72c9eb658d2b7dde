"""Splits of a pool: by time, with a test set of its own, in groups of rows, or row by row."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from pipeline.core.memory import require_memory
from pipeline.data.dataset import Pool
from pipeline.data.splits import Grouping, Splits, split_resampled
from pipeline.data.time_splits import split_by_time

_EQUAL_ROWS = "rows with the same features stay together unless `duplicates: split`"


def split_pool(pool: Pool, *, seeds: int, train: int | float, validation: int | float, name: str) -> Splits:
    """Divide a pool for every seed, as its rows have it: see `split_by_time` and `split_resampled`.

    Where test rows come from a file of their own, all seeds share them, and sizes are those of the other rows.

    Args:
        pool: what to divide.
        seeds: how many; they are numbered from 0.
        train: rows (1 or more) or a share of them (between 0 and 1).
        validation: as train.
        name: what messages call the data set.

    Raises:
        InputError: a size is out of range, or a part lacks rows.
    """
    rows = len(pool.labels)
    require_memory(4 * rows * seeds, f"{seeds:,} splits of {rows:,} rows", name)
    if pool.times is not None:
        return split_by_time(
            pool.labels,
            pool.times,
            classes=pool.classes,
            seeds=seeds,
            train=train,
            validation=validation,
            name=name,
        )
    divided = np.arange(len(pool.labels) - pool.tested)
    splits = split_resampled(
        pool.labels[divided],
        classes=pool.classes,
        seeds=seeds,
        train=train,
        validation=validation,
        name=name,
        grouping=_grouping(pool, divided),
        tested=not pool.tested,
    )
    if not pool.tested:
        return splits
    test = np.arange(len(divided), len(pool.labels), dtype=np.int32)
    return Splits(splits.train, splits.validation, np.tile(test, (seeds, 1)))


def _grouping(pool: Pool, rows: Int64[np.ndarray, " rows"]) -> Grouping | None:
    """Groups of some rows, numbered anew; None where no two belong together."""
    if pool.groups is None:
        return None
    known, groups = np.unique(pool.groups[rows], return_inverse=True)
    column = pool.understood.table.group if pool.understood else None
    shared = _EQUAL_ROWS if column is None else f"rows with the same {column!r} stay together"
    return Grouping(groups.astype(np.int64), shared) if len(known) < len(rows) else None
