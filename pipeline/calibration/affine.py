"""Vector and matrix scaling: an affine map of the logits, shrunk towards temperature or Platt scaling.

With u the centred logits after the calibrator of `calibration.calibrator`, calibrated logits are (I + D) u + b. Vector
scaling has a diagonal D, matrix scaling a full one. The mean log-loss of n rows of K classes, whose targets one uniform
row smooths as there, is minimised together with K/n (|b|^2 + |diag D|^2) + K (K - 1)/n |off-diagonal D|^2: the fewer
the rows, the closer it stays to the simpler calibrator.

Reference:
    Berta, Holzmueller, Jordan & Bach 2026, AISTATS, "Structured matrix scaling for multi-class calibration", with ridge
    penalties at their default strength; they smooth no targets, and take log-probabilities where centred logits stand
    here, which leave the map affine.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pipeline.calibration.calibrator import fit_calibrator
from pipeline.metrics.probabilities import Floats, Ints, checked_labels

_GRADIENT = 1e-9  # largest entry of the gradient, in nats by preconditioned unit, where the search ends
_MAX_STEPS = 2000
_MEMORY = 20  # steps that L-BFGS remembers


@dataclass(frozen=True)
class AffineCalibrator:
    """Calibrated logits are weights @ z + intercepts of a row's logits z.

    Attributes:
        weights: `(K, K)`; the first axis is the calibrated class.
        intercepts: `(K,)`.
    """

    weights: Floats
    intercepts: Floats

    def calibrate(self, logits: ArrayLike) -> Floats:
        """Calibrated logits `(..., n, K)` in float64; a row's bits depend on no other row."""
        z = np.asarray(logits, dtype=np.float64)
        calibrated = np.zeros(z.shape)
        calibrated += self.intercepts
        for weights, logit in zip(self.weights.T, np.moveaxis(z, -1, 0), strict=True):  # no BLAS: it looks at n
            calibrated += logit[..., None] * weights
        return calibrated


def fit_shared_slope(logits: ArrayLike, labels: ArrayLike) -> AffineCalibrator:
    """The calibrator of `fit_calibrator`, temperature or Platt scaling, as an affine map of the centred logits.

    Args:
        logits: `(n, K)` finite.
        labels: `(n,)` integers in [0, K).

    Raises:
        ValueError: If shapes, logits or labels are not as above.
    """
    z = _checked(logits)
    fitted, K = fit_calibrator(z, labels), z.shape[1]
    intercepts = np.zeros(K)
    if K == 2:
        intercepts += 0.5 * float(fitted.intercept) * np.array([-1.0, 1.0])
    return AffineCalibrator(float(fitted.slope) * (np.eye(K) - 1 / K), intercepts)


def fit_vector_scaling(logits: ArrayLike, labels: ArrayLike) -> AffineCalibrator:
    """A slope and an intercept for every class.

    Args:
        logits: `(n, K)` finite.
        labels: `(n,)` integers in [0, K).

    Raises:
        ValueError: If shapes, logits or labels are not as above.
    """
    return _fit(logits, labels, _Diagonal)


def fit_matrix_scaling(logits: ArrayLike, labels: ArrayLike) -> AffineCalibrator:
    """A full matrix and an intercept for every class; entries off the diagonal are shrunk K - 1 times as much.

    Args:
        logits: `(n, K)` finite.
        labels: `(n,)` integers in [0, K).

    Raises:
        ValueError: If shapes, logits or labels are not as above.
    """
    return _fit(logits, labels, _Full)


@dataclass(frozen=True)
class _Departures(ABC):
    """The penalised loss of departures from the simpler calibrator: parameters `(K, M)`, of every class.

    Attributes:
        logits: `(K, n)` of the simpler calibrator, centred.
        targets: `(K, n)` smoothed.
    """

    logits: Floats
    targets: Floats

    @abstractmethod
    def matrix(self, parameters: Floats) -> Floats:
        """I + D `(K, K)`."""

    @abstractmethod
    def scaled(self, parameters: Floats) -> Floats:
        """Logits `(K, n)`."""

    @abstractmethod
    def products(self, rows: Floats, *, power: int = 1) -> Floats:
        """Means `(K, M)` over n of rows `(K, n)` times what each parameter multiplies, raised to a power."""

    @property
    @abstractmethod
    def penalty(self) -> Floats:
        """What a squared parameter costs, `(K, M)`, nats."""

    def value(self, parameters: Floats) -> tuple[float, Floats]:
        """Penalised loss in nats, and its gradient `(K, M)`."""
        z = self.scaled(parameters)
        z -= np.maximum.reduce(z, axis=0)
        probs = np.exp(z)
        total = np.add.reduce(probs, axis=0)
        probs /= total
        loss = float(np.mean(np.log(total) - np.add.reduce(self.targets * z, axis=0)))
        pulled = self.penalty * parameters
        return loss + float(np.sum(pulled * parameters)), self.products(probs - self.targets) + 2.0 * pulled

    def scales(self) -> Floats:
        """Roots `(K, M)` of the loss's second derivatives where nothing departs: units that make the search short."""
        probs = np.exp(self.logits - np.maximum.reduce(self.logits, axis=0))
        probs /= np.add.reduce(probs, axis=0)
        return np.sqrt(self.products(probs * (1.0 - probs), power=2) + 2.0 * self.penalty)


