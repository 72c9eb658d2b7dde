"""Calibration errors: binned, debiased, class-wise and exact, their noise floor and a test of being calibrated.

Results are `(...)` for predictions `(..., n, K)`, in float64. All but the exact one depend neither on the order of rows
nor on what shares the stack, to the bit.
"""

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.bins import Binning, bin_edges, merge_singles, segment_sums
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Bools, Floats, mean
from pipeline.metrics.ranking import Ranked

Uniforms = NDArray[np.uint16]
Norm = Literal["l1", "l2", "max"]


def expected_calibration_error(
    predictions: Predictions, *, bins: int = 15, binning: Binning = "width", norm: Norm = "l1"
) -> Floats:
    """ECE of the top label: gap between mean confidence and accuracy over bins; range [0, 1], lower is better.

    Biased upwards by noise, most for the best-calibrated model: read it beside `calibration_noise_floor`.

    Args:
        predictions: `(..., n, K)`, with labels.
        bins: Number of bins; empty ones are skipped.
        binning: "width": equal-width bins (a, b] with edges i/bins, 0 belonging to the first; "mass": equal counts,
            the cut after sorted row floor(i n / bins), at least the first, moved up past ties.
        norm: "l1": mean gap; "l2": root mean squared gap, both weighted by bin counts; "max": largest gap.

    Raises:
        ValueError: If there are no labels, or options are not as above.

    Reference:
        Naeini, Cooper & Hauskrecht 2015, AAAI; Guo et al. 2017, ICML, eq. 3; norms: Kumar et al. 2019, NeurIPS.

    Examples:
        >>> predictions = Predictions.from_probabilities([[0.8, 0.2], [0.4, 0.6]], [0, 0])
        >>> round(float(expected_calibration_error(predictions)), 6)
        0.4
    """
    return binned_error(predictions.ranked, bins=bins, binning=binning, norm=norm)


def binned_error(ranked: Ranked, *, bins: int = 15, binning: Binning = "width", norm: Norm = "l1") -> Floats:
    """Binned calibration error `(...)` of any ranked event, in [0, 1]; see `expected_calibration_error`.

    Raises:
        ValueError: If options are not those of `expected_calibration_error`.
    """
    edges = bin_edges(ranked.confidence, bins=bins, binning=binning)
    counts = np.maximum(np.diff(edges), 1)
    gaps = np.abs(segment_sums(ranked.confidence, edges) - segment_sums(ranked.correct, edges))
    n = ranked.confidence.shape[-1]
    if norm == "l1":
        return _per_row(gaps, n)
    if norm == "l2":
        return np.sqrt(_per_row(np.square(gaps) / counts, n))
    if norm == "max":
        return np.asarray(np.max(gaps / counts, axis=-1))
    raise ValueError(f"norm must be 'l1', 'l2' or 'max', got {norm!r}")


def debiased_squared_calibration_error(predictions: Predictions, *, bins: int = 15) -> Floats:
    """Squared top-label calibration error without the noise bias; signed, expectation 0 when calibrated.

    Equal-mass bins that never split ties; mean over rows of (mean c - mean a)^2 - abar (1 - abar)/(n_b - 1).
    Never clipped or rooted, so that it can be averaged and differenced over seeds. A bin of one row is merged with
    the next bin (the last one with the bin before); NaN if n = 1. Range [-1/4, 1], lower is better.

    Args:
        predictions: `(..., n, K)`, with labels.
        bins: Number of bins.

    Raises:
        ValueError: If there are no labels, or `bins` < 1.

    Reference:
        Broecker 2012, Climate Dynamics 39; Kumar, Liang & Ma 2019, NeurIPS (debiased estimator).
    """
    return debiased_error(predictions.ranked, bins=bins)


