"""Platt scaling: a slope and an intercept on the logit difference of two classes."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from pipeline.metrics.probabilities import Floats, Ints, mean

_SMALLEST = np.exp(-10.0)  # slope by standard deviations of the difference: 0 would end the order of rows
_DONE = 1e-14  # squared Newton decrement before the last step, which leaves about its square
_MAX_STEPS = 200
_RIDGE = 1e-12


@dataclass(frozen=True)
class Platt:
    """Rows to be scaled by softmax(slope * z + (0, intercept)).

    Attributes:
        difference: `(S, n)` logit of class 1 minus that of class 0.
        labels: `(S, n)` 0 or 1.

    Reference:
        Platt 1999, Probabilistic outputs for support vector machines; here the targets are smoothed by one uniform row.
    """

    difference: Floats
    labels: Ints

    @classmethod
    def of(cls, logits: Floats, labels: Ints) -> Self:
        """The rows of logits `(S, n, 2)` with labels `(S, n)`."""
        z = np.asarray(logits, dtype=np.float64)
        return cls(z[..., 1] - z[..., 0], labels)

    def rows(self, rows: Ints | slice) -> Self:
        """Some of the rows."""
        return type(self)(self.difference[:, rows], self.labels[:, rows])

    def losses(self, parameters: Floats) -> Floats:
        """Log-losses `(S, n)` with slope and intercept `(S, 2)`, nats."""
        z = parameters[:, :1] * self.difference + parameters[:, 1:]
        return np.asarray(np.logaddexp(0.0, z) - self.labels * z)

    def fit(self, start: Floats | None = None) -> Floats:
        """Slope and intercept `(S, 2)` of least mean log-loss, where one uniform row's target is spread over the rows.

        Rows that are all predicted correctly have so a best slope too. Where the best slope is not positive, or all
        differences are equal, it is all but 0, and the base rates are predicted.

        Args:
            start: `(S, 2)` first guess.
        """
        n = self.labels.shape[1]
        targets = (n * self.labels + 0.5) / (n + 1)
        centre = mean(self.difference)
        spread = np.sqrt(mean(np.square(self.difference - centre[:, None])))
        scale = np.where(spread > 0, spread, 1.0)
        rates = mean(targets)
        x = np.stack([np.zeros(len(rates)), np.log(rates / (1 - rates))], axis=1)
        if start is not None:
            x = np.stack([start[:, 0] * scale, start[:, 1] + start[:, 0] * centre], axis=1)
        best = _minimum((self.difference - centre[:, None]) / scale[:, None], targets, x)
        flat = best[:, 0] < _SMALLEST
        slope = np.where(flat, _SMALLEST, best[:, 0]) / scale
        intercept = np.where(flat, np.log(rates / (1 - rates)), best[:, 1]) - slope * centre
        return np.stack([slope, intercept], axis=1)


def _minimum(x: Floats, targets: Floats, start: Floats) -> Floats:
    """Slope and intercept `(S, 2)` of least loss, by Newton's steps, halved where they lead too far uphill.

    The loss is convex: along a step its slope rises from below 0, and where it stays below half of that in size, the
    step is taken. A member stops on its own, so its bits do not depend on the others.

    Args:
        x: `(S, n)` standardized.
        targets: `(S, n)` probabilities of class 1, neither all 0 nor all 1.
        start: `(S, 2)` first guess.
    """
    best, todo = start.copy(), np.arange(len(start))
    gradient, step = _newton(x, targets, start)
    for _ in range(_MAX_STEPS):
        tried, downhill = best[todo] + step, _product(gradient, step)
        going = downhill < -_DONE
        best[todo[~going]] = tried[~going]
        if not going.any():
            break
        todo, x, targets, tried, downhill = todo[going], x[going], targets[going], tried[going], downhill[going]
        there, following = _newton(x, targets, tried)
        taken = (_product(there, step[going]) <= -0.5 * downhill)[:, None]
        best[todo] = np.where(taken, tried, best[todo])
        gradient = np.where(taken, there, gradient[going])
        step = np.where(taken, following, 0.5 * step[going])
    return best


def _product(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1])


def _newton(x: Floats, targets: Floats, parameters: Floats) -> tuple[Floats, Floats]:
    """Gradient of the mean loss and Newton's step from these parameters, `(S, 2)` each."""
    p = np.tanh(0.5 * (parameters[:, :1] * x + parameters[:, 1:]))
    away, weight = 0.5 * (p + 1.0) - targets, 0.25 * (1.0 - p * p)
    g0, g1 = mean(away * x), mean(away)
    weighted = weight * x
    h00, h01, h11 = mean(weighted * x) + _RIDGE, mean(weighted), mean(weight) + _RIDGE
    determinant = h00 * h11 - h01 * h01
    step = np.stack([h01 * g1 - h11 * g0, h01 * g0 - h00 * g1], axis=1) / determinant[:, None]
    return np.stack([g0, g1], axis=1), step
