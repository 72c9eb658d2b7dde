"""What does one free parameter repair: temperature scaling, and a loss split into refinement and calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LOG_BETA_BOUND = 10.0
_TOLERANCE = 1e-6  # size of the last Newton step: it leaves an error of about its square
_MAX_STEPS = 100
_BLOCK = 1 << 14  # rows solved at a time: they should stay in the processor's cache


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature for each member; every field is `(...)`.

    Attributes:
        beta: 1 / T, which multiplies the logits; exactly 1 where not accepted.
        accepted: The log-likelihood of the rows it was fitted on improves.
        at_bound: The optimum lies at or beyond exp(-10) or exp(10): rows that are all predicted correctly want beta
            without end, rows predicted worse than at random want none.
    """

    beta: Floats
    accepted: Bools
    at_bound: Bools


@dataclass(frozen=True)
class Decomposition:
    """A log-loss in nats split in two, `(...)` each: `refinement + calibration` is the loss.

    Attributes:
        refinement: Loss after cross-fitted temperature scaling, which no rescaling can repair; lower is better.
        calibration: Loss that the rescaling removes; slightly negative where there is nothing to remove.
    """

    refinement: Floats
    calibration: Floats


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> Temperature:
    """Minimise the log-loss of softmax(beta * logits) over log beta in [-10, 10], member by member.

    The loss is convex in beta, so its slope has one root: Newton steps on log beta, halving the bracket whenever a
    step would leave it. Agrees with scikit-learn's `CalibratedClassifierCV(method="temperature")` where the optimum
    is inside the bounds.

    Args:
        logits: `(..., n, K)` finite.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, logits or labels are not as above.

    Reference:
        Guo et al. 2017, ICML, eq. 9.
    """
    margins, truth = _margins(logits, labels)
    flat = margins.reshape(len(margins), -1, margins.shape[-1])
    start = np.zeros(flat.shape[1])
    log_beta = _solve(flat, truth.reshape(flat.shape[1:]), start).reshape(truth.shape[:-1])
    beta = np.exp(log_beta)
    accepted = _loss(margins, truth, beta) < _loss(margins, truth, np.ones_like(beta))
    at_bound = np.abs(log_beta) >= LOG_BETA_BOUND - 1e-6
    return Temperature(np.where(accepted, beta, 1.0), accepted, at_bound)


def scale_logits(logits: ArrayLike, temperature: Temperature) -> Floats:
    """Logits `(..., n, K)` times each member's beta, in float64; apply a softmax to get probabilities."""
    return np.asarray(logits, dtype=np.float64) * temperature.beta[..., None, None]


def decompose_log_loss(logits: ArrayLike, labels: ArrayLike, *, folds: int = 5) -> Decomposition:
    """Split the log-loss of logits into refinement and calibration by cross-fitted temperature scaling.

    Row i belongs to fold i modulo `folds`; its fold is predicted with the temperature fitted on the others. That
    prediction counts as m rows, beside one uniform row (m: rows fitted on): where the others are predicted without
    an error beta is at its bound, and an error would cost thousands of nats.

    Args:
        logits: `(..., n, K)` finite, n >= 2.
        labels: `(..., n)` integers in [0, K).
        folds: Number of folds, at least 2; at most n are used.

    Raises:
        ValueError: If shapes, logits, labels or folds are not as above.

    Reference:
        Berta, Holzmueller, Jordan & Bach 2025, "Rethinking early stopping: refine, then calibrate".
    """
    margins, truth = _margins(logits, labels)
    n = truth.shape[-1]
    if folds < 2 or n < 2:
        raise ValueError(f"folds and rows must be at least 2, got folds={folds} and n={n}")
    flat, flat_truth = margins.reshape(len(margins), -1, n), truth.reshape(-1, n)
    losses, log_beta = np.empty(flat_truth.shape), np.zeros(len(flat_truth))
    for fold in range(min(folds, n)):
        held = np.arange(n) % folds == fold
        log_beta = _solve(flat[..., ~held], flat_truth[:, ~held], log_beta)
        lost = _losses(flat[..., held], flat_truth[:, held], np.exp(log_beta))
        losses[:, held] = _smoothed(lost, n - held.sum(), len(margins))
    refinement = np.mean(losses, axis=-1).reshape(truth.shape[:-1])
    return Decomposition(refinement, _loss(margins, truth, np.ones_like(refinement)) - refinement)


