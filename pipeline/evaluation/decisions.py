"""What deciding by one model's probabilities costs: by the likeliest class, by expected cost, by a threshold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.calibration.calibrator import FOLDS
from pipeline.evaluation.one_model import OneModel
from pipeline.metrics.decisions import Costs, Probabilities, Rows, best_threshold, cheapest, threshold_of
from pipeline.results.decisions import DecisionResult
from pipeline.statistics.intervals import mean_interval


def decided(
    rule: str, decisions: Rows, labels: Rows, costs: Costs, *, threshold: float | None = None
) -> DecisionResult:
    """What a rule's decisions cost on average, with a 95% interval over rows as if these were independent."""
    mean = mean_interval(costs[labels, decisions])
    return DecisionResult(
        rule=rule, threshold=threshold, cost=float(mean.mean), low=float(mean.low), high=float(mean.high)
    )


def usual_decisions(probabilities: Probabilities, labels: Rows, costs: Costs) -> tuple[DecisionResult, DecisionResult]:
    """By the likeliest class, and by least expected cost."""
    two = len(costs) == 2
    likeliest, least = probabilities.argmax(axis=1), cheapest(probabilities, costs)
    return (
        decided("likeliest class", likeliest, labels, costs, threshold=0.5 if two else None),
        decided("least expected cost", least, labels, costs, threshold=threshold_of(costs) if two else None),
    )


def by_threshold(rule: str, positive: np.ndarray, labels: Rows, costs: Costs, *, threshold: float) -> DecisionResult:
    """By whether the probability of class 1 of two is the threshold or more."""
    return decided(rule, (positive >= threshold).astype(np.int64), labels, costs, threshold=threshold)


def decisions_of(model: OneModel, costs: Costs, *, threshold: float | None) -> Iterator[DecisionResult]:
    """Every rule on one model's rows; calibrators and tuned thresholds are those of other rows.

    Args:
        model: its predictions.
        costs: (truth, decision).
        threshold: a stated one of class 1 of two, if any.
    """
    labels = model.labels
    yield from usual_decisions(model.given.probs, labels, costs)
    yield decided("least expected cost, calibrated", cheapest(model.calibrated.probs, costs), labels, costs)
    if len(costs) == 2:
        positive = model.given.probs[:, 1]
        if threshold is not None:
            yield by_threshold("stated threshold", positive, labels, costs, threshold=threshold)
        best = best_threshold(positive, labels, costs)
        yield decided("tuned threshold", _cross_fitted(positive, labels, costs), labels, costs, threshold=best)


def _cross_fitted(positive: np.ndarray, labels: Rows, costs: Costs) -> Rows:
    """Decisions (row,) of every fold by the threshold that is best for the others; row i is of fold i modulo 5."""
    fold, decisions = np.arange(len(labels)) % FOLDS, np.empty(len(labels), np.int64)
    for number in range(min(FOLDS, len(labels))):
        inside = fold == number
        threshold = best_threshold(positive[~inside], labels[~inside], costs)
        decisions[inside] = positive[inside] >= threshold
    return decisions
