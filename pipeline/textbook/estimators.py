"""Estimators of calibration error: of all rows and of groups of them, and the truths that they aim at."""

import math

import numpy as np
import scipy  # loads what is used of it on first use
from numpy.typing import ArrayLike

from pipeline.calibration.temperature import LOG_BETA_BOUND, decompose_log_loss
from pipeline.evaluation.row_groups import MOST_GROUPS
from pipeline.evaluation.score import GROUP_CELLS
from pipeline.metrics.calibration_error import Norm, binned_error, classwise_calibration_error, debiased_error
from pipeline.metrics.predictions import (
    Floats,
    Ints,
    Ranked,
    Top,
    checked_labels,
    log_softmax,
    mean,
    rank,
    rank_truth,
    softmax,
    top_label,
)
from pipeline.metrics.proper_scores import ranked_corp
from pipeline.metrics.smooth_error import smooth_error

ESTIMATORS = (
    "ece",
    "ece_mass",
    "ece_l2",
    "ece_max",
    "smece",
    "debiased",
    "classwise",
    "corp_miscalibration",
    "calibration",
    "bias",
)  # metrics of `pipeline.evaluation.score`
CELLS = 256  # of the smooth error: it differs from that with 1024 by less than its noise
NORMS: tuple[Norm, ...] = ("l1", "l2", "max")
MOST_BINS, FEWEST_BINS, ROWS_PER_BIN = 50, 15, 400  # of the truth


def truths(logits: ArrayLike, posterior: ArrayLike) -> Floats:
    """What each of `ESTIMATORS` aims at, `(E, ...)`: its value on the whole pool, labels replaced by the posterior.

    ece, ece_mass, ece_l2, ece_max and classwise: l1, l1, root mean squared and largest error, and the l1 error of each
    class, in equal-mass bins: 50, fewer if they held under 400 rows, but 15 at least; debiased: the squared error in
    these. smece and corp_miscalibration: their own definitions. calibration: the loss that the best temperature under
    the posterior removes. bias: mean confidence minus mean true probability of the top class.

    Args:
        logits: `(..., rows, K)` of networks.
        posterior: `(rows, K)` true class probabilities.
    """
    probs, log_probs = softmax(logits)
    top = top_label(probs)
    truth = rank_truth(top, posterior)
    bins = min(MOST_BINS, max(FEWEST_BINS, probs.shape[-2] // ROWS_PER_BIN))
    l1, l2, largest = (binned_error(truth, bins=bins, binning="mass", norm=norm) for norm in NORMS)
    of_class = [Top(probs[..., k], np.full_like(top.predicted, k)) for k in range(probs.shape[-1])]
    each = [binned_error(rank_truth(top, posterior), bins=bins, binning="mass") for top in of_class]
    return _in_order(
        ece=l1,
        ece_mass=l1,
        ece_l2=l2,
        ece_max=largest,
        smece=smooth_error(truth, cells=CELLS),
        debiased=np.square(l2),
        classwise=mean(np.stack(each, axis=-1)),
        corp_miscalibration=ranked_corp(truth).miscalibration,
        calibration=_gain_of_scaling(log_probs, np.asarray(posterior)),
        bias=mean(truth.confidence) - mean(truth.correct),
    )


def estimates(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, Ranked]:
    """The estimates of each of `ESTIMATORS`, `(E, ...)`, and the top labels `(..., n)` that most of them see.

    Args:
        logits: `(..., n, K)` finite.
        labels: `(..., n)` integers in [0, K).
    """
    probs, _ = softmax(logits)
    y = checked_labels(labels, probs.shape)
    ranked = _ranked(probs, y)
    whole = {
        "corp_miscalibration": ranked_corp(ranked).miscalibration,
        "calibration": decompose_log_loss(logits, y).calibration,
    }
    return _in_order(**_of_any_rows(probs, y, ranked), **whole), ranked


def of_groups(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """The estimates of groups of the rows `(E, S, G)`; NaN for estimators that the study does not apply to groups.

    Args:
        logits: `(S, n, K)` finite; rows in random order, of which every group takes n // G in a row.
        labels: `(n,)` integers in [0, K).
    """
    z = np.asarray(logits)
    S, n, K = z.shape
    rows = n // MOST_GROUPS
    probs, _ = softmax(z[:, : MOST_GROUPS * rows].reshape(S, MOST_GROUPS, rows, K))
    each = np.asarray(labels)[: MOST_GROUPS * rows].reshape(MOST_GROUPS, rows)
    y = checked_labels(np.broadcast_to(each, probs.shape[:-1]), probs.shape)
    known = _of_any_rows(probs, y, _ranked(probs, y), cells=GROUP_CELLS)
    return _in_order(**dict.fromkeys(ESTIMATORS, np.full((S, MOST_GROUPS), np.nan)) | known)


def _ranked(probs: Floats, labels: Ints) -> Ranked:
    top = top_label(probs)
    return rank(top.confidence, top.predicted == labels)


def _of_any_rows(probs: Floats, labels: Ints, ranked: Ranked, *, cells: int = CELLS) -> dict[str, Floats]:
    """Those that are applied to groups of rows too."""
    return {
        "ece": binned_error(ranked),
        "ece_mass": binned_error(ranked, binning="mass"),
        "ece_l2": binned_error(ranked, norm="l2"),
        "ece_max": binned_error(ranked, norm="max"),
        "smece": smooth_error(ranked, cells=cells),
        "debiased": debiased_error(ranked),
        "classwise": classwise_calibration_error(probs, labels),
        "bias": mean(ranked.confidence) - mean(ranked.correct),
    }


def _gain_of_scaling(log_probs: Floats, posterior: Floats) -> Floats:
    """Expected log-loss that the best temperature removes, `(...)`; log beta within [-10, 10]."""
    flat = log_probs.reshape(-1, *posterior.shape)
    return np.array([_gain(network, posterior) for network in flat]).reshape(log_probs.shape[:-2])


def _gain(log_probs: Floats, posterior: Floats) -> float:
    def loss(log_beta: float) -> float:
        return -float(mean(sum(posterior[:, k] * log_p for k, log_p in enumerate(_scaled(log_probs, log_beta)))))

    best = scipy.optimize.minimize_scalar(
        loss, bounds=(-LOG_BETA_BOUND, LOG_BETA_BOUND), method="bounded", options={"xatol": 1e-6}
    )
    return max(loss(0.0) - float(best.fun), 0.0)


def _scaled(log_probs: Floats, log_beta: float) -> Floats:
    return np.moveaxis(log_softmax(math.exp(log_beta) * log_probs), -1, 0)


def _in_order(**values: Floats) -> Floats:
    return np.stack([values[name] for name in ESTIMATORS])
