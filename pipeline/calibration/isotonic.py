"""Isotonic calibration, one class against the rest, averaged over cross-fitted folds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.calibration.affine import AffineCalibrator, fit_shared_slope
from pipeline.calibration.calibrator import FOLDS
from pipeline.metrics.probabilities import Floats, checked_labels, softmax
from pipeline.metrics.ranking import isotonic_fit, rank


@dataclass(frozen=True)
class IsotonicCalibrator:
    """A rising piecewise linear map of every class's probability, flat beyond its ends.

    What the maps give counts like `rows` rows beside one uniform row, so that no probability is 0: q becomes
    (rows q + 1/K) / (rows + 1), and all K are scaled to sum to 1.

    Attributes:
        base: Makes the probabilities that are mapped.
        knots: Of each class, `(m,)` rising.
        values: Of each class, `(m,)` not falling, in [0, 1].
        rows: Rows that it was fitted on.
    """

    base: AffineCalibrator
    knots: tuple[Floats, ...]
    values: tuple[Floats, ...]
    rows: int

    def calibrate(self, logits: ArrayLike) -> Floats:
        """Log-probabilities `(n, K)` of logits `(n, K)`, finite; a row's bits depend on no other row."""
        probs = softmax(self.base.calibrate(logits))[0]
        maps = zip(probs.T, self.knots, self.values, strict=True)
        mapped = np.stack([np.interp(column, knots, values) for column, knots, values in maps])
        smoothed = (self.rows * mapped + 1 / len(mapped)) / (self.rows + 1)
        return np.asarray(np.log(smoothed / np.add.reduce(smoothed, axis=0)).T)


def fit_isotonic(logits: ArrayLike, labels: ArrayLike, *, folds: int = FOLDS) -> IsotonicCalibrator:
    """Isotonic regression of each class on its probability after temperature or Platt scaling.

    Row i belongs to fold i modulo `folds`. Each map is fitted on the rows of all folds but one, and interpolated
    linearly; the maps are averaged, which is again one piecewise linear map.

    Args:
        logits: `(n, K)` finite, n >= 2.
        labels: `(n,)` integers in [0, K).
        folds: Number of folds, at least 2; at most n are used.

    Raises:
        ValueError: If shapes, logits or labels are not as above.

    Reference:
        Zadrozny & Elkan 2002, KDD.
    """
    base = fit_shared_slope(logits, labels)
    probs = softmax(base.calibrate(logits))[0]
    n, K = probs.shape
    y = checked_labels(labels, probs.shape)
    is_class = y == np.arange(K)[:, None]
    fold, count = np.arange(n) % folds, min(folds, n)
    knots = tuple(np.unique(column) for column in probs.T)
    values = [np.zeros(points.size) for points in knots]
    for number in range(count):
        seen = fold != number
        ranked = rank(probs.T[:, seen], is_class[:, seen])
        fits = zip(ranked.confidence, isotonic_fit(ranked), strict=True)
        for k, (confidence, fit) in enumerate(fits):
            values[k] += np.interp(knots[k], confidence, fit) / count
    return IsotonicCalibrator(base, knots, tuple(values), n)