def debiased_error(ranked: Ranked, *, bins: int = 15) -> Floats:
    """Debiased squared error `(...)` of any ranked event; see `debiased_squared_calibration_error`.

    Raises:
        ValueError: If `bins` < 1.
    """
    n = ranked.confidence.shape[-1]
    if n == 1:
        return np.full(ranked.confidence.shape[:-1], np.nan)
    edges = merge_singles(bin_edges(ranked.confidence, bins=bins, binning="mass"))
    counts = np.diff(edges)
    some = np.maximum(counts, 1)
    rate = segment_sums(ranked.correct, edges) / some
    gap = segment_sums(ranked.confidence, edges) / some - rate
    noise = rate * (1.0 - rate) / np.maximum(counts - 1, 1)
    return _per_row(counts * (np.square(gap) - noise), n)


def calibration_noise_floor(predictions: Predictions, *, bins: int = 15) -> Floats:
    """The equal-width l1 ECE that a calibrated model with these confidences is expected to show; range [0, 1/2].

    sum_b sqrt(2 n_b v_b / pi) / n, with v_b the mean of c (1 - c) in the bin (normal approximation). No direction.

    Args:
        predictions: `(..., n, K)`, with labels, on which it does not depend.
        bins: Number of bins; see `expected_calibration_error`.

    Raises:
        ValueError: If there are no labels, or `bins` < 1.

    Reference:
        The mean of |N(0, v)| is sqrt(2 v / pi); Broecker & Smith 2007, Weather and Forecasting 22.
    """
    return noise_floor(predictions.ranked.confidence, bins=bins)


def noise_floor(confidence: Floats, *, bins: int = 15) -> Floats:
    """Noise floor `(...)` of any event's forecasts `(..., n)` in rising order; see `calibration_noise_floor`.

    Raises:
        ValueError: If `bins` < 1.
    """
    edges = bin_edges(confidence, bins=bins, binning="width")
    variance = segment_sums(confidence * (1.0 - confidence), edges)
    return _per_row(np.sqrt(2.0 / np.pi * variance), confidence.shape[-1])


def resampling_uniforms(rng: np.random.Generator, *, resamples: int, rows: int) -> Uniforms:
    """Uniform 16-bit integers `(resamples, rows)` for `calibration_p_value`."""
    return rng.integers(0, 1 << 16, size=(resamples, rows), dtype=np.uint16)


def calibration_p_value(predictions: Predictions, *, uniforms: Uniforms, bins: int = 15) -> Floats:
    """P-value of the hypothesis that top-label confidences are calibrated; small speaks against it.

    Outcomes are redrawn from the confidences; p = (1 + number of redraws whose equal-width l1 ECE reaches the observed
    one) / (1 + resamples), in [1/(1 + resamples), 1]. Uniforms belong to ranks of confidence and are shared by all
    members: p does not depend on the order of rows, and models are compared under common random numbers.

    Args:
        predictions: `(..., n, K)`, with labels.
        uniforms: `(resamples, n)` uint16; see `resampling_uniforms`. Confidences are rounded to 2^-16.
        bins: Number of bins; see `expected_calibration_error`.

    Raises:
        ValueError: If there are no labels, or uniforms or `bins` are not as above.

    Reference:
        Broecker & Smith 2007, Weather and Forecasting 22 (consistency resampling).
    """
    ranked = predictions.ranked
    shape = ranked.confidence.shape
    if uniforms.dtype != np.uint16 or uniforms.ndim != 2 or uniforms.shape[1] != shape[-1]:
        raise ValueError(
            f"uniforms must be uint16 of shape (resamples, {shape[-1]}), got {uniforms.dtype} of shape {uniforms.shape}"
        )
    edges = bin_edges(ranked.confidence, bins=bins, binning="width")
    forecast = segment_sums(ranked.confidence, edges).reshape(-1, bins)
    observed = segment_sums(ranked.correct, edges).reshape(-1, bins)
    # u <= t - 1 instead of u < t: a confidence of 1 then always hits and t - 1 fits 16 bits.
    highest = (np.maximum(np.rint(ranked.confidence * 65536.0), 1.0) - 1.0).astype(np.uint16).reshape(-1, shape[-1])
    exceeding = np.empty(len(highest))
    for m, cuts in enumerate(edges.reshape(-1, bins + 1).tolist()):
        redrawn = np.abs(forecast[m] - _hits_per_bin(uniforms <= highest[m], cuts))
        reached = np.abs(forecast[m] - observed[m])
        exceeding[m] = np.count_nonzero(np.sum(redrawn, axis=-1) >= np.sum(reached))
    return ((1.0 + exceeding) / (1.0 + len(uniforms))).reshape(shape[:-1])


