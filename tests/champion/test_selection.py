"""Greedy selection: known cases, and a slow oracle."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.champion.selection import select


def losses(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def by_the_book(probabilities: np.ndarray, labels: np.ndarray, steps: int) -> np.ndarray:
    """Caruana et al. 2004: add the model that makes the average best; keep the best average."""
    chosen: list[int] = []
    best = (np.inf, [])
    for _ in range(steps):
        tried = [losses(probabilities[[*chosen, k]].mean(axis=0), labels) for k in range(len(probabilities))]
        chosen.append(int(np.argmin(tried)))
        best = min(best, (min(tried), list(chosen)), key=lambda each: each[0])
    return np.bincount(best[1], minlength=len(probabilities)) / len(best[1])


def drawn(seed: int, models: int, rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(classes), (models, rows)), generator.integers(0, classes, rows)


@pytest.mark.parametrize("seed", range(8))
def test_selection_is_that_of_the_paper(seed: int) -> None:
    probabilities, labels = drawn(seed, models=6, rows=30, classes=3)
    np.testing.assert_allclose(select(probabilities, labels, steps=9), by_the_book(probabilities, labels, 9))


def test_the_best_model_alone_where_others_only_harm() -> None:
    labels = np.array([0, 1, 0, 1])
    good, bad = np.where(np.eye(2)[labels] > 0, 0.9, 0.1), np.full((4, 2), 0.5)
    np.testing.assert_array_equal(select(np.stack([bad, good]), labels, steps=25), [0, 1])


def test_models_that_are_wrong_in_different_rows_are_mixed() -> None:
    labels = np.zeros(4, dtype=np.int64)
    one, two = np.array([0.9, 0.9, 0.2, 0.2]), np.array([0.2, 0.2, 0.9, 0.9])
    probabilities = np.stack([np.stack([one, 1 - one], 1), np.stack([two, 1 - two], 1)])
    np.testing.assert_allclose(select(probabilities, labels, steps=10), [0.5, 0.5])


def test_one_step_takes_one_model() -> None:
    probabilities, labels = drawn(3, models=5, rows=40, classes=2)
    shares = select(probabilities, labels, steps=1)
    assert shares.max() == 1
    assert shares.argmax() == np.argmin([losses(each, labels) for each in probabilities])


def test_a_probability_of_zero_is_no_end() -> None:
    probabilities = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.4], [0.6, 0.4]]])
    shares = select(probabilities, np.array([1, 1]), steps=5)
    assert np.isfinite(shares).all()
    assert shares[1] > 0
