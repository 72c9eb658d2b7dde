"""The choice of a calibrator by cross-fitted log-loss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from pipeline.calibration.affine import AffineCalibrator, fit_matrix_scaling, fit_shared_slope, fit_vector_scaling
from pipeline.calibration.calibrator import FOLDS, calibrator_name
from pipeline.metrics.probabilities import Floats, checked_labels, log_softmax, pick

Fit = Callable[[Floats, ArrayLike], AffineCalibrator]
"""From logits `(n, K)` and labels `(n,)`."""

LEAST_ROWS = 200
"""Fewer rows than these choose nothing: the default stands."""
MOST_CLASSES = 30
"""More than these have no matrix scaling."""
LEAST_ERRORS = 10
"""Fewer wrongly predicted rows than these choose nothing either."""


class Calibrates(Protocol):
    """What makes logits `(n, K)` of logits."""

    def calibrate(self, logits: Floats) -> Floats:
        """Calibrated logits."""


@dataclass(frozen=True)
class Choice:
    """The calibrator that was chosen, fitted on all rows.

    Attributes:
        name: What readers call it.
        calibrator: It.
        losses: Cross-fitted log-loss of every candidate in nats, by name; lower is better. Empty where rows or errors
            were too few to choose by.
    """

    name: str
    calibrator: AffineCalibrator
    losses: Mapping[str, float]


def candidates(classes: int) -> dict[str, Fit]:
    """Calibrators to choose from, by name, the default first."""
    return {calibrator_name(classes): fit_shared_slope, **class_scalings(classes)}


def class_scalings(classes: int) -> dict[str, Fit]:
    """Calibrators with parameters of each class, by name.

    Platt scaling of two classes has a slope and an intercept already: vector and matrix scaling would add nothing. A
    matrix of many classes has more entries than rows can tell, and takes minutes.
    """
    if classes == 2:
        return {}
    vector: dict[str, Fit] = {"vector scaling": fit_vector_scaling}
    return vector | ({"matrix scaling": fit_matrix_scaling} if classes <= MOST_CLASSES else {})


def choose(logits: ArrayLike, labels: ArrayLike) -> Choice:
    """The candidate with the lowest cross-fitted log-loss; of equal ones the simpler.

    Args:
        logits: `(n, K)` finite.
        labels: `(n,)` integers in [0, K).

    Raises:
        ValueError: If shapes, logits or labels are not as above.
    """
    z = np.asarray(logits, dtype=np.float64)
    among = candidates(z.shape[-1])
    best, losses = next(iter(among)), {}
    if len(among) > 1 and _can_choose(z, labels):
        losses = {name: cross_fitted_loss(fit, z, labels) for name, fit in among.items()}
        best = min(losses, key=losses.__getitem__)
    return Choice(best, among[best](z, labels), losses)


def cross_fitted_loss(
    fit: Callable[[Floats, ArrayLike], Calibrates], logits: ArrayLike, labels: ArrayLike, *, folds: int = FOLDS
) -> float:
    """Mean log-loss in nats where every fold is calibrated as the others would have it; row i is in fold i mod `folds`.

    Args:
        fit: Makes a calibrator of logits and labels.
        logits: `(n, K)` finite, n >= 2.
        labels: `(n,)` integers in [0, K).
        folds: Number of folds, at least 2.
    """
    z, y = np.asarray(logits, dtype=np.float64), checked_labels(labels, np.shape(logits))
    fold, losses = np.arange(len(z)) % folds, np.empty(len(z))
    for number in range(min(folds, len(z))):
        seen, held_out = fold != number, fold == number
        fitted = fit(z[seen], y[seen])
        losses[held_out] = -pick(log_softmax(fitted.calibrate(z[held_out])), y[held_out])
    return float(losses.mean())


def _can_choose(logits: Floats, labels: ArrayLike) -> bool:
    errors = int(np.count_nonzero(logits.argmax(axis=-1) != checked_labels(labels, logits.shape)))
    return len(logits) >= LEAST_ROWS and errors >= LEAST_ERRORS
