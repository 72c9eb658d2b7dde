"""Folds: every row once, strata, groups and time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.dataset import Pool
from pipeline.data.folds import folds_of


def pool_of(rows: int, *, classes: int = 2, **others: object) -> Pool:
    labels = np.arange(rows, dtype=np.int64) % classes
    names = tuple(map(str, range(classes)))
    return Pool(np.zeros((rows, 1), np.float32), labels, names, ("x",), **others)


@given(st.integers(20, 80), st.integers(2, 6), st.integers(2, 3))
def test_every_row_is_held_out_once(rows: int, folds: int, classes: int) -> None:
    pool = pool_of(rows, classes=classes)
    chosen = np.arange(5, rows)
    divided = folds_of(pool, chosen, folds=folds)
    assert len(divided) == min(folds, np.bincount(pool.labels[chosen]).max())
    assert sorted(np.concatenate([fold.held_out for fold in divided])) == chosen.tolist()
    for fold in divided:
        assert sorted([*fold.train, *fold.held_out]) == chosen.tolist()
        held = np.bincount(pool.labels[fold.held_out], minlength=classes)
        assert np.ptp(held) <= 2


def test_a_group_is_on_one_side() -> None:
    pool = pool_of(60, groups=np.arange(60, dtype=np.int64) // 3)
    for fold in folds_of(pool, np.arange(60), folds=5):
        assert not set(pool.groups[fold.train]) & set(pool.groups[fold.held_out])


def test_forwards_in_time() -> None:
    times = np.random.default_rng(0).permutation(60).astype(np.float64)
    pool = pool_of(60, times=times)
    divided = folds_of(pool, np.arange(60), folds=5)
    assert [len(fold.train) for fold in divided] == [10, 20, 30, 40, 50]
    for fold in divided:
        assert times[fold.train].max() < times[fold.held_out].min()


def test_a_class_may_have_fewer_rows_than_there_are_folds() -> None:
    pool = Pool(np.zeros((40, 1), np.float32), np.array([0] * 37 + [1] * 3), ("a", "b"), ("x",))
    divided = folds_of(pool, np.arange(40), folds=5)
    assert sum((pool.labels[fold.held_out] == 1).sum() for fold in divided) == 3


@pytest.mark.parametrize("folds", [2, 5])
def test_the_order_of_the_rows_does_not_matter(folds: int) -> None:
    pool = pool_of(50)
    for one, two in zip(
        folds_of(pool, np.arange(50), folds=folds), folds_of(pool, np.arange(50)[::-1], folds=folds), strict=True
    ):
        np.testing.assert_array_equal(one.held_out, two.held_out)
