"""Is one regularizer better than another, by how much, and would more seeds settle it?

Many columns (metrics, points) at once: arrays are (*columns, seeds) and the last axis is reduced. No BLAS
product is used and wins are counted in integers, so a column has the same bits in any company.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
import scipy  # loads scipy.special on first use
from jaxtyping import Bool, Float, Int, Shaped

Direction = Literal["lower", "higher"]


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


class Probability(NamedTuple):
    """P(A better than B) over paired seeds and the two ends of its bootstrap interval."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def mean_interval(
    values: Float[np.ndarray, "*columns seeds"], *, confidence: float = 0.95, inflation: float | np.ndarray = 0.0
) -> Interval:
    """Mean over seeds with its Student t interval, widened where seeds share data.

    `inflation` is rho / (1 - rho) for seeds whose results correlate by rho because they resplit one data set, 0 for
    fresh draws (a number, or one per column): the variance of the mean is s^2 (1/S + inflation). Every field is
    (*columns,). NaN where a seed is not finite; the ends are NaN with a single seed.

    Raises:
        ValueError: `confidence` is not within (0, 1), `inflation` is negative, or there is no seed.

    Reference:
        Nadeau & Bengio 2003, Inference for the Generalization Error: the corrected resampled t test. Their surrogate
        rho = n_test / (n_test + n_train) is not used: see `pipeline.statistics.overlap`.
    """
    mean, deviations = centred(values)
    half = _quantile(deviations, confidence) * _standard_error(deviations, inflation)
    return Interval(mean, np.asarray(mean - half), np.asarray(mean + half))


def paired_difference(
    a: Float[np.ndarray, "*columns seeds"],
    b: Float[np.ndarray, "*#columns seeds"],
    *,
    confidence: float = 0.95,
    inflation: float | np.ndarray = 0.0,
) -> Difference:
    """Mean of a - b over paired seeds, its t interval as in `mean_interval`, and the two-sided p value.

    Where the difference is the same for every seed the interval is that one number, and p is 1 if it is zero,
    0 if not.

    Raises:
        ValueError: seeds do not pair up, or as in `mean_interval`.

    Reference:
        Nadeau & Bengio 2003; with inflation 0 the paired t test of Student 1908.

    >>> paired_difference(np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 3.0])).p
    array(0.)
    """
    mean, deviations = centred(_paired(a, b))
    error = _standard_error(deviations, inflation)
    half = _quantile(deviations, confidence) * error
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        p = 2 * scipy.special.stdtr(deviations.shape[-1] - 1, -np.abs(mean) / error)
    p = np.where(error == 0, np.where(mean == 0, 1.0, 0.0), p)
    return Difference(mean, np.asarray(mean - half), np.asarray(mean + half), p)


def mean_ratio(
    a: Float[np.ndarray, "*columns seeds"],
    b: Float[np.ndarray, "*#columns seeds"],
    *,
    confidence: float = 0.95,
    inflation: float | np.ndarray | tuple[np.ndarray, np.ndarray, np.ndarray] = 0.0,
) -> Interval:
    """mean(a) / mean(b) over paired seeds with Fieller's interval: the share of a gap that is left, for example.

    Every field is (*columns,). All NaN where the mean of b cannot be told from zero, since a ratio to it then has
    no bounded interval. `inflation` is as in `mean_interval`, one for all or those of a, of b and of a - b.

    Raises:
        ValueError: as in `paired_difference`.

    Reference:
        Fieller 1954, Some problems in interval estimation; variance factor of Nadeau & Bengio 2003.
    """
    a, b = np.broadcast_arrays(a, b)
    (top, a_deviations), (bottom, b_deviations) = centred(a), centred(b)
    each = inflation if isinstance(inflation, tuple) else (inflation, inflation, inflation)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        q_aa, q_bb, q_difference = (
            (_quantile(deviations, confidence) * _standard_error(deviations, one)) ** 2
            for deviations, one in zip((a_deviations, b_deviations, a_deviations - b_deviations), each, strict=True)
        )
        q_ab = (q_aa + q_bb - q_difference) / 2
        leading, middle, constant = bottom**2 - q_bb, top * bottom - q_ab, top**2 - q_aa
        root = np.sqrt(np.maximum(middle**2 - leading * constant, 0.0))
        ends = np.stack([top / bottom, (middle - root) / leading, (middle + root) / leading])
    return Interval(*np.where(leading > 0, ends, np.nan))


