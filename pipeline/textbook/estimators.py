"""What do the estimators of calibration say, of all rows and of groups of them, and what is the truth they aim at?"""

from collections.abc import Callable

import numpy as np
import scipy  # loads what is used of it on first use
from numpy.typing import ArrayLike

from pipeline.calibration.calibrator import Calibrator, calibrate, refinement_loss
from pipeline.evaluation.registry import GROUP_CELLS
from pipeline.evaluation.row_groups import MOST_GROUPS
from pipeline.metrics.calibration_error import (
    Norm,
    binned_error,
    classwise_calibration_error,
    confidence_bias,
    debiased_squared_calibration_error,
    expected_calibration_error,
)
from pipeline.metrics.decompositions import corp_decomposition, corp_miscalibration
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats, Top, log_softmax, mean
from pipeline.metrics.proper_scores import negative_log_likelihood
from pipeline.metrics.ranking import Ranked, rank_truth
from pipeline.metrics.smooth_error import smooth_calibration_error, smooth_error

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
LARGEST = 10.0  # logarithm of a slope, or intercept
MOST_BINS, FEWEST_BINS, ROWS_PER_BIN = 50, 15, 400  # of the truth


def truths(logits: ArrayLike, posterior: ArrayLike) -> Floats:
    """What each of `ESTIMATORS` aims at, `(E, ...)`: its value on the whole pool, labels replaced by the posterior.

    ece, ece_mass, ece_l2, ece_max and classwise: l1, l1, root mean squared and largest error, and the l1 error of each
    class, in equal-mass bins: 50, fewer if they held under 400 rows, but 15 at least; debiased: the squared error in
    these. smece and corp_miscalibration: their own definitions. calibration: the loss that the best calibrator under
    the posterior removes. bias: mean confidence minus mean true probability of the top class.

    Args:
        logits: `(..., rows, K)` of networks.
        posterior: `(rows, K)` true class probabilities.
    """
    predictions = Predictions.from_logits(logits, posterior=posterior)
    probs, top, beside = predictions.probs, predictions.top, predictions.ranked_truth
    bins = min(MOST_BINS, max(FEWEST_BINS, probs.shape[-2] // ROWS_PER_BIN))
    l1, l2, largest = (binned_error(beside, bins=bins, binning="mass", norm=norm) for norm in NORMS)
    of_class = [Top(probs[..., k], np.full_like(top.predicted, k)) for k in range(probs.shape[-1])]
    each = [binned_error(rank_truth(one, posterior), bins=bins, binning="mass") for one in of_class]
    return _in_order(
        ece=l1,
        ece_mass=l1,
        ece_l2=l2,
        ece_max=largest,
        smece=smooth_error(beside, cells=CELLS),
        debiased=np.square(l2),
        classwise=mean(np.stack(each, axis=-1)),
        corp_miscalibration=corp_miscalibration(beside),
        calibration=_gain_of_calibration(predictions.log_probs, np.asarray(posterior)),
        bias=mean(beside.confidence) - mean(beside.correct),
    )


def estimates(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, Ranked]:
    """What each of `ESTIMATORS` says, `(E, ...)`, and the top labels `(..., n)` that most of them see.

    Args:
        logits: `(..., n, K)` finite.
        labels: `(..., n)` integers in [0, K).
    """
    predictions = Predictions.from_logits(logits, labels)
    whole = {
        "corp_miscalibration": corp_decomposition(predictions).miscalibration,
        "calibration": negative_log_likelihood(predictions) - refinement_loss(logits, labels),
    }
    return _in_order(**_of_any_rows(predictions), **whole), predictions.ranked


def of_groups(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """What each of `ESTIMATORS` says of groups of the rows `(E, S, G)`; NaN for those that the lab does not ask so.

    Args:
        logits: `(S, n, K)` finite; rows in random order, of which every group takes n // G in a row.
        labels: `(n,)` integers in [0, K).
    """
    z = np.asarray(logits)
    S, n, K = z.shape
    rows = n // MOST_GROUPS
    grouped = z[:, : MOST_GROUPS * rows].reshape(S, MOST_GROUPS, rows, K)
    each = np.asarray(labels)[: MOST_GROUPS * rows].reshape(MOST_GROUPS, rows)
    predictions = Predictions.from_logits(grouped, np.broadcast_to(each, grouped.shape[:-1]))
    groups = _of_any_rows(predictions, cells=GROUP_CELLS)
    return _in_order(**dict.fromkeys(ESTIMATORS, np.full((S, MOST_GROUPS), np.nan)) | groups)


def _of_any_rows(predictions: Predictions, *, cells: int = CELLS) -> dict[str, Floats]:
    """What the lab asks of groups of rows too."""
    return {
        "ece": expected_calibration_error(predictions),
        "ece_mass": expected_calibration_error(predictions, binning="mass"),
        "ece_l2": expected_calibration_error(predictions, norm="l2"),
        "ece_max": expected_calibration_error(predictions, norm="max"),
        "smece": smooth_calibration_error(predictions, cells=cells),
        "debiased": debiased_squared_calibration_error(predictions),
        "classwise": classwise_calibration_error(predictions),
        "bias": confidence_bias(predictions),
    }


def _gain_of_calibration(log_probs: Floats, posterior: Floats) -> Floats:
    """Expected log-loss that the best calibrator removes, `(...)`; its log slope and intercept within [-10, 10]."""
    flat = log_probs.reshape(-1, *posterior.shape)
    return np.array([_gain(network, posterior) for network in flat]).reshape(log_probs.shape[:-2])


def _gain(log_probs: Floats, posterior: Floats) -> float:
    def loss(log_slope: float, intercept: float = 0.0) -> float:
        calibrator = Calibrator(np.exp(log_slope), np.asarray(intercept))
        log_p = np.moveaxis(log_softmax(calibrate(log_probs, calibrator)), -1, 0)
        return -float(mean(sum(posterior[:, k] * of_class for k, of_class in enumerate(log_p))))

    def least(log_slope: float) -> float:
        return _least(lambda intercept: loss(log_slope, intercept))

    return max(loss(0.0) - _least(least if posterior.shape[1] == 2 else loss), 0.0)


def _least(loss: Callable[[float], float]) -> float:
    found = scipy.optimize.minimize_scalar(loss, bounds=(-LARGEST, LARGEST), method="bounded", options={"xatol": 1e-6})
    return float(found.fun)


def _in_order(**values: Floats) -> Floats:
    return np.stack([values[name] for name in ESTIMATORS])
