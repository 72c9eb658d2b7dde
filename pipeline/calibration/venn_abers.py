"""Inductive Venn-Abers calibration, one class against the rest.

For a row with score s, isotonic regression is fitted on the calibration rows and (s, 0), then on them and (s, 1); its
values at s are p0 and p1. They are merged to p1 / (1 - p0 + p1), which minimises the worst regret in log-loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.calibration.affine import AffineCalibrator, fit_shared_slope
from pipeline.metrics.probabilities import Floats, checked_labels, softmax
from pipeline.metrics.ranking import rank, tie_counts

Corner = tuple[int, int]
"""Of a cumulative sum diagram: rows, and how many of them are of the class."""


@dataclass(frozen=True)
class VennAbersCalibrator:
    """The merged probability of every class, scaled to sum to 1; n rows let none fall below 1 / (n + 2) before that.

    Attributes:
        base: Makes the probabilities that serve as scores.
        scores: Of each class, `(m,)` different scores of the rows that it was fitted on, rising.
        low: Of each class, `(m + 1,)` p0 above so many scores, in [0, 1).
        high: Of each class, `(m + 1,)` p1 above so many scores, in (0, 1]; equal ones do not count.
    """

    base: AffineCalibrator
    scores: tuple[Floats, ...]
    low: tuple[Floats, ...]
    high: tuple[Floats, ...]

    def calibrate(self, logits: ArrayLike) -> Floats:
        """Log-probabilities `(n, K)` of logits `(n, K)`, finite; a row's bits depend on no other row."""
        probs = softmax(self.base.calibrate(logits))[0]
        columns = zip(probs.T, self.scores, self.low, self.high, strict=True)
        merged = np.stack([_merged(*column) for column in columns])
        return np.asarray(np.log(merged / np.add.reduce(merged, axis=0)).T)


def fit_venn_abers(logits: ArrayLike, labels: ArrayLike) -> VennAbersCalibrator:
    """Venn-Abers calibration of each class's probability after temperature or Platt scaling.

    Args:
        logits: `(n, K)` finite, of rows that no network was trained on.
        labels: `(n,)` integers in [0, K).

    Raises:
        ValueError: If shapes, logits or labels are not as above.

    Reference:
        Vovk & Petej 2014, UAI; Vovk, Petej & Fedorova 2015, NeurIPS, algorithms 1 to 4.
    """
    base = fit_shared_slope(logits, labels)
    probs = softmax(base.calibrate(logits))[0]
    y = checked_labels(labels, probs.shape)
    ranked = rank(probs.T, y == np.arange(probs.shape[-1])[:, None])
    scores, low, high = [], [], []
    for confidence, correct in zip(ranked.confidence, ranked.correct, strict=True):
        counts, positives = (values.astype(np.int64).tolist() for values in tie_counts(confidence, correct))
        negatives = [count - positive for count, positive in zip(counts, positives, strict=True)]
        scores.append(np.unique(confidence))
        high.append(np.array(with_one_more(counts, positives)))
        low.append(1.0 - np.array(with_one_more(counts[::-1], negatives[::-1]))[::-1])
    return VennAbersCalibrator(base, tuple(scores), tuple(low), tuple(high))


def with_one_more(counts: Sequence[int], positives: Sequence[int]) -> list[float]:
    """Isotonic regression at one more positive row, before each group of rows and after all of them.

    The cumulative sum diagram has a step (1, 1) for that row; the value is the slope there of its greatest convex
    minorant. As the step moves past a group, the minorant changes from the step on only, and the corners of it that lie
    there are kept on a stack, the leftmost on top.

    Args:
        counts: rows of each group, by rising score.
        positives: how many of them are positive.

    >>> with_one_more([1, 1], [0, 1])
    [0.5, 1.0, 1.0]
    """
    corners: list[Corner] = [(-1, -1), (0, 0)]
    for count, positive in zip(counts, positives, strict=True):
        corners.append((corners[-1][0] + count, corners[-1][1] + positive))
    stack: list[Corner] = []
    for corner in reversed(corners):
        _push(stack, corner)
    values = []
    for rows, positive in corners[2:]:
        (x, y), (right, up) = stack[-1], stack[-2]
        values.append((up - y) / (right - x))
        before = (rows - 1, positive - 1)
        if _turn(stack[-1], before, stack[-2]) > 0:
            stack.pop()
            _push(stack, before)
    return [*values, 1.0]


def _push(stack: list[Corner], corner: Corner) -> None:
    """Put a corner left of all others, and take out those that lie above the minorant then."""
    while len(stack) > 1 and _turn(corner, stack[-1], stack[-2]) <= 0:
        stack.pop()
    stack.append(corner)


def _turn(a: Corner, b: Corner, c: Corner) -> int:
    """Above 0 where b lies below the line from a to c, 0 where it lies on it."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _merged(probs: Floats, scores: Floats, low: Floats, high: Floats) -> Floats:
    p0 = low[np.searchsorted(scores, probs, side="right")]
    p1 = high[np.searchsorted(scores, probs, side="left")]
    return np.asarray(p1 / (1.0 - p0 + p1))
