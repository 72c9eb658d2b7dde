"""Folds: every row is held out once, whichever rows belong together or come after others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from pipeline.data.dataset import Pool


@dataclass(frozen=True)
class Fold:
    """Row numbers of a pool: those to train on, and those that are held out, both ascending."""

    train: Int64[np.ndarray, " train"]
    held_out: Int64[np.ndarray, " held_out"]


def folds_of(pool: Pool, rows: Int64[np.ndarray, " rows"], *, folds: int, seed: int = 0) -> tuple[Fold, ...]:
    """Divide rows of a pool into folds: stratified, with groups on one side, or forwards in time.

    Forwards in time the first fold trains on the earliest rows and holds out those that follow, the next trains on
    both, and so on; the earliest rows are never held out.

    Args:
        pool: whose rows.
        rows: their numbers.
        folds: how many, at least 2; fewer where the largest class has fewer rows, or there are fewer groups.
        seed: shuffles rows that have no time.
    """
    rows = np.sort(rows)
    divided = _forwards(pool, rows, folds) if pool.times is not None else _stratified(pool, rows, folds, seed)
    return tuple(Fold(np.sort(train), np.sort(held_out)) for train, held_out in divided)


_Rows = Int64[np.ndarray, " some"]


def _forwards(pool: Pool, rows: _Rows, folds: int) -> Iterator[tuple[_Rows, _Rows]]:
    assert pool.times is not None
    blocks = np.array_split(rows[np.argsort(pool.times[rows], kind="stable")], folds + 1)
    for number in range(1, len(blocks)):
        yield np.concatenate(blocks[:number]), blocks[number]


def _stratified(pool: Pool, rows: _Rows, folds: int, seed: int) -> Iterator[tuple[_Rows, _Rows]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # noqa: PLC0415  (slow to import)

    labels = pool.labels[rows]
    groups = None if pool.groups is None else pool.groups[rows]
    most = len(rows) if groups is None else len(np.unique(groups))
    shared, folds = most < len(rows), min(folds, most, int(np.bincount(labels).max()))
    kind = StratifiedGroupKFold if shared else StratifiedKFold
    with warnings.catch_warnings(action="ignore"):  # a class may have fewer rows than there are folds
        for train, held_out in kind(folds, shuffle=True, random_state=seed).split(rows, labels, groups):
            yield rows[train], rows[held_out]
