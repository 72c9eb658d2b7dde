"""Temperature scaling: one factor of all logits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from pipeline.metrics.probabilities import Floats, Ints, by_class, mean, top_label

LOG_BETA_BOUND = 10.0
_TOLERANCE = 1e-12  # error in log beta that the last step is expected to leave
_MAX_STEPS = 100
_BLOCK = 1 << 14  # rows solved at a time: they should stay in the processor's cache


@dataclass(frozen=True)
class Temperature:
    """Rows to be scaled by softmax(beta * z), beta being 1 / T.

    Attributes:
        rivals: `(K - 1, S, n)` logits minus the row's largest, of its other classes.
        truth: `(S, n)` logits of the labels minus the row's largest.

    Reference:
        Guo et al. 2017, ICML, eq. 9; here the targets are smoothed by one uniform row.
    """

    rivals: Floats
    truth: Floats

    @classmethod
    def of(cls, logits: Floats, labels: Ints) -> Self:
        """The rows of logits `(S, n, K)` with labels `(S, n)`."""
        z = by_class(logits)
        top = top_label(z)
        margins = np.moveaxis(z, -1, 0) - top.confidence
        truth = np.take_along_axis(margins, labels[None], axis=0)[0]
        for k, margin in enumerate(margins[:-1]):
            np.putmask(margin, top.predicted == k, margins[-1])
        return cls(margins[:-1], truth)

    def rows(self, rows: Ints | slice) -> Self:
        """Some of the rows."""
        return type(self)(self.rivals[..., rows], self.truth[:, rows])

    def losses(self, parameters: Floats) -> Floats:
        """Log-losses `(S, n)` with beta `(S, 1)`, nats."""
        beta, total = parameters[:, :1], np.ones(self.truth.shape)
        for rival in self.rivals:
            total += np.exp(beta * rival)
        return np.asarray(np.log(total) - beta * self.truth)

    def fit(self, start: Floats | None = None) -> Floats:
        """Beta `(S, 1)` of least mean log-loss, where one uniform row's target is spread over the rows.

        Rows that are all predicted correctly have so a best beta too. Log beta lies in [-10, 10]: rows predicted worse
        than at random want none. The loss is convex in beta, so its slope has one root: Halley's steps on log beta,
        halving the bracket whenever a step would leave it.

        Args:
            start: `(S, 1)` first guess.
        """
        n, K = self.truth.shape[1], len(self.rivals) + 1
        target = (n * self.truth + np.add.reduce(self.rivals, axis=0) / K) / (n + 1)
        guess = np.zeros(len(target)) if start is None else np.log(start[:, 0])
        return np.asarray(np.exp(_solve(self.rivals, target, guess))[:, None])


def _blocks(members: Ints, rows: int) -> Iterator[Ints]:
    size = max(1, _BLOCK // rows)
    return (members[i : i + size] for i in range(0, members.size, size))


def _solve(rivals: Floats, truth: Floats, start: Floats) -> Floats:
    """Best log beta of each member from its margins, rivals `(K - 1, S, n)` and truth `(S, n)`; first guess `(S,)`."""
    # At beta = 0 all classes are equally likely: a convex loss whose slope is not negative there rises ever after.
    hopeless = sum(mean(rival) for rival in rivals) >= mean(truth) * (len(rivals) + 1)
    log_beta = np.where(hopeless, -LOG_BETA_BOUND, 0.0)
    for few in _blocks(np.flatnonzero(~hopeless), truth.shape[-1]):
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
