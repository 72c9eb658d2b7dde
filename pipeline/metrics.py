"""How good are the predictions: proper scores, excess risk over the truth, ranking, isotonic decomposition.

Predictions are `(..., n, K)`, labels `(..., n)`, results `(...)`, in float64. Rows are summed along their own
contiguous axis and never through BLAS, so a member scores the same bits alone and in a stack.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ExcessRisk:
    """What predictions cost beyond the known posterior; every field is `(...)`, 0 for the posterior itself.

    Attributes:
        brier: Mean of sum_k (s_k - q_k)^2, equal to `brier_calibration + brier_grouping`.
        brier_calibration: The part that a map of (predicted class, confidence) could remove.
        brier_grouping: The rest: rows that get like predictions although their posteriors differ.
        kl: Mean of KL(q, s) in nats; inf where s excludes what q allows.
    """

    brier: Floats
    brier_calibration: Floats
    brier_grouping: Floats
    kl: Floats


@dataclass(frozen=True)
class Corp:
    """CORP parts of the Brier score of the top label; `score = miscalibration - discrimination + uncertainty`."""

    miscalibration: Floats
    discrimination: Floats
    uncertainty: Floats


def log_softmax(logits: ArrayLike) -> Floats:
    """Log-probabilities of logits, finite for every finite logit.

    Args:
        logits: `(..., n, K)`, any finite size.

    Returns:
        `(..., n, K)` float64, stored class by class (a view with the class axis moved last).
    """
    classes = np.ascontiguousarray(np.moveaxis(np.asarray(logits), -1, 0), dtype=np.float64)
    classes = classes - np.maximum.reduce(classes, axis=0)
    total = sum(np.exp(z) for z in classes)
    return np.moveaxis(classes - np.log(total), 0, -1)


def negative_log_likelihood(probs: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean -log s_y in nats; range [0, inf], lower is better.

    A probability of exactly 0 for a row's label gives inf; nothing is clipped. From logits, prefer
    `negative_log_likelihood_of_logs(log_softmax(logits), labels)`, which cannot underflow.

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.

    Examples:
        >>> float(negative_log_likelihood([[0.5, 0.5]], [0]))
        0.6931471805599453
    """
    s, y = _checked(probs, labels)
    with np.errstate(divide="ignore"):
        return _mean(-np.log(_at(s, y)))


