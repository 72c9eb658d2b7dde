"""The KS calibration error: the largest difference of cumulated confidence and cumulated accuracy."""

import numpy as np

from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats


def ks_calibration_error(predictions: Predictions) -> Floats:
    """Kolmogorov-Smirnov calibration error of the top label; range [0, 1], lower is better, without bins.

    max_k |1/n sum_{i <= k} (c_i - a_i)| over the confidences c in rising order, a being 1 where the top label is
    correct, else 0. Rows of equal confidence are one block: the sum is looked at behind its last row. At least
    |`confidence_bias`|, at most the l1 calibration error with a bin for each confidence. Noise alone makes it of order
    1/sqrt(n), less than it makes a binned error with many bins.

    Args:
        predictions: `(..., n, K)`, with labels.

    Raises:
        ValueError: If there are no labels.

    Reference:
        Gupta et al. 2021, "Calibration of neural networks using splines", ICLR, eq. 5 and 6.

    Examples:
        >>> predictions = Predictions.from_probabilities([[0.8, 0.2], [0.4, 0.6]], [0, 0])
        >>> round(float(ks_calibration_error(predictions)), 6)
        0.3
    """
    confidence, n = predictions.ranked.confidence, predictions.ranked.confidence.shape[-1]
    difference = np.abs(np.cumsum(confidence - predictions.ranked.correct, axis=-1))
    # Within a block the wrong rows come first, by convention only: their partial sums mean nothing.
    difference[..., :-1][confidence[..., 1:] == confidence[..., :-1]] = 0.0
    return np.asarray(np.max(difference, axis=-1) / n)
