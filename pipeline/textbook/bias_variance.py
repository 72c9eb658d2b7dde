"""Bias and variance of a loss: how wrong networks are on average, and how they differ with their training sets.

N networks, each trained on a set of its own, predict the same rows, whose true class probabilities are known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.metrics.probabilities import Floats, checked_probabilities, mean

FEWEST = 3  # training sets: the jackknife leaves one out, and those left must be able to differ
_BLOCK = 1 << 16  # predictions at a time: they should stay in the processor's cache

Rows = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Parts:
    """A mean loss in three parts: `noise + bias[i] + variance[i]` is that of network i.

    Attributes:
        bias: `(N,)` jackknife pseudo-values: their mean is the bias, corrected for N, and they may be treated like
            one value per seed in intervals and paired differences. Intervals are too wide rather than too narrow
            (Efron & Stein 1981), most where the bias is small. All are NaN if a network diverged.
        variance: `(N,)` the same of the variance.
        noise: Loss of the true probabilities.
        plug_in: Bias and variance of these N networks as they are, the bias too high and the variance too low.
    """

    bias: Floats
    variance: Floats
    noise: float
    plug_in: tuple[float, float]


def log_loss_parts(log_probs: ArrayLike, posterior: ArrayLike) -> Parts:
    """E[-log p_y] = H(q) + KL(q, pbar) + E KL(pbar, p) in nats, with pbar proportional to exp E[log p].

    The variance at a row is -log sum_k exp(mean log p_k). Pseudo-value i is N t - (N - 1) t_(-i), where t is the
    estimate from all sets and t_(-i) that without set i; their mean is free of the estimate's bias of order 1/N.

    Args:
        log_probs: `(N, rows, K)` at most 0, N >= 3; a network with one that is not finite has diverged.
        posterior: `(rows, K)` true class probabilities q.

    Raises:
        ValueError: If shapes or values are not as above.

    Reference:
        Heskes 1998, Neural Computation 10; Pfau 2013; Yang et al. 2020, ICML, section 3. Pseudo-values: Tukey 1958,
        Annals of Mathematical Statistics 29; Efron & Stein 1981, Annals of Statistics 9.

    Examples:
        >>> sure, unsure = [[-0.1, -2.4]], [[-0.7, -0.7]]
        >>> parts = log_loss_parts([sure, sure, unsure], [[0.5, 0.5]])
        >>> round(float(parts.noise + parts.bias[2] + parts.variance[2]), 12)
        0.7
    """
    log_p, q = _checked(log_probs, posterior, low=-np.inf, high=0.0)
    entropy = -np.sum(q * np.log(np.where(q > 0, q, 1.0)), axis=-1)
    return _parts(_log_loss_rows, log_p, posterior=q, noise=entropy)


def brier_parts(probs: ArrayLike, posterior: ArrayLike) -> Parts:
    """E|p - y|^2 = (1 - |q|^2) + |q - pbar|^2 + E|p - pbar|^2, with the arithmetic mean pbar.

    A quadratic statistic, of which the jackknife is exactly unbiased: the variance is the plug-in's times N/(N - 1),
    and the bias the plug-in's less this variance over N. Pseudo-value i of the variance is |p_i - pbar|^2 N/(N - 1).

    Args:
        probs: `(N, rows, K)` in [0, 1], N >= 3; a network with one that is NaN has diverged.
        posterior: `(rows, K)` true class probabilities q.

    Raises:
        ValueError: If shapes or values are not as above.

    Reference:
        Geman, Bienenstock & Doursat 1992, Neural Computation 4, section 3.
    """
    p, q = _checked(probs, posterior, low=0.0, high=1.0)
    return _parts(_brier_rows, p, posterior=q, noise=1.0 - np.sum(np.square(q), axis=-1))


def _log_loss_rows(log_p: Floats, q: Floats) -> Rows:
    """Cross-entropy with q, pseudo-values of the variance and its plug-in, all `(N, rows)`, of `(K, N, rows)`."""
    N, total = log_p.shape[1], np.sum(log_p, axis=1, keepdims=True)
    whole, without = -_log_sum_exp(total / N), -_log_sum_exp((total - log_p) / (N - 1))
    return -np.sum(q * log_p, axis=0), N * whole - (N - 1) * without, np.broadcast_to(whole, without.shape)


def _brier_rows(p: Floats, q: Floats) -> Rows:
    """The same of the Brier score."""
    N, noise = p.shape[1], 1.0 - np.sum(np.square(q), axis=0)
    scatter = np.sum(np.square(p - np.mean(p, axis=1, keepdims=True)), axis=0)
    return np.sum(np.square(p - q), axis=0) + noise, scatter * (N / (N - 1)), scatter


def _parts(
    function: Callable[[Floats, Floats], Rows],
    predictions: NDArray[np.floating[Any]],
    *,
    posterior: Floats,
    noise: Floats,
) -> Parts:
    """Average what `function` finds at rows `(K, N, rows)`, a block of rows at a time."""
    N, rows, K = predictions.shape
    size, sums = max(1, _BLOCK // (N * K)), np.zeros((3, N))
    for start in range(0, rows, size):
        block = np.moveaxis(predictions[:, start : start + size], -1, 0).astype(np.float64, order="C")
        block[~np.isfinite(block)] = np.nan
        truth = np.ascontiguousarray(posterior[start : start + size].T)[:, None]
        sums += np.array([np.sum(values, axis=-1) for values in function(block, truth)])
    loss, variance, plug_in = sums / rows
    lowest, spread = float(mean(noise)), float(mean(plug_in))
    return Parts(loss - lowest - variance, variance, lowest, (float(mean(loss)) - lowest - spread, spread))


def _log_sum_exp(values: Floats) -> Floats:
    top = np.max(values, axis=0)
    total: Floats = np.log(np.sum(np.exp(values - top), axis=0)) + top
    return total


def _checked(
    predictions: ArrayLike, posterior: ArrayLike, *, low: float, high: float
) -> tuple[NDArray[np.floating[Any]], Floats]:
    p, q = np.asarray(predictions), checked_probabilities(posterior, "posterior")
    if p.ndim != 3 or len(p) < FEWEST or p.shape[1:] != q.shape:
        raise ValueError(
            f"predictions must have shape (N, rows, K) with N >= {FEWEST}, and the posterior (rows, K), "
            f"got {p.shape} and {q.shape}"
        )
    smallest, largest = np.fmin.reduce(p, axis=None), np.fmax.reduce(p, axis=None)
    if smallest < low or largest > high:
        raise ValueError(f"predictions must lie in [{low}, {high}], got values from {smallest} to {largest}")
    return p, q