class _Diagonal(_Departures):
    """Parameters `(K, 2)`: the diagonal of D, and b."""

    def matrix(self, parameters: Floats) -> Floats:
        return np.diag(1.0 + parameters[:, 0])

    def scaled(self, parameters: Floats) -> Floats:
        return self.logits * (1.0 + parameters[:, :1]) + parameters[:, 1:]

    def products(self, rows: Floats, *, power: int = 1) -> Floats:
        return np.stack([np.mean(rows * self.logits**power, axis=1), np.mean(rows, axis=1)], axis=1)

    @property
    def penalty(self) -> Floats:
        K, n = self.logits.shape
        return np.full((K, 2), K / n)


class _Full(_Departures):
    """Parameters `(K, K + 1)`: D, and b."""

    def matrix(self, parameters: Floats) -> Floats:
        return np.eye(len(parameters)) + parameters[:, :-1]

    def scaled(self, parameters: Floats) -> Floats:
        departure = np.einsum("jk,kn->jn", parameters[:, :-1], self.logits)  # no BLAS, whose bits know of threads
        return np.asarray(self.logits + departure + parameters[:, -1:])

    def products(self, rows: Floats, *, power: int = 1) -> Floats:
        means = np.einsum("jn,kn->jk", rows, self.logits**power) / rows.shape[1]
        return np.concatenate([means, np.mean(rows, axis=1, keepdims=True)], axis=1)

    @property
    def penalty(self) -> Floats:
        K, n = self.logits.shape
        costs = np.full((K, K + 1), K * (K - 1) / n)
        np.fill_diagonal(costs, K / n)
        costs[:, -1] = K / n
        return costs


def _fit(logits: ArrayLike, labels: ArrayLike, family: type[_Departures]) -> AffineCalibrator:
    z = _checked(logits)
    n, K = z.shape
    y: Ints = checked_labels(labels, z.shape)
    simple = fit_shared_slope(z, y)
    targets = (n * (y == np.arange(K)[:, None]) + 1 / K) / (n + 1)
    problem = family(np.ascontiguousarray(simple.calibrate(z).T), targets)
    best = _minimum(problem)
    matrix = problem.matrix(best)
    weights = np.einsum("ij,jk->ik", matrix, simple.weights)
    return AffineCalibrator(weights, np.einsum("ij,j->i", matrix, simple.intercepts) + best[:, -1])


def _minimum(problem: _Departures) -> Floats:
    """Parameters `(K, M)` of least penalised loss, which is strictly convex."""
    from scipy.optimize import minimize  # noqa: PLC0415  (a third of a second)

    scales = problem.scales()

    def value(scaled: Floats) -> tuple[float, Floats]:
        loss, gradient = problem.value(scaled.reshape(scales.shape) / scales)
        return loss, np.ravel(gradient / scales)

    with _blas().limit(limits=1, user_api="blas"):  # threads would wait for each other, and might change bits
        found = minimize(
            value,
            np.zeros(scales.size),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _MAX_STEPS, "maxcor": _MEMORY, "ftol": 0.0, "gtol": _GRADIENT},
        )
    return np.asarray(found.x).reshape(scales.shape) / scales


@cache
def _blas() -> Any:
    """The libraries that are loaded, whose threads can be limited; to look for them takes longer than a fit."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415

    return ThreadpoolController()


def _checked(logits: ArrayLike) -> Floats:
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 2 or z.shape[0] < 1 or z.shape[1] < 2 or not np.isfinite(z).all():
        raise ValueError(f"logits must be finite of shape (n, K) with n >= 1 and K >= 2, got shape {z.shape}")
    return z