def _smoothed(losses: Floats, rows: int, K: int) -> Floats:
    """-log of (rows * p + 1/K) / (rows + 1), with losses = -log p."""
    return -np.log((rows * np.exp(-losses) + 1.0 / K) / (rows + 1.0))


def _margins(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """Logits minus the row's largest, class first `(K, ..., n)`, and those of the labels `(..., n)`."""
    z, y = np.asarray(logits), np.asarray(labels)
    if z.ndim < 2 or z.shape[-2] < 1 or z.shape[-1] < 2 or not np.isfinite(z).all():
        raise ValueError(f"logits must be finite of shape (..., n, K) with n >= 1 and K >= 2, got shape {z.shape}")
    if y.shape != z.shape[:-1] or y.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers of shape {z.shape[:-1]}, got {y.dtype} of shape {y.shape}")
    if not (y.min(initial=0) >= 0 and y.max(initial=0) < z.shape[-1]):
        raise ValueError(f"labels must lie in [0, {z.shape[-1]}), got values from {y.min()} to {y.max()}")
    classes = np.ascontiguousarray(np.moveaxis(z, -1, 0), dtype=np.float64)
    margins = classes - np.maximum.reduce(classes, axis=0)
    return margins, np.take_along_axis(margins, y[None].astype(np.int64), axis=0)[0]


def _solve(margins: Floats, truth: Floats, start: Floats) -> Floats:
    """Best log beta of each member from margins `(K, S, n)`, those of the labels `(S, n)` and a first guess `(S,)`."""
    endless = _mean(truth) >= 0.0
    # At beta = 0 all classes are equally likely: a convex loss whose slope is not negative there rises ever after.
    hopeless = ~endless & (_mean(np.add.reduce(margins, axis=0) / len(margins)) >= _mean(truth))
    log_beta = LOG_BETA_BOUND * (endless.astype(np.float64) - hopeless)
    todo = np.flatnonzero(~(endless | hopeless))
    block = max(1, _BLOCK // truth.shape[-1])
    for few in (todo[i : i + block] for i in range(0, todo.size, block)):
        log_beta[few] = _find_root(margins[:, few], truth[few], start[few])
    return log_beta


def _find_root(margins: Floats, truth: Floats, start: Floats) -> Floats:
    """Root of the slope in log beta; a member stops on its own, so its bits do not depend on the others."""
    root, x, todo = start.copy(), start, np.arange(len(truth))
    low, high = np.full_like(x, -LOG_BETA_BOUND), np.full_like(x, LOG_BETA_BOUND)
    for _ in range(_MAX_STEPS):
        slope, curvature = _slope(margins, truth, np.exp(x))
        low, high = np.where(slope < 0, x, low), np.where(slope < 0, high, x)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = x - slope / (np.exp(x) * curvature)
        step = np.where((newton >= low) & (newton <= high), newton, 0.5 * (low + high))
        done = np.abs(step - x) < _TOLERANCE
        root[todo] = x = step
        if done.all():
            break
        if done.any():
            x, low, high, todo = x[~done], low[~done], high[~done], todo[~done]
            margins, truth = margins[:, ~done], truth[~done]
    return root


def _slope(margins: Floats, truth: Floats, beta: Floats) -> tuple[Floats, Floats]:
    """First and second derivative in beta of each member's mean loss."""
    total, first, second = (np.zeros(truth.shape) for _ in range(3))
    for margin in margins:
        weight = np.exp(beta[:, None] * margin)
        total += weight
        weight *= margin
        first += weight
        weight *= margin
        second += weight
    first /= total
    return _mean(first - truth), _mean(second / total - np.square(first))


def _losses(margins: Floats, truth: Floats, beta: Floats) -> Floats:
    total = np.zeros(truth.shape)
    for margin in margins:
        total += np.exp(beta[..., None] * margin)
    return np.log(total) - beta[..., None] * truth


def _loss(margins: Floats, truth: Floats, beta: Floats) -> Floats:
    return _mean(_losses(margins, truth, beta))


def _mean(rows: Floats) -> Floats:
    """Mean over the last axis, made contiguous first: the order of additions must not depend on the stack."""
    mean: Floats = np.mean(np.ascontiguousarray(rows), axis=-1)
    return mean
