"""The optimum of label smoothing, in closed form: its calibration error, and how to take it out of probabilities."""

import numpy as np
from numpy.typing import ArrayLike

from pipeline.metrics.probabilities import Floats, checked_probabilities


def smoothing_error(posterior: ArrayLike, epsilon: float) -> float:
    """The calibration error of the population optimum of label smoothing: eps (E[max p] - 1/K), in [0, 1].

    With targets (1 - eps) y + eps / K the expected loss is least at q = (1 - eps) p + eps / K. Its top label is that of
    p, with a confidence below the truth by eps (max p - 1/K): the error of the top label, of any norm-1 kind.

    Args:
        posterior: true class probabilities (row, class).
        epsilon: label smoothing, in [0, 1).

    Raises:
        ValueError: no probabilities.

    >>> round(smoothing_error([[0.9, 0.1], [0.5, 0.5]], 0.1), 10)
    0.02
    """
    p = checked_probabilities(posterior, "posterior")
    return float(epsilon * (p.max(-1).mean() - 1 / p.shape[-1]))


def desmooth(probs: ArrayLike, epsilon: float) -> Floats:
    """Take label smoothing out of probabilities (..., row, class): p = (q - eps/K) / (1 - eps).

    The inverse of what its optimum does to the posterior. A network may predict less than eps/K, which no optimum does:
    such a probability becomes 0, and its row is scaled to sum to 1 again.

    Args:
        probs: predicted by networks that were trained with label smoothing.
        epsilon: its strength, in [0, 1).

    Raises:
        ValueError: no probabilities, or epsilon is outside [0, 1).

    >>> desmooth([[0.91, 0.09]], 0.1).round(12).tolist()
    [[0.955555555556, 0.044444444444]]
    """
    if not 0 <= epsilon < 1:
        raise ValueError(f"epsilon must be within [0, 1), got {epsilon}")
    q = checked_probabilities(probs)
    p = np.maximum(q - epsilon / q.shape[-1], 0) / (1 - epsilon)
    return np.asarray(p / p.sum(-1, keepdims=True))
