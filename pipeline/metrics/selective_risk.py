"""Selective risk: errors that are left when only the most confident rows are answered."""

import numpy as np

from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats, mean


def area_under_risk_coverage(predictions: Predictions) -> Floats:
    """AURC: the error rate among the k most confident rows, averaged over k = 1..n; range [0, 1], lower is better.

    Rows of equal confidence enter in random order (the expectation over their orders).

    Args:
        predictions: `(..., n, K)`, with labels.

    Raises:
        ValueError: If there are no labels.

    Reference:
        Geifman, Uziel & El-Yaniv 2019, ICLR.
    """
    errors = predictions.errors_by_coverage
    return mean(errors / np.arange(1, errors.shape[-1] + 1))


def area_under_generalized_risk_coverage(predictions: Predictions) -> Floats:
    """AUGRC: area under (errors among the k most confident)/n over coverage k/n; range [0, 1/2], lower is better.

    The trapezoid rule from coverage 0, for which AUGRC = (1 - AUROC) acc (1 - acc) + (1 - acc)^2 / 2 is exact
    (AUROC of confidence against correctness, ties counting half).

    Args:
        predictions: `(..., n, K)`, with labels.

    Raises:
        ValueError: If there are no labels.

    Reference:
        Traub et al. 2024, NeurIPS.
    """
    errors = predictions.errors_by_coverage
    n = errors.shape[-1]
    return np.asarray((mean(errors) - errors[..., -1] / (2 * n)) / n)
