"""Student t intervals of means over seeds, of paired differences and of ratios (Fieller).

Many columns (metrics, points) at once: arrays are (*columns, seeds) and the last axis is reduced. No BLAS product is
used, so a column has the same bits in any company.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy  # loads scipy.special on first use
from jaxtyping import Float


class Interval(NamedTuple):
    """A mean over seeds and the two ends of its interval."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Difference(NamedTuple):
    """A mean paired difference, the two ends of its interval and the two-sided p value of "no difference"."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


@dataclass(frozen=True)
class Widening:
    """What makes a mean over seeds less certain than that of as many independent ones.

    Numbers, or one per column.
    """

    inflation: float | np.ndarray = 0.0
    """rho / (1 - rho) for seeds whose results correlate by rho: the variance of the mean is s^2 (1/S + inflation)."""
    freedom: float | np.ndarray = math.nan
    """Degrees of freedom of that variance's estimate; NaN stands for S - 1."""


INDEPENDENT = Widening()


def mean_interval(
    values: Float[np.ndarray, "*columns seeds"], *, confidence: float = 0.95, widening: Widening = INDEPENDENT
) -> Interval:
    """Mean over seeds with its Student t interval, widened where seeds share data.

    Every field is (*columns,). NaN where a seed is not finite; the ends are NaN with a single seed.

    Raises:
        ValueError: `confidence` is not within (0, 1), an inflation is negative, or there is no seed.

    Reference:
        Nadeau & Bengio 2003, Inference for the Generalization Error: the corrected resampled t test. Their surrogate
        rho = n_test / (n_test + n_train) is not used: see `pipeline.statistics.shared_rows`.
    """
    mean, deviations = centred(values)
    half = _quantile(deviations, widening, confidence) * _standard_error(deviations, widening)
    return Interval(mean, np.asarray(mean - half), np.asarray(mean + half))


def paired_difference(
    a: Float[np.ndarray, "*columns seeds"],
    b: Float[np.ndarray, "*#columns seeds"],
    *,
    confidence: float = 0.95,
    widening: Widening = INDEPENDENT,
) -> Difference:
    """Mean of a - b over paired seeds, its t interval as in `mean_interval`, and the two-sided p value.

    Where the difference is the same for every seed the interval is that one number, and p is 1 if it is zero,
    0 if not.

    Raises:
        ValueError: seeds do not pair up, or as in `mean_interval`.

    Reference:
        Nadeau & Bengio 2003; of independent seeds the paired t test of Student 1908.

    >>> paired_difference(np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 3.0])).p
    array(0.)
    """
    mean, deviations = centred(paired(a, b))
    error = _standard_error(deviations, widening)
    half = _quantile(deviations, widening, confidence) * error
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        p = 2 * scipy.special.stdtr(_freedom(deviations, widening), -np.abs(mean) / error)
    p = np.where(error == 0, np.where(mean == 0, 1.0, 0.0), p)
    return Difference(mean, np.asarray(mean - half), np.asarray(mean + half), p)


def mean_ratio(
    a: Float[np.ndarray, "*columns seeds"],
    b: Float[np.ndarray, "*#columns seeds"],
    *,
    confidence: float = 0.95,
    widening: Widening | tuple[Widening, Widening, Widening] = INDEPENDENT,
) -> Interval:
    """mean(a) / mean(b) over paired seeds with Fieller's interval: the share of a gap that is left, for example.

    Every field is (*columns,). All NaN where the mean of b cannot be told from zero, since a ratio to it then has
    no bounded interval. The widening is one for all, or those of a, of b and of a - b, of which the fewest degrees of
    freedom count.

    Raises:
        ValueError: as in `paired_difference`.

    Reference:
        Fieller 1954, Some problems in interval estimation; variance factor of Nadeau & Bengio 2003.
    """
    a, b = np.broadcast_arrays(a, b)
    (top, a_deviations), (bottom, b_deviations) = centred(a), centred(b)
    each = widening if isinstance(widening, tuple) else (widening, widening, widening)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        sides = [*zip((a_deviations, b_deviations, a_deviations - b_deviations), each, strict=True)]
        quantile = np.max(np.broadcast_arrays(*(_quantile(*side, confidence) for side in sides)), axis=0)
        q_aa, q_bb, q_difference = ((quantile * _standard_error(*side)) ** 2 for side in sides)
        q_ab = (q_aa + q_bb - q_difference) / 2
        leading, middle, constant = bottom**2 - q_bb, top * bottom - q_ab, top**2 - q_aa
        root = np.sqrt(np.maximum(middle**2 - leading * constant, 0.0))
        ends = np.stack([top / bottom, (middle - root) / leading, (middle + root) / leading])
    return Interval(*np.where(leading > 0, ends, np.nan))


def check_confidence(confidence: float) -> None:
    """Raise ValueError unless a confidence lies within (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")


def paired(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differences a - b of seeds that pair up."""
    if a.shape[-1:] != b.shape[-1:]:
        raise ValueError(f"a and b must have the same seeds along their last axis, got shapes {a.shape} and {b.shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(a - b)


def centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the last axis and the deviations from it: exact where all seeds are equal, NaN where not finite."""
    values = np.ascontiguousarray(values, dtype=np.float64)
    if values.shape[-1] == 0:
        raise ValueError(f"values must have one seed or more along the last axis, got shape {values.shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        offsets = values - values[..., :1]
        shift = np.mean(offsets, axis=-1, keepdims=True)
        mean = (values[..., :1] + shift)[..., 0]
        return np.where(np.isfinite(mean), mean, np.nan), offsets - shift


def variance(deviations: np.ndarray) -> np.ndarray:
    """Sample variance (*columns,) from deviations (*columns, seeds); NaN with a single seed."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(np.sum(np.square(deviations), axis=-1) / np.float64(deviations.shape[-1] - 1))


def _standard_error(deviations: np.ndarray, widening: Widening) -> np.ndarray:
    if np.any(np.asarray(widening.inflation) < 0):
        raise ValueError(f"inflation (rho / (1 - rho)) must be 0 or more, got {widening.inflation}")
    return np.asarray(np.sqrt(variance(deviations) * (1 / deviations.shape[-1] + widening.inflation)))


def _freedom(deviations: np.ndarray, widening: Widening) -> np.ndarray:
    return np.where(np.isnan(widening.freedom), deviations.shape[-1] - 1, widening.freedom)


def _quantile(deviations: np.ndarray, widening: Widening, confidence: float) -> np.ndarray:
    check_confidence(confidence)
    freedom = _freedom(deviations, widening)
    return np.asarray(np.where(freedom > 0, scipy.special.stdtrit(freedom, (1 + confidence) / 2), np.nan))
