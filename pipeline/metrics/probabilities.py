"""Probabilities: softmax, checks of probabilities and labels, and the top label.

Arrays are `(..., n, K)`, labels `(..., n)`, in float64. Rows are summed along their own contiguous axis and never
through BLAS, so a member scores the same bits alone and in a stack.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Top:
    """The label that each row favours.

    Attributes:
        confidence: `(..., n)` its probability.
        predicted: `(..., n)` its class; ties go to the lowest index.
    """

    confidence: Floats
    predicted: Ints

    @cached_property
    def order(self) -> Ints:
        """Rows `(..., n)` by rising confidence; equal ones in any order."""
        return np.argsort(self.confidence, axis=-1)


def by_class(values: ArrayLike) -> Floats:
    """Values `(..., n, K)` as float64, stored class by class: a view with the class axis moved last."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(np.asarray(values), -1, 0), dtype=np.float64), 0, -1)


def softmax(logits: ArrayLike) -> tuple[Floats, Floats]:
    """Probabilities of logits `(..., n, K)` and their logarithms, finite for every finite logit; as `by_class`."""
    margins = np.array(np.moveaxis(np.asarray(logits), -1, 0), dtype=np.float64, order="C")
    margins -= np.maximum.reduce(margins, axis=0)
    weights = np.exp(margins)
    total = np.add.reduce(weights, axis=0)
    weights /= total
    margins -= np.log(total, out=total)
    return np.moveaxis(weights, 0, -1), np.moveaxis(margins, 0, -1)


def log_softmax(logits: ArrayLike) -> Floats:
    """Log-probabilities of logits `(..., n, K)`, finite for every finite logit, stored as `by_class`."""
    return softmax(logits)[1]


def checked_probabilities(probs: ArrayLike, name: str = "probs") -> Floats:
    """Probabilities `(..., n, K)` in float64.

    Raises:
        ValueError: If the shape is another, or a value lies outside [0, 1].
    """
    s = np.asarray(probs, dtype=np.float64)
    if s.ndim < 2 or s.shape[-2] < 1 or s.shape[-1] < 2:
        raise ValueError(f"{name} must have shape (..., n, K) with n >= 1 and K >= 2, got {s.shape}")
    if not (s.min(initial=0.0) >= 0.0 and s.max(initial=0.0) <= 1.0):
        raise ValueError(f"{name} must lie in [0, 1], got values from {s.min()} to {s.max()}")
    return s


def checked_labels(labels: ArrayLike, shape: tuple[int, ...]) -> Ints:
    """Labels `(..., n)` of predictions with this shape `(..., n, K)`.

    Raises:
        ValueError: If they are no integers, have another shape, or lie outside [0, K).
    """
    y = np.asarray(labels)
    if y.shape != shape[:-1] or y.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers of shape {shape[:-1]}, got {y.dtype} of shape {y.shape}")
    if not (y.min(initial=0) >= 0 and y.max(initial=0) < shape[-1]):
        raise ValueError(f"labels must lie in [0, {shape[-1]}), got values from {y.min()} to {y.max()}")
    return y.astype(np.int64, copy=False)


def top_label(values: Floats) -> Top:
    """The largest of each row's values `(..., n, K)`, class by class (faster than argmax over a short axis)."""
    confidence = np.array(values[..., 0], order="C")
    predicted = np.zeros(confidence.shape, dtype=np.int64)
    for k in range(1, values.shape[-1]):
        np.putmask(predicted, values[..., k] > confidence, k)
        np.maximum(confidence, values[..., k], out=confidence)
    return Top(confidence, predicted)


def pick(values: Floats, classes: Ints) -> Floats:
    """Each row of values `(..., n, K)` at its class `(..., n)`."""
    return np.take_along_axis(values, classes[..., None], axis=-1)[..., 0]


def mean(rows: ArrayLike) -> Floats:
    """Mean over the last axis, made contiguous first: the order of additions must not depend on the stack."""
    means: Floats = np.mean(np.ascontiguousarray(rows), axis=-1, dtype=np.float64)
    return means
