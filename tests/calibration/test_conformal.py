"""Conformal sets: a slow oracle, known values, and coverage of rows that are drawn alike."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calibration.conformal import SCORES, Conformal, fit_conformal

THREE = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])


def test_known_scores() -> None:
    np.testing.assert_allclose(SCORES["lac"](THREE), [[0.4, 0.7, 0.9], [0.8, 0.8, 0.4]])
    np.testing.assert_allclose(SCORES["aps"](THREE), [[0.0, 0.6, 0.9], [0.6, 0.8, 0.0]])


def test_threshold_is_at_the_rank_that_the_proof_needs() -> None:
    fitted = Conformal(lac=np.arange(9) / 10, aps=np.arange(9) / 10)
    assert fitted.threshold(0.5, "lac") == 0.4  # rank ceil(10 * .5) = 5
    assert fitted.threshold(0.9, "aps") == 0.8
    assert fitted.threshold(0.95, "lac") == inf


def test_too_few_rows_give_every_class() -> None:
    assert fit_conformal(THREE, np.array([0, 2])).sets(THREE, coverage=0.9, method="lac").all()


def slow_set(probabilities: np.ndarray, threshold: float, method: str) -> set[int]:
    """Class after class, from the definition."""
    inside = {int(np.argmax(probabilities))}
    for k, p in enumerate(probabilities):
        ahead = [q for j, q in enumerate(probabilities) if q > p or (q == p and j < k)]
        score = 1 - p if method == "lac" else sum(sorted(ahead, reverse=True))
        if score <= threshold + 1e-12:
            inside.add(k)
    return inside


@pytest.mark.parametrize("method", SCORES)
@given(seed=st.integers(0, 2**20), coverage=st.floats(0.05, 0.95))
def test_sets_are_those_of_the_definition(method, seed, coverage) -> None:
    generator = np.random.default_rng(seed)
    probabilities, labels = generator.dirichlet(np.ones(4), 30), generator.integers(4, size=30)
    fitted = fit_conformal(probabilities, labels)
    sets, threshold = fitted.sets(probabilities, coverage=coverage, method=method), fitted.threshold(coverage, method)
    for row, inside in zip(probabilities, sets, strict=True):
        assert set(np.flatnonzero(inside)) == slow_set(row, threshold, method)


@pytest.mark.parametrize("method", SCORES)
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])  # calibrated or not
def test_new_rows_are_covered_as_often_as_was_asked(method, sharpness) -> None:
    generator = np.random.default_rng(0)
    posterior = generator.dirichlet(np.ones(5), 40_000)
    labels = (posterior.cumsum(axis=1) < generator.random((40_000, 1))).sum(axis=1).clip(max=4)
    claimed = posterior**sharpness / (posterior**sharpness).sum(axis=1, keepdims=True)
    fitted = fit_conformal(claimed[:20_000], labels[:20_000])
    sets = fitted.sets(claimed[20_000:], coverage=0.8, method=method)
    covered = sets[np.arange(20_000), labels[20_000:]].mean()
    assert 0.79 < covered < 0.81


@given(seed=st.integers(0, 2**20))
def test_a_row_has_its_set_whatever_stands_beside_it(seed) -> None:
    generator = np.random.default_rng(seed)
    probabilities, labels = generator.dirichlet(np.ones(3), 20), generator.integers(3, size=20)
    fitted = fit_conformal(probabilities, labels)
    for method in SCORES:
        together = fitted.sets(probabilities, coverage=0.7, method=method)
        np.testing.assert_array_equal(together[3:4], fitted.sets(probabilities[3:4], coverage=0.7, method=method))
