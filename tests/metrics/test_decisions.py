"""Decisions where mistakes cost differently: known values, and a search through all thresholds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.decisions import best_threshold, cheapest, threshold_of

DOCTOR = np.array([[0.0, 1.0], [9.0, 0.0]])  # to send an ill person home costs nine times as much


def test_the_threshold_of_known_costs() -> None:
    assert threshold_of(DOCTOR) == 0.1
    assert threshold_of(1 - np.eye(2)) == 0.5


def test_the_cheapest_decision_follows_the_threshold() -> None:
    positive = np.array([0.05, 0.09, 0.11, 0.6])
    assert cheapest(np.stack([1 - positive, positive], axis=1), DOCTOR).tolist() == [0, 0, 1, 1]


def test_equal_costs_decide_for_the_likeliest_class() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 50)
    assert (cheapest(probabilities, 1 - np.eye(5)) == probabilities.argmax(axis=1)).all()


@given(
    rows=st.lists(st.tuples(st.integers(0, 10), st.integers(0, 1)), min_size=1, max_size=30),
    too_high=st.integers(1, 9),
    too_low=st.integers(1, 9),
)
def test_no_threshold_is_cheaper(rows, too_high, too_low) -> None:
    positive, labels = np.array([p for p, _ in rows]) / 10, np.array([y for _, y in rows])
    costs = np.array([[0.0, too_high], [too_low, 0.0]])

    def cost(threshold: float) -> float:
        return costs[labels, (positive >= threshold).astype(int)].sum()

    best = best_threshold(positive, labels, costs)
    every = [*np.linspace(0, 1.1, 23), *positive]
    assert cost(best) == min(map(cost, every))