def classwise_calibration_error(
    predictions: Predictions, *, bins: int = 15, binning: Binning = "width", norm: Norm = "l1"
) -> Floats:
    """Binned calibration error of each class's probability, averaged over the K classes; range [0, 1].

    Lower is better; biased upwards by noise like `expected_calibration_error`.

    Args:
        predictions: `(..., n, K)`, with labels.
        bins: Number of bins; see `expected_calibration_error` for `binning` and `norm`.
        binning: "width" or "mass".
        norm: "l1", "l2" or "max", applied within each class.

    Raises:
        ValueError: If there are no labels, or options are not as above.

    Reference:
        Kull et al. 2019, NeurIPS; Nixon et al. 2019 (static calibration error).
    """
    return _class_mean(binned_error(predictions.ranked_classes, bins=bins, binning=binning, norm=norm))


def debiased_classwise_calibration_error(predictions: Predictions, *, bins: int = 15) -> Floats:
    """Debiased squared calibration error of each class against the rest, averaged over the K classes.

    As `debiased_squared_calibration_error`, of the probability of each class: signed, expectation 0 when calibrated,
    never clipped or rooted. Where a top label hides errors that cancel, classes show them. Range [-1/4, 1], lower is
    better; NaN if n = 1.

    Args:
        predictions: `(..., n, K)`, with labels.
        bins: Number of bins.

    Raises:
        ValueError: If there are no labels, or `bins` < 1.

    Reference:
        Kumar, Liang & Ma 2019, NeurIPS (marginal calibration error, debiased estimator).
    """
    return _class_mean(debiased_error(predictions.ranked_classes, bins=bins))


def exact_calibration_error(predictions: Predictions, *, bins: int = 50) -> Floats:
    """E |c - E[q_top | c]| with the known posterior q in place of labels; range [0, 1], 0 for the truth.

    Averages q of the predicted class over fine equal-mass bins of confidence (ties never split); lower is better.
    Unlike E |c - q_top| it holds no grouping loss, apart from a plug-in excess of at most
    sd(q_top | c) sqrt(2 bins / (pi n)).

    Args:
        predictions: `(..., n, K)`, with the posterior; labels are not needed.
        bins: Number of bins.

    Raises:
        ValueError: If there is no posterior, or `bins` < 1.

    Reference:
        Kumar, Liang & Ma 2019, NeurIPS (l1, top label).
    """
    return binned_error(predictions.ranked_truth, bins=bins, binning="mass")


def confidence_bias(predictions: Predictions) -> Floats:
    """Mean confidence minus accuracy; range [-1, 1], signed: positive is overconfident, 0 is ideal.

    Args:
        predictions: `(..., n, K)`, with labels.

    Raises:
        ValueError: If there are no labels.
    """
    return mean(predictions.ranked.confidence) - mean(predictions.ranked.correct)


def _hits_per_bin(hits: Bools, cuts: list[int]) -> Floats:
    """Count hits `(resamples, n)` between cuts, in the smallest words that hold n: the fastest count numpy has."""
    bits, word = hits.view(np.uint8), np.min_scalar_type(hits.shape[-1])
    counts = [np.add.reduce(bits[:, start:end], axis=-1, dtype=word) for start, end in pairwise(cuts)]
    return np.stack(counts, axis=-1).astype(np.float64)


def _class_mean(errors: Floats) -> Floats:
    """Mean over classes of errors `(K, ...)`, added one by one: the order of additions must not depend on the stack."""
    return np.asarray(sum(errors) / len(errors))


def _per_row(bins: Floats, n: int) -> Floats:
    """Sum over bins, divided by the number of rows."""
    total: Floats = np.sum(bins, axis=-1)
    return total / n
