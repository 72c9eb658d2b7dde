"""Reliability curves: accuracy and confidence in bins of confidence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.metrics.calibration_error import bin_edges, segment_sums
from pipeline.metrics.predictions import (
    Floats,
    Ranked,
    checked_probabilities,
    rank_top_label,
    rank_truth,
    top_label,
)


@dataclass(frozen=True)
class ReliabilityCurve:
    """Points of a reliability diagram, each field `(..., bins)`; an empty bin has count 0 and NaN elsewhere.

    Attributes:
        confidence: Mean confidence in the bin.
        accuracy: Share of correct predictions in the bin.
        count: Rows in the bin.
        exact: Mean true probability of the predicted class in the bin; NaN where the posterior is unknown.
    """

    confidence: Floats
    accuracy: Floats
    count: Floats
    exact: Floats


def reliability_curve(
    probs: ArrayLike, labels: ArrayLike, posterior: ArrayLike | None = None, *, bins: int = 15
) -> ReliabilityCurve:
    """Points of the top-label reliability diagram in equal-width bins (a, b].

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).
        posterior: `(..., n, K)` true probabilities, if known.
        bins: Number of bins.

    Raises:
        ValueError: If shapes, labels, probabilities or `bins` are not as above.
    """
    ranked = rank_top_label(probs, labels)
    truth = None if posterior is None else rank_truth(top_label(checked_probabilities(probs)), posterior)
    return ranked_curve(ranked, truth, bins=bins)


def ranked_curve(ranked: Ranked, truth: Ranked | None, *, bins: int = 15) -> ReliabilityCurve:
    """Points of any ranked event; `truth` ranks the same forecasts beside their true probabilities, if known."""
    edges = bin_edges(ranked.confidence, bins=bins, binning="width")
    count = np.diff(edges).astype(np.float64)
    some = np.where(count > 0, count, np.nan)
    exact = np.full(count.shape, np.nan) if truth is None else segment_sums(truth.correct, edges) / some
    confidence, correct = (segment_sums(row, edges) / some for row in (ranked.confidence, ranked.correct))
    return ReliabilityCurve(confidence, correct, count, exact)
