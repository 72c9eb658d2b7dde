"""Decompositions: the top label's Brier score by isotonic regression, and the risk beyond a known posterior."""

from dataclasses import dataclass

import numpy as np

from pipeline.metrics.bins import mass_cuts
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats, Ints, Top, mean
from pipeline.metrics.ranking import Ranked, isotonic_fit


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


def corp_decomposition(predictions: Predictions) -> Corp:
    """Brier score of the top label, split by isotonic recalibration; all parts are >= 0.

    The score is mean (c - a)^2, with confidence c and correctness a (at most 1; not the multiclass Brier score).
    `miscalibration` (lower is better) is what isotonic regression of a on c gains, `discrimination` (higher is
    better) what the recalibrated forecast gains on the base rate, `uncertainty` the score of the base rate.

    Args:
        predictions: `(..., n, K)`, with labels.

    Raises:
        ValueError: If there are no labels.

    Reference:
        Dimitriadis, Gneiting & Jordan 2021, PNAS 118(8).
    """
    return _corp(predictions.ranked, predictions.isotonic)


def corp_miscalibration(ranked: Ranked) -> Floats:
    """CORP miscalibration `(...)` of any ranked event, 0 or more; see `corp_decomposition`."""
    return _corp(ranked, isotonic_fit(ranked)).miscalibration


def excess_risk(predictions: Predictions, *, bins: int = 20) -> ExcessRisk:
    """Risk beyond the Bayes posterior q, and its split into calibration and grouping; 0 or more, lower is better.

    The split groups rows by predicted class and by `bins` equal-mass bins of confidence (ties never split).
    Calibration is the squared mean of s - q within a group, grouping the scatter about that mean: the two add up
    exactly to the excess Brier score. Conditioning on the whole vector s instead is not estimable beyond two
    classes; by Jensen's inequality the group version is a lower bound of that calibration part, apart from a
    plug-in excess of the scatter over the rows per group. The KL divergence has no such exact split, so none is given.

    Args:
        predictions: `(..., n, K)` of probabilities s, with the posterior q; labels are not needed. From logits, KL is
            finite even where a probability underflows.
        bins: Confidence bins per predicted class.

    Raises:
        ValueError: If there is no posterior, or `bins` < 1.

    Reference:
        Kull & Flach 2015, ECML (calibration + grouping loss); Perez-Lebel et al. 2023, ICLR.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    s, log_s, q = predictions.probs, predictions.log_probs, predictions.posterior
    classes = range(s.shape[-1])
    brier = mean(sum(np.square(s[..., k] - q[..., k]) for k in classes))
    group = _groups(predictions.top, bins=bins)
    calibration = _squared_group_means(s, q, group, groups=s.shape[-1] * bins)
    kl = mean(sum(_kl(q[..., k], log_s[..., k]) for k in classes))
    return ExcessRisk(brier, calibration, brier - calibration, kl)


def _corp(ranked: Ranked, isotonic: Floats) -> Corp:
    recalibrated = mean(np.square(isotonic - ranked.correct))
    rate = mean(ranked.correct)
    uncertainty = rate * (1.0 - rate)
    score = mean(np.square(ranked.confidence - ranked.correct))
    return Corp(score - recalibrated, uncertainty - recalibrated, uncertainty)


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
    return np.where(possible, q * (np.log(np.where(possible, q, 1.0)) - np.where(possible, log_s, 0.0)), 0.0)
