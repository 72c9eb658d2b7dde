"""Inference on the calibration error of one model in equal-mass bins: noise floor, p value, interval.

An event's forecasts and outcomes are `Ranked`, `(n,)`; bins are as in `calibration_error`, and never split ties.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy  # loads scipy.special on first use

from pipeline.metrics.bins import bin_edges, merge_singles, segment_sums
from pipeline.metrics.calibration_error import binned_error, debiased_error
from pipeline.metrics.probabilities import Floats
from pipeline.metrics.ranking import Ranked

RESAMPLES = 999
_NORMAL = 400.0  # hits of a bin with this variance are normal to a skewness of .05
_BLOCK = 1 << 22  # uniforms drawn at a time


@dataclass(frozen=True)
class CalibrationTest:
    """An equal-mass calibration error, what a calibrated model would show, and the p value of being one.

    Attributes:
        error: l1, in [0, 1].
        floor: its mean over redrawn outcomes.
        p: share of redrawn outcomes whose error reaches it, in [1/1000, 1].
    """

    error: float
    floor: float
    p: float


def calibration_test(ranked: Ranked, rng: np.random.Generator, *, bins: int = 15) -> CalibrationTest:
    """Test whether forecasts are calibrated: their error, beside those of outcomes redrawn from them.

    Args:
        ranked: forecasts `(n,)` of an event, with outcomes.
        rng: for the redrawn outcomes.
        bins: number of bins.

    Raises:
        ValueError: If `bins` < 1.

    Reference:
        Broecker & Smith 2007, Weather and Forecasting 22 (consistency resampling).
    """
    error = float(binned_error(ranked, bins=bins, binning="mass"))
    redrawn = redrawn_errors(ranked.confidence, rng, bins=bins)
    reached = int(np.count_nonzero(redrawn >= error - 1e-12))
    return CalibrationTest(error, float(redrawn.mean()), (1 + reached) / (1 + RESAMPLES))


def redrawn_errors(confidence: Floats, rng: np.random.Generator, *, bins: int = 15) -> Floats:
    """Calibration errors `(RESAMPLES,)` of a calibrated model with these forecasts `(n,)`, in rising order.

    Raises:
        ValueError: If `bins` < 1.
    """
    edges = bin_edges(confidence, bins=bins, binning="mass").tolist()
    gaps = (_redrawn_gaps(confidence[start:end], rng) for start, end in pairwise(edges) if end > start)
    total: Floats = np.sum([np.abs(gap) for gap in gaps], axis=0)
    return total / len(confidence)


def debiased_interval(ranked: Ranked, *, bins: int = 15, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of `debiased_error` for rows `(n,)`, symmetric and normal.

    With gap g_b of a bin, share w_b and v_b the variance of its mean residual, the variance of the squared gap is
    4 g_b^2 v_b + 2 v_b^2, where g_b^2 is estimated by max(gap^2 - v_b, 0); that of the shares adds the variance of
    g_b^2 over rows, divided by n. NaN where n = 1. It holds the truth at least as often as it should where the model is
    calibrated, which a percentile bootstrap of a biased error never does.

    Raises:
        ValueError: If `bins` < 1.

    Reference:
        The moments of a squared normal variable; Broecker 2012, Climate Dynamics 39, for the bias.
    """
    n = len(ranked.confidence)
    edges = merge_singles(bin_edges(ranked.confidence, bins=bins, binning="mass"))
    counts = np.diff(edges).astype(np.float64)
    filled = counts > 1
    residual = ranked.confidence - ranked.correct
    sums, squares = (segment_sums(values, edges)[filled] for values in (residual, np.square(residual)))
    counts = counts[filled]
    noise = np.maximum(squares - np.square(sums) / counts, 0.0) / (counts * (counts - 1))
    signal = np.maximum(np.square(sums / counts) - noise, 0.0)
    share = counts / n
    variance = np.sum(np.square(share) * (4 * signal * noise + 2 * np.square(noise)))
    variance += np.sum(share * np.square(signal - np.sum(share * signal))) / n
    centre, half = float(debiased_error(ranked, bins=bins)), float(scipy.special.ndtri((1 + confidence) / 2))
    half *= float(np.sqrt(variance))
    return centre - half, centre + half


def _redrawn_gaps(confidence: Floats, rng: np.random.Generator) -> Floats:
    """Forecasts minus redrawn outcomes `(RESAMPLES,)`, summed over the rows of a bin."""
    variance = float(np.sum(confidence * (1.0 - confidence)))
    if variance >= _NORMAL:
        return rng.normal(0.0, np.sqrt(variance), RESAMPLES)
    hits = np.zeros(RESAMPLES)
    size = max(1, _BLOCK // RESAMPLES)
    for start in range(0, len(confidence), size):
        block = confidence[start : start + size].astype(np.float32)
        uniforms = rng.random((RESAMPLES, len(block)), dtype=np.float32)
        hits += np.count_nonzero(uniforms < block, axis=1)
    return np.asarray(np.sum(confidence) - hits)
