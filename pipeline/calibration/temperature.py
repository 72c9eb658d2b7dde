"""Temperature scaling, and the log-loss split into refinement and calibration by it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.metrics.probabilities import Bools, Floats, Ints, by_class, checked_labels, mean, top_label

LOG_BETA_BOUND = 10.0
_TOLERANCE = 1e-12  # error in log beta that the last step is expected to leave
_MAX_STEPS = 100
_BLOCK = 1 << 14  # rows solved at a time: they should stay in the processor's cache


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature for each member; every field is `(...)`.

    Attributes:
        beta: 1 / T, which multiplies the logits; exactly 1 where not accepted.
        accepted: There is an optimum, and the log-likelihood of the rows it was fitted on improves.
        at_bound: The optimum lies at or beyond exp(-10) or exp(10). Rows that are all predicted correctly want beta
            without end: none is accepted, for one wrong row elsewhere would cost thousands of nats. Rows predicted
            worse than at random want none.
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

    The loss is convex in beta, so its slope has one root: Halley's steps on log beta, halving the bracket whenever
    a step would leave it. Agrees with scikit-learn's `CalibratedClassifierCV(method="temperature")` where the optimum
    is inside the bounds.

    Args:
        logits: `(..., n, K)` finite.
        labels: `(..., n)` integers in [0, K).

    Raises:
        ValueError: If shapes, logits or labels are not as above.

    Reference:
        Guo et al. 2017, ICML, eq. 9.
    """
    rivals, truth = _rivals(logits, labels)
    flat, flat_truth = rivals.reshape(len(rivals), -1, rivals.shape[-1]), truth.reshape(-1, truth.shape[-1])
    log_beta = _solve(flat, flat_truth, np.zeros(len(flat_truth))).reshape(truth.shape[:-1])
    beta = np.exp(log_beta)
    at_bound = np.abs(log_beta) >= LOG_BETA_BOUND - 1e-6
    improves = mean(_losses(rivals, truth, beta)) < mean(_losses(rivals, truth, np.ones_like(beta)))
    accepted = improves & ~(at_bound & (beta > 1))
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
    rivals, truth = _rivals(logits, labels)
    n = truth.shape[-1]
    if folds < 2 or n < 2:
        raise ValueError(f"folds and rows must be at least 2, got folds={folds} and n={n}")
    flat, flat_truth = rivals.reshape(len(rivals), -1, n), truth.reshape(-1, n)
    parts = np.empty((2, len(flat_truth)))
    for few in _blocks(np.arange(len(flat_truth)), n):
        parts[0, few] = _cross_fitted_loss(flat[:, few], flat_truth[few], folds=min(folds, n))
        parts[1, few] = mean(_losses(flat[:, few], flat_truth[few], np.ones(len(few)))) - parts[0, few]
    return Decomposition(*parts.reshape(2, *truth.shape[:-1]))


def _cross_fitted_loss(rivals: Floats, truth: Floats, *, folds: int) -> Floats:
    """Mean loss of each member where every fold is scaled as the others would have it."""
    n = truth.shape[-1]
    sizes = np.bincount(np.arange(n) % folds)
    ends = np.cumsum(sizes)
    # Fold after fold, and all of it twice: the folds that follow one fold are then a slice, all others among them.
    rows = np.tile(np.argsort(np.arange(n) % folds, kind="stable"), 2)
    rivals, truth = rivals[..., rows], truth[:, rows]
    guesses = _guess(rivals[..., :n], truth[:, :n], ends)
    total = np.zeros(len(truth))
    for end, size, guess in zip(ends, sizes, guesses.T, strict=True):
        held, others = slice(end - size, end), slice(end, end - size + n)
        log_beta = _solve(rivals[..., others], truth[:, others], guess)
        lost = _losses(rivals[..., held], truth[:, held], np.exp(log_beta))
        total += size * mean(_smoothed(lost, n - size, len(rivals) + 1))
    return np.asarray(total / n)


def _guess(rivals: Floats, truth: Floats, ends: Ints) -> Floats:
    """First guess `(S, folds)` of the log beta of all folds but one: a step from where the first fold has its own.

    Args:
        rivals: `(K - 1, S, n)`, fold after fold.
        truth: `(S, n)`.
        ends: `(folds,)` where folds end.
    """
    first = slice(ends[0])
    x = _solve(rivals[..., first], truth[:, first], np.zeros(len(truth)))
    x = np.where(np.abs(x) < LOG_BETA_BOUND, x, 0.0)
    starts = np.concatenate([[0], ends[:-1]])
    sums = [np.add.reduceat(rows, starts, axis=-1) for rows in _derivatives(rivals, truth, np.exp(x))]
    step, _ = _step(x[:, None], *(np.sum(each, axis=-1, keepdims=True) - each for each in sums))
    return np.where(np.abs(step) < LOG_BETA_BOUND, step, x[:, None])


