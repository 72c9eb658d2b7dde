"""Metrics of class 1 of two: its calibration errors, and how well its probability orders the rows.

Where there are two classes a top label hides what matters: probabilities of class 1 that are .08 too high everywhere
have a calibration error of .08, of which that of the top label shows about .01, since rows on both sides cancel.
Results are `(...)` for predictions `(..., n, 2)`, in float64; they do not depend on the order of rows.
"""

import numpy as np

from pipeline.metrics.calibration_error import binned_error, debiased_error, noise_floor
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats
from pipeline.metrics.ranking import each_row, tie_counts


def class_one_calibration_error(predictions: Predictions, *, bins: int = 15) -> Floats:
    """Gap between the mean probability of class 1 and its rate, over equal-width bins; range [0, 1], lower is better.

    Biased upwards by noise: read it beside `class_one_noise_floor`.

    Raises:
        ValueError: If there are no labels, not two classes, or `bins` < 1.

    Reference:
        Naeini, Cooper & Hauskrecht 2015, AAAI (binary form).

    Examples:
        >>> predictions = Predictions.from_probabilities([[0.8, 0.2], [0.4, 0.6]], [0, 0])
        >>> round(float(class_one_calibration_error(predictions)), 6)
        0.4
    """
    return binned_error(predictions.ranked_class_one, bins=bins)


def class_one_debiased_error(predictions: Predictions, *, bins: int = 15) -> Floats:
    """Squared calibration error of class 1 without the noise bias; signed, expectation 0 when calibrated.

    As `debiased_squared_calibration_error`, of the probability of class 1. Range [-1/4, 1], lower is better.

    Raises:
        ValueError: If there are no labels, not two classes, or `bins` < 1.

    Reference:
        Kumar, Liang & Ma 2019, NeurIPS (debiased estimator).
    """
    return debiased_error(predictions.ranked_class_one, bins=bins)


def class_one_noise_floor(predictions: Predictions, *, bins: int = 15) -> Floats:
    """What `class_one_calibration_error` of a calibrated model with these probabilities is expected to be, in [0, 1/2].

    Raises:
        ValueError: If there are no labels, not two classes, or `bins` < 1.

    Reference:
        Broecker & Smith 2007, Weather and Forecasting 22; see `calibration_noise_floor`.
    """
    return noise_floor(predictions.ranked_class_one.confidence, bins=bins)


def area_under_roc(predictions: Predictions) -> Floats:
    """Chance that a row of class 1 has a higher probability of it than one of class 0, ties half; range [0, 1].

    Higher is better, 1/2 is chance; NaN where a class has no rows.

    Raises:
        ValueError: If there are no labels, or not two classes.

    Reference:
        Hanley & McNeil 1982, Radiology 143.

    Examples:
        >>> float(area_under_roc(Predictions.from_probabilities([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9]], [0, 1, 0])))
        0.5
    """
    return each_row(_area, predictions.ranked_class_one)


def average_precision(predictions: Predictions) -> Floats:
    """Mean over rows of class 1 of the share of class 1 among rows that are at least as probable; range (0, 1].

    Higher is better; the rate of class 1 is chance. NaN where class 1 has no rows.

    Raises:
        ValueError: If there are no labels, or not two classes.

    Reference:
        Davis & Goadrich 2006, ICML (precision-recall); the step-wise sum of scikit-learn's `average_precision_score`.

    Examples:
        >>> float(average_precision(Predictions.from_probabilities([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9]], [0, 1, 0])))
        0.5
    """
    return each_row(_precision, predictions.ranked_class_one)


def _area(probability: Floats, is_one: Floats) -> float:
    """The area of one row of ranked events `(n,)`."""
    counts, positives = tie_counts(probability, is_one)
    negatives = counts - positives
    pairs = positives.sum() * negatives.sum()
    below = np.cumsum(negatives) - negatives / 2
    return float((positives * below).sum() / pairs) if pairs else np.nan


def _precision(probability: Floats, is_one: Floats) -> float:
    """The average precision of one row of ranked events `(n,)`."""
    counts, positives = tie_counts(probability, is_one)
    total = positives.sum()
    if not total:
        return np.nan
    precision = np.cumsum(positives[::-1]) / np.cumsum(counts[::-1])
    return float((positives[::-1] * precision).sum() / total)
