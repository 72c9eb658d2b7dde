"""How good are the predictions: proper scores, excess risk over the truth, ranking, isotonic decomposition.

Predictions are `(..., n, K)`, labels `(..., n)`, results `(...)`, in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.metrics.predictions import (
    Floats,
    Ints,
    Ranked,
    Top,
    checked,
    checked_labels,
    checked_probabilities,
    mass_cuts,
    mean,
    pick,
    rank_top_label,
    top_label,
)


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


def negative_log_likelihood(probs: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean -log s_y in nats; range [0, inf], lower is better.

    A probability of exactly 0 for a row's label gives inf; nothing is clipped. From logits, prefer
    `negative_log_likelihood_of_logs` of `pipeline.metrics.predictions.log_softmax`, which cannot underflow.

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.

    Examples:
        >>> float(negative_log_likelihood([[0.5, 0.5]], [0]))
        0.6931471805599453
    """
    s, y = checked(probs, labels)
    with np.errstate(divide="ignore"):
        return mean(-np.log(pick(s, y)))


def negative_log_likelihood_of_logs(log_probs: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean -log s_y from log-probabilities `(..., n, K)`: finite even where the probability underflows."""
    log_s = np.asarray(log_probs, dtype=np.float64)
    return mean(-pick(log_s, checked_labels(labels, log_s.shape)))


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
    s, y = checked(probs, labels)
    return mean(sum(np.square(s[..., k] - (y == k)) for k in range(s.shape[-1])))


def accuracy(probs: ArrayLike, labels: ArrayLike) -> Floats:
    """Share of rows whose largest probability is the label's; range [0, 1]; ties go to the lowest class index.

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.
    """
    return mean(rank_top_label(probs, labels).correct)


def confidence_bias(probs: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean confidence minus accuracy; range [-1, 1], signed: positive is overconfident, 0 is ideal.

    Args:
        probs: `(..., n, K)` probabilities.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, labels or probabilities are not as above.
    """
    ranked = rank_top_label(probs, labels)
    return mean(ranked.confidence) - mean(ranked.correct)


def excess_risk(
    probs: ArrayLike,
    posterior: ArrayLike,
    *,
    bins: int = 20,
    log_probs: ArrayLike | None = None,
    top: Top | None = None,
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
        log_probs: log s, if known beyond underflow (see `predictions.log_softmax`); keeps KL finite.
        top: `top_label` of the probabilities, if known.

    Raises:
        ValueError: If shapes or probabilities are not as above, or `bins` < 1.

    Reference:
        Kull & Flach 2015, ECML (calibration + grouping loss); Perez-Lebel et al. 2023, ICLR.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    s = checked_probabilities(probs)
    q = np.broadcast_to(checked_probabilities(posterior, "posterior"), s.shape)
    log_s = _log(s) if log_probs is None else np.asarray(log_probs, dtype=np.float64)
    classes = range(s.shape[-1])
    brier = mean(sum(np.square(s[..., k] - q[..., k]) for k in classes))
    group = _groups(top_label(s) if top is None else top, bins=bins)
    calibration = _squared_group_means(s, q, group, groups=s.shape[-1] * bins)
    kl = mean(sum(_kl(q[..., k], log_s[..., k]) for k in classes))
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
    return ranked_areas(rank_top_label(probs, labels))[0]


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
    return ranked_areas(rank_top_label(probs, labels))[1]


def ranked_areas(ranked: Ranked) -> tuple[Floats, Floats]:
    """AURC and AUGRC of any ranked event."""
    n = ranked.confidence.shape[-1]
    pooled = _rows(_tie_means, ranked)
    errors = np.cumsum(1.0 - pooled[..., ::-1], axis=-1)
    return mean(errors / np.arange(1, n + 1)), (mean(errors) - errors[..., -1] / (2 * n)) / n


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
    return ranked_corp(rank_top_label(probs, labels))


def ranked_corp(ranked: Ranked, *, isotonic: Floats | None = None) -> Corp:
    """CORP parts of any ranked event; `isotonic` is its `isotonic_fit`, if known."""
    fit = isotonic_fit(ranked) if isotonic is None else isotonic
    recalibrated = mean(np.square(fit - ranked.correct))
    rate = mean(ranked.correct)
    uncertainty = rate * (1.0 - rate)
    score = mean(np.square(ranked.confidence - ranked.correct))
    return Corp(score - recalibrated, uncertainty - recalibrated, uncertainty)


def isotonic_fit(ranked: Ranked) -> Floats:
    """Isotonic regression of correctness on rising confidence, `(..., n)`; equal confidences get equal values."""
    return _rows(_isotonic_row, ranked)


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


def _rows(function: Callable[[Floats, Floats], Floats], ranked: Ranked) -> Floats:
    """Apply a function of confidence and correctness `(n,)` to each row of ranked events `(..., n)`."""
    n = ranked.confidence.shape[-1]
    rows = zip(ranked.confidence.reshape(-1, n), ranked.correct.reshape(-1, n), strict=True)
    return np.stack([function(*row) for row in rows]).reshape(ranked.confidence.shape)


def _squared_group_means(s: Floats, q: Floats, group: Ints, *, groups: int) -> Floats:
    """Mean over rows of the squared group mean of s - q."""
    n, K = int(s.shape[-2]), int(s.shape[-1])
    rows = group.reshape(-1, n)
    index = (rows + groups * np.arange(len(rows))[:, None]).ravel()
    size = len(rows) * groups
    gaps = (np.bincount(index, weights=(s[..., k] - q[..., k]).ravel(), minlength=size) for k in range(K))
    counts = np.maximum(np.bincount(index, minlength=size), 1)
    squares = sum(np.square(gap) for gap in gaps) / counts
    total: Floats = np.sum(squares.reshape(*s.shape[:-2], groups), axis=-1)
    return total / n


def _groups(top: Top, *, bins: int) -> Ints:
    """Group `(..., n)` of each row: predicted class times `bins`, plus the equal-mass bin of its confidence."""
    n = top.order.shape[-1]
    sorted_rows = np.take_along_axis(top.confidence, top.order, axis=-1).reshape(-1, n)
    last = mass_cuts(n, bins=bins)
    edges = [np.searchsorted(row, row[last], side="right") for row in sorted_rows]
    sizes = np.diff(edges, axis=-1, prepend=0, append=n)
    bin_of = np.empty_like(top.predicted)
    positions = np.stack([np.repeat(np.arange(bins), size) for size in sizes]).reshape(bin_of.shape)
    np.put_along_axis(bin_of, top.order, positions, axis=-1)
    return top.predicted * bins + bin_of


def _kl(q: Floats, log_s: Floats) -> Floats:
    """Elementwise q log(q / s), 0 where q = 0."""
    possible = q > 0
    if possible.all():
        return q * (np.log(q) - log_s)
    return np.where(possible, q * (_log(np.where(possible, q, 1.0)) - np.where(possible, log_s, 0.0)), 0.0)


def _log(x: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(x)