def probability_better(
    a: Float[np.ndarray, "*columns seeds"],
    b: Float[np.ndarray, "*#columns seeds"],
    *,
    direction: Direction,
    generator: np.random.Generator,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> Probability:
    """P(A better than B) over paired seeds, ties counting half, with a percentile bootstrap interval over seeds.

    Every field is (*columns,), in [0, 1]; NaN where a seed is NaN. All columns see the same resampled seed sets,
    drawn in one call to `generator`. Twice the wins are integers: the k-th smallest and the k-th largest resampled
    mean, k = 1 + floor(resamples (1 - confidence) / 2), are exact, and swapping a and b mirrors them exactly.

    Raises:
        ValueError: seeds do not pair up, `direction` is neither "lower" nor "higher", `resamples` is below 1, or
            `confidence` is not within (0, 1).

    Reference:
        Bouthillier et al. 2021, Accounting for Variance in Machine Learning Benchmarks, section 4 and appendix C.
    """
    _check_confidence(confidence)
    if direction not in ("lower", "higher"):
        raise ValueError(f'direction must be "lower" or "higher", got {direction!r}')
    if resamples < 1:
        raise ValueError(f"resamples must be 1 or more, got {resamples}")
    if direction == "higher":
        a, b = b, a
    points, valid = _twice_the_wins(a, b)
    columns, seeds = points.shape[:-1], points.shape[-1]
    low, high = _resampled_ends(points.reshape(-1, seeds), _seed_counts(seeds, resamples, generator), confidence)
    halves = np.stack([points.sum(axis=-1), low.reshape(columns), high.reshape(columns)])
    return Probability(*np.where(valid, halves / (2 * seeds), np.nan))


def verdict(
    p_better: Probability, *, seeds: int, gamma: float = 0.75, confidence: float = 0.95
) -> Shaped[np.ndarray, "*columns"]:
    """Words for P(A better): "better", "worse" or "no evidence", one per column.

    "better" iff the interval lies above 1/2 (not chance) and reaches above `gamma` (large enough to matter); "worse"
    is its mirror image. With fewer than `fewest_seeds(confidence)` seeds it is always "no evidence": the bootstrap
    of a handful of wins in a row is a single number, which no chance can contradict.

    Reference:
        Bouthillier et al. 2021, section 4.
    """
    enough = seeds >= fewest_seeds(confidence)
    better = enough & (p_better.low > 0.5) & (p_better.high > gamma)
    worse = enough & (p_better.high < 0.5) & (p_better.low < 1 - gamma)
    return np.where(better, "better", np.where(worse, "worse", "no evidence"))


def equivalent(
    p_better: Probability, *, seeds: int, gamma: float = 0.75, confidence: float = 0.95
) -> Bool[np.ndarray, "*columns"]:
    """Where no meaningful difference is established: all of the interval lies within (1 - gamma, gamma)."""
    enough = seeds >= fewest_seeds(confidence)
    return np.asarray(enough & (p_better.low > 1 - gamma) & (p_better.high < gamma))


def seeds_to_settle(
    p_better: Probability, *, seeds: int, gamma: float = 0.75, confidence: float = 0.95
) -> Float[np.ndarray, "*columns"]:
    """How many more seeds would settle the comparison, one way or the other, with even chances.

    0 where `verdict` decides or `equivalent` holds; NaN where P(A better) is. Elsewhere the smallest m for which, at
    n = seeds + m, half of the likely estimates or more have an interval P -+ z sqrt(P (1 - P) / n) that is decided.
    Given the seeds so far, the estimate at n is normal around the present one with variance
    P (1 - P) (1/seeds - 1/n). A plan, not a promise; ties make it an upper bound. There is always such a number:
    for gamma = .75 at 95%, 58 seeds leave no estimate undecided.

    Raises:
        ValueError: `gamma` is not within (1/2, 1).

    Reference:
        The decision rule of Bouthillier et al. 2021 with normal intervals of a proportion in place of the bootstrap.
    """
    _check_gamma(gamma)
    squared = scipy.special.ndtri((1 + confidence) / 2) ** 2
    middle = (gamma + 0.5) / 2
    most = math.floor(squared * middle * (1 - middle) / (gamma - middle) ** 2) + 1
    first = max(fewest_seeds(confidence), seeds + 1)
    totals = np.arange(first, max(first, most) + 1)
    undecided = _undecided(np.asarray(p_better.estimate), seeds=seeds, totals=totals, squared=squared, gamma=gamma)
    more = totals[np.argmax(undecided <= 0.5, axis=-1)] - seeds
    settled = equivalent(p_better, seeds=seeds, gamma=gamma, confidence=confidence)
    settled |= verdict(p_better, seeds=seeds, gamma=gamma, confidence=confidence) != "no evidence"
    return np.where(settled, 0.0, np.where(np.isnan(p_better.estimate), np.nan, more))


def fewest_seeds(confidence: float = 0.95) -> int:
    """The fewest seeds with which winning every one is significant: a two-sided sign test, 2 (1/2)^n <= 1 - confidence.

    >>> fewest_seeds(0.95)
    6
    """
    _check_confidence(confidence)
    return math.ceil(1 - math.log2(1 - confidence))


def paired_runs_needed(gamma: float = 0.75, *, alpha: float = 0.05, beta: float = 0.05) -> int:
    """Paired runs that find P(A better) = `gamma` with false positive rate `alpha` and false negative rate `beta`.

    Raises:
        ValueError: `gamma` is not within (1/2, 1), or a rate not within (0, 1/2).

    Reference:
        Noether 1987, Sample Size Determination for Some Common Nonparametric Tests; Bouthillier et al. 2021, C.3.

    >>> paired_runs_needed(0.75)
    29
    """
    _check_gamma(gamma)
    if not (0 < alpha < 0.5 and 0 < beta < 0.5):
        raise ValueError(f"alpha and beta must lie between 0 and 1/2, got {alpha} and {beta}")
    return math.ceil(float(scipy.special.ndtri(1 - alpha) - scipy.special.ndtri(beta)) ** 2 / (6 * (gamma - 0.5) ** 2))


def holm(p: Float[np.ndarray, "*columns family"]) -> Float[np.ndarray, "*columns family"]:
    """P values adjusted for the size of their family (the last axis) by Holm's step-down; NaN stay out of it.

    Reference:
        Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.

    >>> holm(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    order = np.argsort(p, axis=-1, kind="stable")
    left = np.sum(~np.isnan(p), axis=-1, keepdims=True) - np.arange(p.shape[-1])
    steps = np.minimum(np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * left, axis=-1), 1.0)
    adjusted = np.empty_like(steps)
    np.put_along_axis(adjusted, order, steps, axis=-1)
    return adjusted


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")


def _check_gamma(gamma: float) -> None:
    if not 0.5 < gamma < 1:
        raise ValueError(f"gamma must lie between 1/2 and 1, got {gamma}")


def _paired(a: np.ndarray, b: np.ndarray) -> np.ndarray:
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


def _variance_factor(seeds: int, inflation: float | np.ndarray) -> np.ndarray:
    if np.any(np.asarray(inflation) < 0):
        raise ValueError(f"inflation (rho / (1 - rho)) must be 0 or more, got {inflation}")
    return np.asarray(1 / seeds + inflation)


def _standard_error(deviations: np.ndarray, inflation: float | np.ndarray) -> np.ndarray:
    factor = _variance_factor(deviations.shape[-1], inflation)
    return np.asarray(np.sqrt(variance(deviations) * factor))


def _quantile(deviations: np.ndarray, confidence: float) -> float:
    _check_confidence(confidence)
    freedom = deviations.shape[-1] - 1
    return float(scipy.special.stdtrit(freedom, (1 + confidence) / 2)) if freedom else math.nan


def _twice_the_wins(a: np.ndarray, b: np.ndarray) -> tuple[Int[np.ndarray, "*columns seeds"], np.ndarray]:
    """2 where a is below b, 1 where they tie, 0 above; and which columns are free of NaN."""
    _paired(a, b)
    number = np.int16 if 2 * a.shape[-1] <= np.iinfo(np.int16).max else np.int32
    valid = ~np.any(np.isnan(a) | np.isnan(b), axis=-1)
    return (a < b).astype(number) + (a <= b).astype(number), np.asarray(valid)


def _seed_counts(seeds: int, resamples: int, generator: np.random.Generator) -> Int[np.ndarray, "seeds resamples"]:
    """How often each seed occurs in each resampled set of seeds."""
    drawn = generator.integers(0, seeds, size=(resamples, seeds))
    flat = np.bincount((drawn + seeds * np.arange(resamples)[:, None]).ravel(), minlength=seeds * resamples)
    return np.ascontiguousarray(flat.reshape(resamples, seeds).T)


def _resampled_ends(points: np.ndarray, counts: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """The two percentile ends, as integers, of the (columns, seeds) points summed over each resampled set."""
    columns, seeds = points.shape
    resamples = counts.shape[1]
    counts = counts.astype(points.dtype)
    rank = math.floor(resamples * (1 - confidence) / 2 + 1e-9)
    width, chunk = 2 * seeds + 1, max(1, 2**20 // resamples)
    low, high = np.empty(columns, np.int64), np.empty(columns, np.int64)
    for start in range(0, columns, chunk):
        block = points[start : start + chunk]
        totals = np.zeros((len(block), resamples), points.dtype)
        for seed in range(seeds):
            totals += block[:, seed, None] * counts[seed]
        cumulative = np.stack([np.bincount(row, minlength=width) for row in totals]).cumsum(axis=-1)
        low[start : start + chunk] = np.sum(cumulative <= rank, axis=-1)
        high[start : start + chunk] = np.sum(cumulative <= resamples - 1 - rank, axis=-1)
    return low, high


def _undecided(
    p: np.ndarray, *, seeds: int, totals: np.ndarray, squared: float, gamma: float
) -> Float[np.ndarray, "*columns totals"]:
    """The chance that a study of `seeds` with estimate p is undecided at each total; `squared` is z^2.

    The interval of an estimate lies above 1/2 from `chance` on, and below gamma up to `trivial` (Wilson 1927).
    """
    k = squared / totals
    chance = 0.5 + 0.5 * np.sqrt(k / (1 + k))
    root = np.sqrt((2 * gamma + k) ** 2 - 4 * (1 + k) * gamma**2)
    trivial = np.maximum((2 * gamma + k - root) / (2 * (1 + k)), 0.5)
    p = p[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(p * (1 - p) * (1 / seeds - 1 / totals))
        one, two, three, four = (
            scipy.special.ndtr((edge - p) / spread) for edge in (1 - chance, 1 - trivial, trivial, chance)
        )
    return np.asarray(np.maximum(two - one, 0) + np.maximum(four - three, 0))
