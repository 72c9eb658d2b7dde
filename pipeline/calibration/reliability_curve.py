"""Reliability curves: accuracy in bins of confidence, and its isotonic regression on confidence."""

from dataclasses import dataclass

import numpy as np

from pipeline.metrics.bins import bin_edges, segment_sums
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats

GRID_POINTS = 101


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


def reliability_curve(predictions: Predictions, *, bins: int = 15) -> ReliabilityCurve:
    """Points of the top-label reliability diagram in equal-mass bins, which never split ties; see `bin_edges`.

    Args:
        predictions: `(..., n, K)`, with labels, and with the posterior if known.
        bins: Number of bins.

    Raises:
        ValueError: If there are no labels, or `bins` < 1.
    """
    ranked = predictions.ranked
    edges = bin_edges(ranked.confidence, bins=bins, binning="mass")
    count = np.diff(edges).astype(np.float64)
    some = np.where(count > 0, count, np.nan)
    confidence, correct = (segment_sums(row, edges) / some for row in (ranked.confidence, ranked.correct))
    exact = np.full(count.shape, np.nan)
    if predictions.known_posterior is not None:
        exact = segment_sums(predictions.ranked_truth.correct, edges) / some
    return ReliabilityCurve(confidence, correct, count, exact)


def isotonic_curve(predictions: Predictions) -> Floats:
    """Isotonic regression of correctness on confidence at confidences 0, .01, ..., 1: `(..., GRID_POINTS)`.

    Interpolated linearly; NaN outside the range of confidences.

    Args:
        predictions: `(..., n, K)`, with labels.

    Raises:
        ValueError: If there are no labels.

    Reference:
        Dimitriadis, Gneiting & Jordan 2021, PNAS 118(8) (CORP reliability diagram).
    """
    confidence, n = predictions.ranked.confidence, predictions.ranked.confidence.shape[-1]
    grid = np.linspace(0.0, 1.0, GRID_POINTS)
    lines = zip(confidence.reshape(-1, n), predictions.isotonic.reshape(-1, n), strict=True)
    values = np.stack([np.interp(grid, c, fit, left=np.nan, right=np.nan) for c, fit in lines])
    return values.reshape(*confidence.shape[:-1], GRID_POINTS)
