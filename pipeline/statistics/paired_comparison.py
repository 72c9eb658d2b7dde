"""Paired comparison by P(better): bootstrap over seeds, verdicts, seeds to settle it, and Holm's correction.

Many columns (metrics, points) at once: arrays are (*columns, seeds) and the last axis is reduced. No BLAS
product is used and wins are counted in integers, so a column has the same bits in any company.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
import scipy  # loads scipy.special on first use
from jaxtyping import Bool, Float, Int, Shaped

from pipeline.statistics.intervals import check_confidence, paired

Direction = Literal["lower", "higher"]


class Probability(NamedTuple):
    """P(A better than B) over paired seeds and the two ends of its bootstrap interval."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


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
    check_confidence(confidence)
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
    """The verdict of P(A better), "better", "worse" or "no evidence", one per column.

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
    check_confidence(confidence)
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


def _check_gamma(gamma: float) -> None:
    if not 0.5 < gamma < 1:
        raise ValueError(f"gamma must lie between 1/2 and 1, got {gamma}")


def _twice_the_wins(a: np.ndarray, b: np.ndarray) -> tuple[Int[np.ndarray, "*columns seeds"], np.ndarray]:
    """2 where a is below b, 1 where they tie, 0 above; and which columns are free of NaN."""
    paired(a, b)
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
