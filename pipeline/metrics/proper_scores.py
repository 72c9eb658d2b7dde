"""Proper scores: log-loss and Brier score; and the accuracy."""

import numpy as np

from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats, mean, pick


def negative_log_likelihood(predictions: Predictions) -> Floats:
    """Mean -log s_y in nats; range [0, inf], lower is better.

    Finite from logits, even where a probability underflows. From probabilities, one of exactly 0 for a row's label
    gives inf; nothing is clipped.

    Args:
        predictions: `(..., n, K)`, with labels.

    Raises:
        ValueError: If there are no labels.

    Examples:
        >>> float(negative_log_likelihood(Predictions.from_probabilities([[0.5, 0.5]], [0])))
        0.6931471805599453
    """
    return mean(-pick(predictions.log_probs, predictions.labels))


def brier_score(predictions: Predictions) -> Floats:
    """Mean of sum_k (s_k - 1[y=k])^2; range [0, 2], lower is better.

    The multiclass convention: for K=2 it is twice scikit-learn's `brier_score_loss`.

    Args:
        predictions: `(..., n, K)`, with labels.

    Raises:
        ValueError: If there are no labels.

    Reference:
        Brier 1950, Monthly Weather Review 78.
    """
    s, y = predictions.probs, predictions.labels
    return mean(sum(np.square(s[..., k] - (y == k)) for k in range(s.shape[-1])))


def accuracy(predictions: Predictions) -> Floats:
    """Share of rows whose largest probability is the label's; range [0, 1], higher is better.

    Ties go to the lowest class index.

    Args:
        predictions: `(..., n, K)`, with labels.

    Raises:
        ValueError: If there are no labels.
    """
    return mean(predictions.correct)
