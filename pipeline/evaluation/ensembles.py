"""Ensembles: the mean of several networks' probabilities as one prediction, to be scored as that of a network is."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Shaped

from pipeline.metrics.probabilities import log_softmax


def mean_of_members(
    logits: Shaped[np.ndarray, "members splits rows classes"],
) -> Float32[np.ndarray, "splits rows classes"]:
    """Logits whose softmax is the arithmetic mean of the members' probabilities: the mean's logarithm.

    Members share a split and differ in first weights, orders and masks. Means are taken in double precision on the
    scale of logarithms, so that no probability becomes an exact zero. A split on which some logit of a member is not
    finite is NaN throughout.

    Reference:
        Lakshminarayanan, Pritzel & Blundell 2017, Simple and Scalable Predictive Uncertainty Estimation using Deep
        Ensembles, equation in section 2.4.

    >>> two = np.log(np.array([[[[0.9, 0.1]]], [[[0.5, 0.5]]]], np.float32))
    >>> np.exp(mean_of_members(two)).round(3)
    array([[[0.7, 0.3]]], dtype=float32)
    """
    finite = np.isfinite(logits).all(axis=(0, 2, 3))[:, None, None]
    log_probs = log_softmax(np.where(finite, logits, 0))
    mean = np.logaddexp.reduce(log_probs, axis=0) - np.log(len(logits))
    return np.where(finite, mean, np.nan).astype(np.float32)
