"""The calibrator, and the log-loss that it leaves.

For two classes it is Platt scaling, for more temperature scaling; either is shrunk by one uniform row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.calibration.platt import Platt
from pipeline.calibration.temperature import Temperature
from pipeline.metrics.probabilities import Floats, Ints, checked_labels, mean

FOLDS = 5


@dataclass(frozen=True)
class Calibrator:
    """A fitted calibrator for each member; every field is `(...)`.

    Attributes:
        slope: Multiplies the logits, above 0: 1 / T of a temperature T.
        intercept: Is added to the logit of class 1 of two classes; 0 where there are more.
    """

    slope: Floats
    intercept: Floats


def calibrator_name(classes: int) -> str:
    """What readers call the calibrator for this number of classes."""
    return "Platt scaling" if classes == 2 else "temperature scaling"


def fit_calibrator(logits: ArrayLike, labels: ArrayLike) -> Calibrator:
    """Minimise the log-loss of calibrated logits, member by member.

    The n rows count beside one row with a uniform target, whose logits are spread as theirs are: their targets become
    (n y + 1/K) / (n + 1). Rows without an error have so a best slope, and none is taken to be certain.

    Args:
        logits: `(..., n, K)` finite.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, logits or labels are not as above.

    Reference:
        Platt 1999 smooths targets in this way, by class; Guo et al. 2017 for the temperature.
    """
    problem, shape = _problem(logits, labels)
    parameters = problem.fit()
    intercept = parameters[:, 1] if parameters.shape[1] > 1 else np.zeros(len(parameters))
    return Calibrator(parameters[:, 0].reshape(shape), intercept.reshape(shape))


def calibrate(logits: ArrayLike, calibrator: Calibrator) -> Floats:
    """Calibrated logits `(..., n, K)` in float64; apply a softmax to get probabilities."""
    z = np.asarray(logits, dtype=np.float64) * calibrator.slope[..., None, None]
    if z.shape[-1] == 2:
        z[..., 1] += calibrator.intercept[..., None]
    return z


def refinement_loss(logits: ArrayLike, labels: ArrayLike, *, folds: int = FOLDS) -> Floats:
    """Log-loss `(...)` after cross-fitted calibration, nats: what no calibrator can repair; lower is better.

    Row i belongs to fold i modulo `folds`; its fold is predicted with the calibrator fitted on the others. The rest of
    the log-loss is calibration, slightly negative where there is nothing to repair.

    Args:
        logits: `(..., n, K)` finite, n >= 2.
        labels: `(..., n)` integers in [0, K).
        folds: Number of folds, at least 2; at most n are used.

    Raises:
        ValueError: If shapes, logits, labels or folds are not as above.

    Reference:
        Berta, Holzmueller, Jordan & Bach 2025, "Rethinking early stopping: refine, then calibrate".
    """
    problem, shape = _problem(logits, labels)
    n = np.shape(logits)[-2]
    if folds < 2 or n < 2:
        raise ValueError(f"folds and rows must be at least 2, got folds={folds} and n={n}")
    return _cross_fitted_loss(problem, rows=n, folds=min(folds, n)).reshape(shape)


def _cross_fitted_loss(problem: Platt | Temperature, *, rows: int, folds: int) -> Floats:
    """Mean loss `(S,)` of each member where every fold is calibrated as the others would have it."""
    fold = np.arange(rows) % folds
    sizes, start = np.bincount(fold), problem.fit()
    # Fold after fold, and all of it twice: the folds that follow one fold are then a slice, all others among them.
    twice = problem.rows(np.tile(np.argsort(fold, kind="stable"), 2))
    total = np.zeros(len(start))
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        parameters = twice.rows(slice(end, end - size + rows)).fit(start)
        total += size * mean(twice.rows(slice(end - size, end)).losses(parameters))
    return np.asarray(total / rows)


def _problem(logits: ArrayLike, labels: ArrayLike) -> tuple[Platt | Temperature, tuple[int, ...]]:
    """Rows of all members in one axis, and the members' shape."""
    z = np.asarray(logits)
    if z.ndim < 2 or z.shape[-2] < 1 or z.shape[-1] < 2 or not np.isfinite(z).all():
        raise ValueError(f"logits must be finite of shape (..., n, K) with n >= 1 and K >= 2, got shape {z.shape}")
    y: Ints = checked_labels(labels, z.shape).reshape(-1, z.shape[-2])
    family = Platt if z.shape[-1] == 2 else Temperature
    return family.of(z.reshape(-1, *z.shape[-2:]), y), z.shape[:-2]
