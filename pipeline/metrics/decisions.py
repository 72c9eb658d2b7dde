"""Decisions by probabilities where some mistakes cost more than others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

Costs = Float64[np.ndarray, "truths decisions"]
Probabilities = Float64[np.ndarray, "rows classes"]
Rows = Int64[np.ndarray, " rows"]


def cheapest(probabilities: Probabilities, costs: Costs) -> Rows:
    """The decision (row,) of least expected cost, the first of equals.

    Reference:
        Elkan 2001, IJCAI, "The foundations of cost-sensitive learning".
    """
    expected = np.add.reduce(probabilities[:, :, None] * costs, axis=1)  # no matrix product: a row's bits are its own
    decided: Rows = expected.argmin(axis=1)
    return decided


def threshold_of(costs: Costs) -> float:
    """The probability of class 1 of two from which deciding for it is cheaper on average."""
    too_high, too_low = costs[0, 1] - costs[0, 0], costs[1, 0] - costs[1, 1]
    return float(too_high / (too_high + too_low))


def best_threshold(positive: Float64[np.ndarray, " rows"], labels: Rows, costs: Costs) -> float:
    """The threshold of the probability of class 1 with the least cost on these rows: no more than that is known of it.

    Decided is for class 1 where the probability is the threshold or more. Of equally cheap ones the nearest to
    `threshold_of` is taken.

    Args:
        positive: probabilities of class 1.
        labels: 0 or 1.
        costs: of two classes.
    """
    tried = np.concatenate([np.unique(positive), [np.nextafter(1.0, 2.0)]])
    counts = [np.searchsorted(np.sort(positive[labels == truth]), tried, side="left") for truth in (0, 1)]
    total = [
        costs[truth, 0] * below + costs[truth, 1] * (np.count_nonzero(labels == truth) - below)
        for truth, below in enumerate(counts)
    ]
    cost = total[0] + total[1]
    best = tried[cost <= cost.min() * (1 + 1e-12)]
    return float(best[np.abs(best - threshold_of(costs)).argmin()])
