"""Predictions: class probabilities of rows beside their labels, with what several metrics need of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.metrics.probabilities import (
    Bools,
    Floats,
    Ints,
    Top,
    checked_labels,
    checked_probabilities,
    softmax,
    top_label,
)
from pipeline.metrics.ranking import Ranked, isotonic_fit, rank, rank_truth, tie_means

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a stack of members predicts, and what is known of the rows: the argument of every metric.

    Made by `from_logits` or `from_probabilities`, which check their arguments. All else is computed once, when first
    asked for: the top label, its rows ranked by confidence, the isotonic fit.

    Attributes:
        probs: `(..., n, K)` probabilities in [0, 1].
        log_probs: `(..., n, K)` their logarithms, in nats; finite from logits, where a probability may underflow to 0.
        known_labels: `(..., n)` integers in [0, K), or None; see `labels`.
        known_posterior: `(..., n, K)` true probabilities, or None; see `posterior`.

    Examples:
        >>> predictions = Predictions.from_probabilities([[0.8, 0.2], [0.4, 0.6]], [0, 0])
        >>> predictions.top.confidence.tolist(), predictions.correct.tolist()
        ([0.8, 0.6], [True, False])
    """

    probs: Floats
    log_probs: Floats
    known_labels: Ints | None = None
    known_posterior: Floats | None = None

    @classmethod
    def from_logits(
        cls, logits: ArrayLike, labels: ArrayLike | None = None, *, posterior: ArrayLike | None = None
    ) -> "Predictions":
        """Predictions from finite logits `(..., n, K)`, by softmax in float64.

        Args:
            logits: `(..., n, K)` finite.
            labels: `(..., n)` integers in [0, K), if known.
            posterior: `(..., n, K)` true probabilities, if known; leading axes may broadcast.

        Raises:
            ValueError: If shapes, labels or probabilities are not as above.
        """
        probs, log_probs = softmax(logits)
        return cls(probs, log_probs, *_known(probs.shape, labels, posterior))

    @classmethod
    def from_probabilities(
        cls, probs: ArrayLike, labels: ArrayLike | None = None, *, posterior: ArrayLike | None = None
    ) -> "Predictions":
        """Predictions from probabilities `(..., n, K)`; one of exactly 0 has the logarithm -inf, nothing is clipped.

        Args:
            probs: `(..., n, K)` in [0, 1].
            labels: `(..., n)` integers in [0, K), if known.
            posterior: `(..., n, K)` true probabilities, if known; leading axes may broadcast.

        Raises:
            ValueError: If shapes, labels or probabilities are not as above.
        """
        s = checked_probabilities(probs)
        with np.errstate(divide="ignore"):
            return cls(s, np.log(s), *_known(s.shape, labels, posterior))

    @property
    def labels(self) -> Ints:
        """Labels `(..., n)`.

        Raises:
            ValueError: If the predictions were made without.
        """
        if self.known_labels is None:
            raise ValueError("predictions must come with labels, got none")
        return self.known_labels

    @property
    def posterior(self) -> Floats:
        """True probabilities `(..., n, K)`.

        Raises:
            ValueError: If the predictions were made without.
        """
        if self.known_posterior is None:
            raise ValueError("predictions must come with the posterior, got none")
        return self.known_posterior

    @cached_property
    def top(self) -> Top:
        """The label that each row favours, with its confidence."""
        return top_label(self.probs)

    @cached_property
    def correct(self) -> Bools:
        """Whether the top label is the row's `(..., n)`."""
        return np.asarray(self.top.predicted == self.labels)

    @cached_property
    def ranked(self) -> Ranked:
        """The top label's confidences in rising order, with whether it is correct."""
        return rank(self.top.confidence, self.correct)

    @cached_property
    def ranked_class_one(self) -> Ranked:
        """The probabilities of class 1 of two in rising order, with whether it is the row's.

        Raises:
            ValueError: If there are more classes, or no labels.
        """
        if self.probs.shape[-1] != 2:
            raise ValueError(f"predictions must be of two classes, got {self.probs.shape[-1]}")
        return rank(self.probs[..., 1], self.labels == 1)

    @cached_property
    def ranked_classes(self) -> Ranked:
        """The probabilities of every class `(K, ..., n)`, each in rising order, with whether it is the row's."""
        classes = np.arange(self.probs.shape[-1]).reshape(-1, *[1] * self.labels.ndim)
        return rank(np.moveaxis(self.probs, -1, 0), self.labels == classes)

    @cached_property
    def ranked_truth(self) -> Ranked:
        """The top label's confidences in rising order, with its true probabilities."""
        return rank_truth(self.top, self.posterior)

    @cached_property
    def isotonic(self) -> Floats:
        """Isotonic regression of correctness on confidence `(..., n)`, in the order of `ranked`."""
        return isotonic_fit(self.ranked)

    @cached_property
    def errors_by_coverage(self) -> Floats:
        """Expected number of errors among the k most confident rows, k = 1..n `(..., n)`; ties in random order."""
        return np.cumsum(1.0 - tie_means(self.ranked)[..., ::-1], axis=-1)

    def rows(self, index: Ints) -> "Predictions":
        """Groups of the rows as predictions of their own, `(S, G, m, K)`; without the posterior.

        Args:
            index: `(S, G, m)` positions of each group's rows, for predictions `(S, n, K)`.
        """
        probs, log_probs = (
            np.moveaxis(np.stack([_take(values[..., k], index) for k in range(values.shape[-1])]), 0, -1)
            for values in (self.probs, self.log_probs)
        )
        return Predictions(probs, log_probs, _take(self.labels, index))


def _known(
    shape: tuple[int, ...], labels: ArrayLike | None, posterior: ArrayLike | None
) -> tuple[Ints | None, Floats | None]:
    """Labels and posterior, checked for predictions of this shape `(..., n, K)`."""
    y = None if labels is None else checked_labels(labels, shape)
    q = None if posterior is None else np.broadcast_to(checked_probabilities(posterior, "posterior"), shape)
    return y, q


def _take(values: NDArray[Value], index: Ints) -> NDArray[Value]:
    """Values `(S, n)` at the positions `(S, G, m)`."""
    return np.take_along_axis(values, index.reshape(len(index), -1), axis=-1).reshape(index.shape)