def _smoothed(losses: Floats, rows: int, K: int) -> Floats:
    """-log of (rows * p + 1/K) / (rows + 1), with losses = -log p."""
    return -np.log((rows * np.exp(-losses) + 1.0 / K) / (rows + 1.0))


def _rivals(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """Logits minus the row's largest: of its other classes `(K - 1, ..., n)`, and of the labels `(..., n)`."""
    z = np.asarray(logits)
    if z.ndim < 2 or z.shape[-2] < 1 or z.shape[-1] < 2 or not np.isfinite(z).all():
        raise ValueError(f"logits must be finite of shape (..., n, K) with n >= 1 and K >= 2, got shape {z.shape}")
    y, z = checked_labels(labels, z.shape), by_class(z)
    top = top_label(z)
    margins = np.moveaxis(z, -1, 0) - top.confidence
    truth = np.take_along_axis(margins, y[None], axis=0)[0]
    for k, margin in enumerate(margins[:-1]):
        np.putmask(margin, top.predicted == k, margins[-1])
    return margins[:-1], truth


def _blocks(members: Ints, rows: int) -> Iterator[Ints]:
    size = max(1, _BLOCK // rows)
    return (members[i : i + size] for i in range(0, members.size, size))


def _solve(rivals: Floats, truth: Floats, start: Floats) -> Floats:
    """Best log beta of each member from its margins, rivals `(K - 1, S, n)` and truth `(S, n)`; first guess `(S,)`."""
    label = mean(truth)
    endless = label >= 0.0
    # At beta = 0 all classes are equally likely: a convex loss whose slope is not negative there rises ever after.
    hopeless = ~endless & (sum(mean(rival) for rival in rivals) >= label * (len(rivals) + 1))
    log_beta = LOG_BETA_BOUND * (endless.astype(np.float64) - hopeless)
    for few in _blocks(np.flatnonzero(~(endless | hopeless)), truth.shape[-1]):
        log_beta[few] = _find_root(rivals[:, few], truth[few], start[few])
    return log_beta


def _find_root(rivals: Floats, truth: Floats, start: Floats) -> Floats:
    """Root of the slope in log beta; a member stops on its own, so its bits do not depend on the others."""
    root, x, todo = start.copy(), start, np.arange(len(truth))
    low, high = np.full_like(x, -LOG_BETA_BOUND), np.full_like(x, LOG_BETA_BOUND)
    for _ in range(_MAX_STEPS):
        slopes = [mean(rows) for rows in _derivatives(rivals, truth, np.exp(x))]
        low, high = np.where(slopes[0] < 0, x, low), np.where(slopes[0] < 0, high, x)
        step, bend = _step(x, *slopes)
        step = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
        change = np.abs(step - x)
        # Halley's error is cubic; where the slope bends too much for that, a step this small leaves about its square.
        done = (change**2 < _TOLERANCE) | (change * (np.square(bend) + change**2) < _TOLERANCE)
        root[todo] = x = step
        if done.all():
            break
        if done.any():
            x, low, high, todo = x[~done], low[~done], high[~done], todo[~done]
            rivals, truth = rivals[:, ~done], truth[~done]
    return root


def _step(x: Floats, first: Floats, second: Floats, third: Floats) -> tuple[Floats, Floats]:
    """Halley's step from log beta towards the root of the slope, and by which share it differs from Newton's.

    Both are anything where the slope is flat. The share is at most a half, lest a step look small that is not.

    Args:
        x: Log beta.
        first: Derivative of the loss in beta.
        second: Its second derivative.
        third: Its third derivative.
    """
    beta = np.exp(x)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        newton = first / (beta * second)
        bend = np.clip(0.5 * newton * (1.0 + beta * third / second), -0.5, 0.5)
        return x - newton / (1.0 - bend), bend


def _derivatives(rivals: Floats, truth: Floats, beta: Floats) -> tuple[Floats, Floats, Floats]:
    """First three derivatives in beta of each row's loss: cumulants of its margins, whose largest is 0."""
    moments = np.zeros((4, *truth.shape))
    moments[0] = 1.0
    for rival in rivals:
        weight = beta[:, None] * rival
        np.exp(weight, out=weight)
        moments[0] += weight
        for power in (1, 2, 3):
            weight *= rival
            moments[power] += weight
    first, second, third = moments[1:] / moments[0]
    square = np.square(first)
    return first - truth, second - square, third - first * (3.0 * second - 2.0 * square)


def _losses(rivals: Floats, truth: Floats, beta: Floats) -> Floats:
    total = np.ones(truth.shape)
    for rival in rivals:
        total += np.exp(beta[..., None] * rival)
    return np.log(total) - beta[..., None] * truth
