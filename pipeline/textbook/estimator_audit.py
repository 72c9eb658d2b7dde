"""An audit of the estimators of calibration error, on the study's own networks, where the truth is known.

A pool of rows with known posterior is taken for the population. Test sets are drawn from it with replacement, labels
from the posterior, and each estimate is compared with its truth on the whole pool.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.core import parallel
from pipeline.core.determinism import require_pinned
from pipeline.core.rng import Purpose, generator
from pipeline.metrics.calibration_error import binned_error, debiased_error
from pipeline.metrics.probabilities import Floats, checked_probabilities
from pipeline.metrics.ranking import Ranked
from pipeline.results.reliability import wilson
from pipeline.results.textbook import ENOUGH, EstimatorRow
from pipeline.statistics.intervals import mean_interval
from pipeline.statistics.shared_rows import measured_or, measured_widening
from pipeline.textbook.estimators import ESTIMATORS, estimates, of_groups, truths

BOOTSTRAPPED = {"debiased": "normal bootstrap", "ece": "percentile bootstrap"}  # intervals of one network
SIZES: Mapping[int, int] = {200: 60, 1000: 40, 4000: 30, 20_000: 10}  # rows of a test set: test sets drawn
STUDIES = 20  # sets of networks drawn for each test set
BOOTSTRAP_NETWORKS, RESAMPLES = 4, 100
FEWEST_NETWORKS = 2
_Z = 1.959963984540054  # 97.5% quantile of the normal distribution


@dataclass(frozen=True)
class Coverage:
    """The share of intervals that hold the truth, and its own 95% interval; None where there are no intervals."""

    interval: str = ""
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Simulated:
    """The estimates from one test set of n rows, of all S networks or of studies of S networks drawn from them.

    Attributes:
        estimates: `(E, S)` of every estimator.
        study_means: `(E, STUDIES)` mean over each study's networks.
        study_hits: `(E, STUDIES)` 1 where its t interval holds the networks' mean truth, else 0.
        bootstrap_hits: `(B, M)` whether bootstrap intervals of some networks hold their own truth.
    """

    estimates: Floats
    study_means: Floats
    study_hits: Floats
    bootstrap_hits: Floats


def audit(
    logits: ArrayLike, posterior: ArrayLike, *, seed: int, jobs: int, sizes: Mapping[int, int] = SIZES
) -> list[EstimatorRow]:
    """Try every estimator on networks that were trained, for test sets of several sizes.

    Args:
        logits: `(S, rows, K)` of S >= 2 networks on a pool of rows; networks with one not finite are left out.
        posterior: `(rows, K)` true class probabilities.
        seed: Of the random numbers; each test set has a stream of its own.
        jobs: Workers; they change no bit.
        sizes: Rows of a test set, and how many test sets to draw.

    Returns:
        Rows of `network_rows` and of `study_rows` for each size.

    Raises:
        ValueError: If shapes or probabilities are not as above, or fewer than 2 networks are finite.
    """
    networks, q = _checked(logits, posterior)
    truth = np.stack(list(parallel.results(truths, [*networks], arguments=lambda each: (each, q), jobs=jobs)), axis=-1)
    wanted = [(n, generator(seed, Purpose.BOOTSTRAP, n << 20 | i)) for n, sets in sizes.items() for i in range(sets)]
    sent = parallel.shared(networks, jobs)
    results = list(parallel.results(_simulated, wanted, arguments=lambda each: (sent, q, truth, *each), jobs=jobs))
    by_size = {n: [each for each, (rows, _) in zip(results, wanted, strict=True) if rows == n] for n in sizes}
    return [
        row
        for function in (network_rows, study_rows)
        for n, simulated in by_size.items()
        for row in function(simulated, truth, rows=n)
    ]


def network_rows(simulated: Sequence[Simulated], truth: Floats, *, rows: int) -> list[EstimatorRow]:
    """How far one network's estimate is from its truth, with test sets of this many rows.

    Args:
        simulated: Two or more test sets.
        truth: `(E, S)` as `truths` finds it for each network.
        rows: Of each test set.

    Returns:
        For each of `ESTIMATORS` a row: `part` "network", `estimator`, `rows`, `networks` (S); `truth`, `mean` and
        `bias` averaged over networks and test sets; `sd` over the test sets of one network (root mean square over
        networks); `interval` and its `coverage`: of the bootstrap, estimate +- 1.96 standard errors for debiased and
        percentiles for ece, "" and None for the rest; `coverage_low` and `coverage_high`, the 95% Wilson interval of
        the coverage; `within`, whether the coverage is in 93%-98%.
    """
    values = np.stack([each.estimates for each in simulated])
    hits = np.stack([each.bootstrap_hits for each in simulated], axis=1)
    covered = {name: _coverage(of, interval=BOOTSTRAPPED[name]) for name, of in zip(BOOTSTRAPPED, hits, strict=True)}
    return _rows(
        "network",
        rows,
        truth=truth,
        means=np.mean(values, axis=(0, 2)),
        sd=np.sqrt(np.mean(np.var(values, axis=0, ddof=1), axis=-1)),
        coverages=[covered.get(name, Coverage()) for name in ESTIMATORS],
    )


def study_rows(simulated: Sequence[Simulated], truth: Floats, *, rows: int) -> list[EstimatorRow]:
    """How often the study's t interval over networks that share a test set holds the networks' mean truth.

    A study is S networks drawn with replacement, and the test set, whose noise widens the interval as groups of its
    rows show it (`shared_rows.measured_widening`). Coverage falls where the estimator's bias is not small beside that,
    and for what has no groups, the calibration loss and CORP's miscalibration: their intervals know the scatter over
    networks alone.

    Args:
        simulated: Two or more test sets.
        truth: `(E, S)` as `truths` finds it for each network.
        rows: Of each test set.

    Returns:
        Rows as those of `network_rows`: `part` "study", `mean`, `bias` and `sd` those of the study's mean.
    """
    means = np.stack([each.study_means for each in simulated], axis=1)
    hits = np.stack([each.study_hits for each in simulated], axis=1)
    return _rows(
        "study",
        rows,
        truth=truth,
        means=np.mean(means, axis=(1, 2)),
        sd=np.std(means, axis=(1, 2)),
        coverages=[_coverage(of, interval="Student t over networks, widened for their test rows") for of in hits],
    )


def simulate(
    networks: NDArray[np.floating[Any]], posterior: Floats, *, truth: Floats, rows: int, draws: np.random.Generator
) -> Simulated:
    """Draw a test set from the pool, and apply every estimator to it.

    Args:
        networks: `(S, pool, K)` finite logits.
        posterior: `(pool, K)` true class probabilities.
        truth: `(E, S)` as `truths` finds it for each network.
        rows: Of the test set, which all networks share.
        draws: Of rows, labels, studies and resamples, in this order.

    Raises:
        InputError: the environment is not pinned.
    """
    require_pinned()
    S = len(networks)
    chosen = draws.integers(0, len(posterior), size=rows)
    labels = _drawn(posterior[chosen], draws.random(rows))
    estimated, ranked = estimates(networks[:, chosen], np.broadcast_to(labels, (S, rows)))
    studies = draws.integers(0, S, size=(STUDIES, S))
    values, groups = estimated[:, studies], of_groups(networks[:, chosen], labels)[:, studies]
    intervals = mean_interval(values, widening=measured_or(0.0, measured_widening(values, groups, rho=0.0)))
    center = np.mean(truth, axis=-1)[:, None]
    hits = (intervals.low <= center) & (center <= intervals.high)
    some = draws.permutation(S)[:BOOTSTRAP_NETWORKS]
    resamples = np.sort(draws.integers(0, rows, size=(RESAMPLES, rows)), axis=-1)
    boots = [_bootstrap(Ranked(ranked.confidence[i], ranked.correct[i]), resamples, truth=truth[:, i]) for i in some]
    return Simulated(estimated, intervals.mean, hits.astype(np.float64), np.stack(boots, axis=-1))


def _simulated(
    networks: NDArray[np.floating[Any]], posterior: Floats, truth: Floats, rows: int, draws: np.random.Generator
) -> Simulated:
    """The same: the work of one worker."""
    return simulate(networks, posterior, truth=truth, rows=rows, draws=draws)


def _bootstrap(ranked: Ranked, resamples: NDArray[np.int64], *, truth: Floats) -> Floats:
    """1 where the intervals of `BOOTSTRAPPED` hold the truth, else 0; resamples `(R, n)` are rising ranks."""
    true = dict(zip(ESTIMATORS, truth.tolist(), strict=True))
    again = Ranked(ranked.confidence[resamples], ranked.correct[resamples])
    error = abs(float(debiased_error(ranked)) - true["debiased"])
    low, high = np.quantile(binned_error(again), [0.025, 0.975])
    return np.array([error <= _Z * np.std(debiased_error(again), ddof=1), low <= true["ece"] <= high], dtype=np.float64)


def _drawn(posterior: Floats, uniforms: Floats) -> NDArray[np.int64]:
    """Labels `(n,)` from posteriors `(n, K)` by inversion."""
    below: NDArray[np.int64] = np.sum(np.cumsum(posterior[:, :-1], axis=-1) <= uniforms[:, None], axis=-1)
    return below


def _rows(
    part: Literal["network", "study"],
    rows: int,
    *,
    truth: Floats,
    means: Floats,
    sd: Floats,
    coverages: Sequence[Coverage],
) -> list[EstimatorRow]:
    numbers = zip(np.mean(truth, axis=-1).tolist(), means.tolist(), sd.tolist(), strict=True)
    return [
        EstimatorRow(
            part=part,
            estimator=name,
            rows=rows,
            networks=truth.shape[-1],
            truth=true,
            mean=mean,
            bias=mean - true,
            sd=scatter,
            interval=covered.interval,
            coverage=covered.share,
            coverage_low=covered.low,
            coverage_high=covered.high,
            within=None if covered.share is None else ENOUGH[0] <= covered.share <= ENOUGH[1],
        )
        for name, (true, mean, scatter), covered in zip(ESTIMATORS, numbers, coverages, strict=True)
    ]


def _coverage(hits: Floats, *, interval: str) -> Coverage:
    """Share of hits `(T, m)` of m trials at each of T test sets, with its Wilson interval.

    Trials at one test set are alike, so it counts them as `_trials` independent ones.
    """
    share = np.asarray(np.mean(hits))
    low, high = (float(end) for end in wilson(share, np.asarray(_trials(hits))))
    return Coverage(interval, float(share), low, high)


def _trials(hits: Floats) -> float:
    """Independent trials whose share is as uncertain as that of these `(T, m)`: p (1 - p) / variance, from T to T m.

    Reference:
        Kish 1965, Survey Sampling, section 8.2 (effective sample size of clusters).
    """
    sets, share = len(hits), float(np.mean(hits))
    variance = float(np.var(np.mean(hits, axis=-1))) / max(sets - 1, 1)
    return min(max(share * (1 - share) / variance, sets), hits.size) if variance > 0 else float(sets)


def _checked(logits: ArrayLike, posterior: ArrayLike) -> tuple[NDArray[np.floating[Any]], Floats]:
    """Finite networks and the posterior."""
    z, q = np.asarray(logits), checked_probabilities(posterior, "posterior")
    if z.ndim != 3 or z.shape[1:] != q.shape:
        raise ValueError(f"logits must have shape (S, rows, K), the posterior (rows, K), got {z.shape} and {q.shape}")
    finite = np.isfinite(z).all(axis=(1, 2))
    if np.count_nonzero(finite) < FEWEST_NETWORKS:
        raise ValueError(f"finite networks must be {FEWEST_NETWORKS} or more, got {np.count_nonzero(finite)}")
    return z if finite.all() else z[finite], q
