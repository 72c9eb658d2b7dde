"""Ranking: forecasts of an event sorted by confidence, beside what came true; ties and isotonic regression of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.metrics.probabilities import Floats, Ints, Top, checked_probabilities, pick


@dataclass(frozen=True)
class Ranked:
    """Forecasts of an event in rising order, with what came true.

    Attributes:
        confidence: `(..., n)` in [0, 1], rising along the last axis.
        correct: `(..., n)` 0.0 or 1.0; among equal confidences the zeros come first. Or the event's true probability.
    """

    confidence: Floats
    correct: Floats


def rank(confidence: ArrayLike, correct: ArrayLike) -> Ranked:
    """Sort forecasts `(..., n)` in [0, 1] with their outcomes `(..., n)` (bool) by rising confidence.

    One sort of 64-bit words: the bits of a non-negative float rise with its value, its sign bit is free, and
    shifted out it leaves room for the outcome as the lowest bit. Ties need no rule of their own then.
    """
    c, a = np.array(confidence, dtype=np.float64, order="C"), np.asarray(correct, dtype=np.bool_)
    if c.ndim < 1 or c.shape[-1] < 1 or c.shape != a.shape:
        raise ValueError(f"confidence and correct must share a shape (..., n), n >= 1, got {c.shape} and {a.shape}")
    if not (c.min(initial=0.0) >= 0.0 and c.max(initial=0.0) <= 1.0):
        raise ValueError(f"confidence must lie in [0, 1], got values from {c.min()} to {c.max()}")
    words = c.view(np.int64)
    words <<= 1
    words |= a
    words.sort(axis=-1)
    outcomes = (words & 1).astype(np.float64)
    words >>= 1
    return Ranked(c, outcomes)


def rank_truth(top: Top, posterior: ArrayLike) -> Ranked:
    """Rank the predictions of the top class beside their true probabilities, from posteriors `(..., n, K)`.

    Raises:
        ValueError: If the posterior's rows are not those of `top`, or no probabilities.
    """
    q = checked_probabilities(posterior, "posterior")
    q = np.broadcast_to(q, (*top.predicted.shape, q.shape[-1]))
    truth = np.take_along_axis(pick(q, top.predicted), top.order, axis=-1)
    return Ranked(np.take_along_axis(top.confidence, top.order, axis=-1), truth)


def each_row(function: Callable[[Floats, Floats], Floats | float], ranked: Ranked) -> Floats:
    """What a function of confidence and correctness `(n,)` makes of each row of ranked events `(..., n)`.

    Numbers become `(...)`, arrays `(m,)` become `(..., m)`.
    """
    *stack, n = ranked.confidence.shape
    rows = zip(ranked.confidence.reshape(-1, n), ranked.correct.reshape(-1, n), strict=True)
    values = np.array([function(*row) for row in rows], dtype=np.float64)
    return values.reshape((*stack, *values.shape[1:]))


def isotonic_fit(ranked: Ranked) -> Floats:
    """Isotonic regression of correctness on rising confidence, `(..., n)`; equal confidences get equal values."""
    return each_row(_isotonic_row, ranked)


def tie_means(ranked: Ranked) -> Floats:
    """Correctness `(..., n)` with rows of equal confidence replaced by their mean: its expectation in random order."""
    return each_row(_tie_means_row, ranked)


def tie_counts(confidence: Floats, correct: Floats) -> tuple[Floats, Floats]:
    """Of one row of ranked events `(n,)`: the size of each group of equal confidences, and how many are correct."""
    counts, means = _ties(confidence, correct)
    return counts.astype(np.float64), np.rint(counts * means)


def _isotonic_row(confidence: Floats, correct: Floats) -> Floats:
    from sklearn.isotonic import isotonic_regression  # noqa: PLC0415  (importing scikit-learn takes a second)

    counts, means = _ties(confidence, correct)
    return np.repeat(isotonic_regression(means, sample_weight=counts.astype(np.float64)), counts)


def _tie_means_row(confidence: Floats, correct: Floats) -> Floats:
    counts, means = _ties(confidence, correct)
    return np.repeat(means, counts)


def _ties(confidence: Floats, correct: Floats) -> tuple[Ints, Floats]:
    """Size of, and mean correctness in, each group of equal confidences of one sorted row."""
    starts = np.concatenate([[0], 1 + np.flatnonzero(confidence[1:] != confidence[:-1])])
    counts = np.diff(starts, append=confidence.size)
    return counts, np.add.reduceat(correct, starts) / counts