def negative_log_likelihood_of_logs(log_probs: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean -log s_y from log-probabilities `(..., n, K)`: finite even where the probability underflows."""
    log_s = np.asarray(log_probs, dtype=np.float64)
    return _mean(-_at(log_s, _labels(labels, log_s.shape)))


def brier_score(probs: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean of sum_k (s_k - 1[y=k])^2; range [0, 2], lower is better.

    The multiclass convention: for K=2 it is twice scikit-learn's `brier_score_loss`.

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.

    Reference:
        Brier 1950, Monthly Weather Review 78.
    """
    s, y = _checked(probs, labels)
    return _mean(sum(np.square(s[..., k] - (y == k)) for k in range(s.shape[-1])))


def accuracy(probs: ArrayLike, labels: ArrayLike) -> Floats:
    """Share of rows whose largest probability is the label's; range [0, 1]; ties go to the lowest class index.

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.
    """
    s, y = _checked(probs, labels)
    return _mean(_top(s)[1] == y)


def confidence_bias(probs: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean confidence minus accuracy; range [-1, 1], signed: positive is overconfident, 0 is ideal.

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.
    """
    s, y = _checked(probs, labels)
    confidence, predicted = _top(s)
    return _mean(confidence) - _mean(predicted == y)


def excess_risk(
    probs: ArrayLike, posterior: ArrayLike, *, bins: int = 20, log_probs: ArrayLike | None = None
) -> ExcessRisk:
    """Risk beyond the Bayes posterior q, and its split into calibration and grouping.

    The split groups rows by predicted class and by `bins` equal-mass bins of confidence (ties never split).
    Calibration is the squared mean of s - q within a group, grouping the scatter about that mean: the two add up
    exactly to the excess Brier score. Conditioning on the whole vector s instead is not estimable beyond two
    classes; by Jensen's inequality the group version is a lower bound of that calibration part, apart from a
    plug-in excess of the scatter over the rows per group. The KL divergence has no such exact split, so none is given.

    Args:
        probs: `(..., n, K)` predicted probabilities s.
        posterior: `(..., n, K)` true probabilities q; leading axes may broadcast.
        bins: Confidence bins per predicted class.
        log_probs: log s, if known beyond underflow (see `log_softmax`); keeps KL finite.

    Raises:
        ValueError: If shapes or probabilities are not as above, or `bins` < 1.

    Reference:
        Kull & Flach 2015, ECML (calibration + grouping loss); Perez-Lebel et al. 2023, ICLR.
    """
    s = _probabilities(probs, "probs")
    q = np.broadcast_to(_probabilities(posterior, "posterior"), s.shape)
    log_s = _log(s) if log_probs is None else np.asarray(log_probs, dtype=np.float64)
    classes = range(s.shape[-1])
    brier = _mean(sum(np.square(s[..., k] - q[..., k]) for k in classes))
    calibration = _squared_group_means(s, q, bins=bins)
    kl = _mean(sum(_kl(q[..., k], log_s[..., k]) for k in classes))
    return ExcessRisk(brier, calibration, brier - calibration, kl)


def area_under_risk_coverage(probs: ArrayLike, labels: ArrayLike) -> Floats:
    """AURC: the error rate among the k most confident rows, averaged over k = 1..n; range [0, 1], lower is better.

    Rows of equal confidence enter in random order (the expectation over their orders).

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.

    Reference:
        Geifman, Uziel & El-Yaniv 2019, ICLR.
    """
    return ranked_areas(*_ranked(probs, labels))[0]


def augrc(probs: ArrayLike, labels: ArrayLike) -> Floats:
    """AUGRC: area under (errors among the k most confident)/n over coverage k/n; range [0, 1/2], lower is better.

    The trapezoid rule from coverage 0, for which AUGRC = (1 - AUROC) acc (1 - acc) + (1 - acc)^2 / 2 is exact
    (AUROC of confidence against correctness, ties counting half).

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.

    Reference:
        Traub et al. 2024, NeurIPS.
    """
    return ranked_areas(*_ranked(probs, labels))[1]


def ranked_areas(confidence: Floats, correct: Floats) -> tuple[Floats, Floats]:
    """AURC and AUGRC of rows in rising order of confidence; both arguments `(..., n)`."""
    n = confidence.shape[-1]
    pooled = _rows(_tie_means, confidence, correct)
    errors = np.cumsum(1.0 - pooled[..., ::-1], axis=-1)
    return _mean(errors / np.arange(1, n + 1)), (_mean(errors) - errors[..., -1] / (2 * n)) / n


def corp_decomposition(probs: ArrayLike, labels: ArrayLike) -> Corp:
    """Brier score of the top label, split by isotonic recalibration; all parts are >= 0.

    The score is mean (c - a)^2, with confidence c and correctness a (at most 1; not the multiclass Brier score).
    `miscalibration` (lower is better) is what isotonic regression of a on c gains, `discrimination` (higher is
    better) what the recalibrated forecast gains on the base rate, `uncertainty` the score of the base rate.

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.

    Reference:
        Dimitriadis, Gneiting & Jordan 2021, PNAS 118(8).
    """
    return ranked_corp(*_ranked(probs, labels))


def ranked_corp(confidence: Floats, correct: Floats) -> Corp:
    """CORP parts of rows in rising order of confidence; both arguments `(..., n)`."""
    recalibrated = _mean(np.square(isotonic_fit(confidence, correct) - correct))
    rate = _mean(correct)
    uncertainty = rate * (1.0 - rate)
    return Corp(_mean(np.square(confidence - correct)) - recalibrated, uncertainty - recalibrated, uncertainty)


def isotonic_fit(confidence: Floats, correct: Floats) -> Floats:
    """Isotonic regression of correctness on rising confidence, `(..., n)`; equal confidences get equal values."""
    return _rows(_isotonic_row, confidence, correct)


def _isotonic_row(confidence: Floats, correct: Floats) -> Floats:
    from sklearn.isotonic import isotonic_regression  # noqa: PLC0415  (importing scikit-learn takes a second)

    counts, means = _ties(confidence, correct)
    return np.repeat(isotonic_regression(means, sample_weight=counts.astype(np.float64)), counts)


def _tie_means(confidence: Floats, correct: Floats) -> Floats:
    counts, means = _ties(confidence, correct)
    return np.repeat(means, counts)


def _ties(confidence: Floats, correct: Floats) -> tuple[Ints, Floats]:
    """Size of, and mean correctness in, each group of equal confidences of one sorted row."""
    starts = np.concatenate([[0], 1 + np.flatnonzero(confidence[1:] != confidence[:-1])])
    counts = np.diff(starts, append=confidence.size)
    return counts, np.add.reduceat(correct, starts) / counts


def _rows(function: Any, *arrays: Floats) -> Floats:
    """Apply a function of vectors `(n,)` to each row of arrays `(..., n)`."""
    rows = zip(*(a.reshape(-1, a.shape[-1]) for a in arrays), strict=True)
    return np.stack([function(*row) for row in rows]).reshape(arrays[0].shape)


def _ranked(probs: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    s, y = _checked(probs, labels)
    confidence, predicted = _top(s)
    correct = (predicted == y).astype(np.float64)
    order = np.lexsort((correct, confidence))
    return np.take_along_axis(confidence, order, -1), np.take_along_axis(correct, order, -1)


def _squared_group_means(s: Floats, q: Floats, *, bins: int) -> Floats:
    """Mean over rows of the squared group mean of s - q, groups being (predicted class, confidence bin)."""
    n, K = int(s.shape[-2]), int(s.shape[-1])
    group = _groups(s, bins=bins).reshape(-1, n)
    index = (group + K * bins * np.arange(len(group))[:, None]).ravel()
    size = len(group) * K * bins
    gaps = (np.bincount(index, weights=(s[..., k] - q[..., k]).ravel(), minlength=size) for k in range(K))
    counts = np.maximum(np.bincount(index, minlength=size), 1)
    squares = sum(np.square(gap) for gap in gaps) / counts
    total: Floats = np.sum(squares.reshape(*s.shape[:-2], K * bins), axis=-1)
    return total / n


def _groups(s: Floats, *, bins: int) -> Ints:
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    confidence, predicted = _top(s)
    rows = confidence.reshape(-1, confidence.shape[-1])
    last = np.maximum(np.arange(1, bins) * rows.shape[-1] // bins - 1, 0)
    position = [np.searchsorted(cuts, row) for cuts, row in zip(np.sort(rows, axis=-1)[:, last], rows, strict=True)]
    return predicted * bins + np.reshape(position, predicted.shape)


def _kl(q: Floats, log_s: Floats) -> Floats:
    """Elementwise q log(q / s), 0 where q = 0."""
    possible = q > 0
    return np.where(possible, q * (_log(np.where(possible, q, 1.0)) - np.where(possible, log_s, 0.0)), 0.0)


def _log(x: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(x)


def _top(s: Floats) -> tuple[Floats, Ints]:
    """Largest probability and its lowest class index, class by class (faster than argmax over a short axis)."""
    confidence = np.array(s[..., 0], order="C")
    predicted = np.zeros(confidence.shape, dtype=np.int64)
    for k in range(1, s.shape[-1]):
        np.putmask(predicted, s[..., k] > confidence, k)
        np.maximum(confidence, s[..., k], out=confidence)
    return confidence, predicted


def _at(s: Floats, y: Ints) -> Floats:
    """Each row of s at its class y."""
    return np.take_along_axis(s, y[..., None], axis=-1)[..., 0]


def _mean(rows: Any) -> Floats:
    """Mean over the last axis, made contiguous first: the order of additions must not depend on the stack."""
    mean: Floats = np.mean(np.ascontiguousarray(rows), axis=-1, dtype=np.float64)
    return mean


def _checked(probs: ArrayLike, labels: ArrayLike) -> tuple[Floats, Ints]:
    s = _probabilities(probs, "probs")
    return s, _labels(labels, s.shape)


def _probabilities(probs: ArrayLike, name: str) -> Floats:
    s = np.asarray(probs, dtype=np.float64)
    if s.ndim < 2 or s.shape[-2] < 1 or s.shape[-1] < 2:
        raise ValueError(f"{name} must have shape (..., n, K) with n >= 1 and K >= 2, got {s.shape}")
    if not (s.min(initial=0.0) >= 0.0 and s.max(initial=0.0) <= 1.0):
        raise ValueError(f"{name} must lie in [0, 1], got values from {s.min()} to {s.max()}")
    return s


def _labels(labels: ArrayLike, shape: tuple[int, ...]) -> Ints:
    y = np.asarray(labels)
    if y.shape != shape[:-1] or y.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers of shape {shape[:-1]}, got {y.dtype} of shape {y.shape}")
    if not (y.min(initial=0) >= 0 and y.max(initial=0) < shape[-1]):
        raise ValueError(f"labels must lie in [0, {shape[-1]}), got values from {y.min()} to {y.max()}")
    return y.astype(np.int64, copy=False)
