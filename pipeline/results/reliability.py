"""Reliability diagrams of a point: one seed's equal-mass bins with intervals, and in what band those of all seeds lie.

Seeds are never pooled, which would average their errors away. The seed shown is the one with the median ECE as trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from pydantic import ConfigDict, RootModel

from pipeline.metrics.names import STAGES, MetricName, Stage
from pipeline.results.record import Record, finite

Curves = Mapping[str, Shaped[NDArray[Any], "seeds ..."]]
Bins = Float[NDArray[Any], " bins"]
Scores = Mapping[str, Float[NDArray[Any], " seeds"]]
BAND = (0.05, 0.95)
"""Quantiles over seeds."""


class ReliabilityBin(Record):
    """A bin that is not empty: means, Wilson's interval of the accuracy, the consistency band, rows in it."""

    confidence: float
    accuracy: float
    low: float | None
    high: float | None
    band_low: float | None
    band_high: float | None
    exact: float | None
    count: float


class IsotonicCurve(Record):
    """Isotonic regression of correctness on confidence, on a grid."""

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]


class SeedBand(Record):
    """Where the bins of all seeds lie: a number each bin, from the lowest confidence on.

    `low` and `high` hold the middle nine tenths of seeds: quantiles of accuracy minus confidence, at the mean
    confidence of that bin.
    """

    confidence: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class ReliabilityDiagram(Record):
    """One seed's reliability diagram on test rows, and the band in which those of all seeds lie."""

    seed: int
    seeds: int
    n: int
    ece: float
    ece_floor: float
    ece_p: float
    ece_mean: float
    accuracy: float
    confidence: float
    bins: tuple[ReliabilityBin, ...]
    isotonic: IsotonicCurve
    band: SeedBand


class PointDiagrams(Record):
    """A point's reliability diagrams before and after calibration."""

    before: ReliabilityDiagram
    after: ReliabilityDiagram


class Diagrams(RootModel[dict[str, PointDiagrams | None]]):
    """The diagrams of all points by key, as reports/<dataset>/diagrams.json holds them; None where none is finite."""

    model_config = ConfigDict(frozen=True, strict=True)


class Ends(NamedTuple):
    """Ends of an interval."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def wilson(share: NDArray[Any], count: NDArray[Any], *, confidence: float = 0.95) -> Ends:
    """Score interval of a binomial share, range [0, 1]; NaN where the count is 0.

    (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n)

    Reference:
        Wilson 1927, Journal of the American Statistical Association 22.
    """
    z = _quantile(confidence)
    n = np.where(count > 0, count, np.nan)
    middle, scale = share + z**2 / (2 * n), 1 + z**2 / n
    half = z * np.sqrt(share * (1 - share) / n + np.square(z / (2 * n)))
    return Ends(np.clip((middle - half) / scale, 0, 1), np.clip((middle + half) / scale, 0, 1))


def consistency_band(confidence: NDArray[Any], count: NDArray[Any], *, coverage: float = 0.95) -> Ends:
    """Where the accuracy of a bin lies if the model is calibrated: binomial quantiles / n; NaN where n is 0.

    All rows of a bin are taken at its mean confidence, which makes the band a little too wide, never too narrow.

    Reference:
        Broecker & Smith 2007, Weather and Forecasting 22.
    """
    from scipy.stats import binom  # noqa: PLC0415

    n = np.where(count > 0, count, np.nan)
    low, high = binom.interval(coverage, n, confidence)
    return Ends(low / n, high / n)


def reliability_bins(forecast: Bins, rate: Bins, count: Bins, exact: Bins) -> tuple[ReliabilityBin, ...]:
    """Bins with Wilson's intervals, each at 95%, and with a band in which 95% of calibrated models have all their bins.

    The band's share of each of B independent bins is .95^(1/B) (Sidak 1967).

    Args:
        forecast: (bin,) mean probability.
        rate: (bin,) how often it came true.
        count: (bin,) rows, 1 or more.
        exact: (bin,) the true rate, NaN where it is not known.
    """
    interval = wilson(rate, count)
    band = consistency_band(np.clip(forecast, 0, 1), count, coverage=0.95 ** (1 / len(count)))
    return tuple(
        ReliabilityBin(
            confidence=float(forecast[b]),
            accuracy=float(rate[b]),
            low=finite(interval.low[b]),
            high=finite(interval.high[b]),
            band_low=finite(band.low[b]),
            band_high=finite(band.high[b]),
            exact=finite(exact[b]),
            count=float(count[b]),
        )
        for b in range(len(count))
    )


def point_diagrams(curves: Curves, scores: Scores) -> PointDiagrams | None:
    """A point's diagrams before and after calibration, of the same seed; None where no seed is finite.

    Args:
        curves: `<part>/<field>` for the parts test and test_calibrated: confidence, accuracy, count, exact
            (seeds, bins), isotonic (seeds, grid); see `pipeline.evaluation.score.Scored`.
        scores: `<part>/<metric>` (seeds,) for ece, ece_floor, ece_p, accuracy and bias.
    """
    ece = scores[_name("before", "ece")]
    finite_seeds = np.flatnonzero(np.isfinite(ece))
    if not len(finite_seeds):
        return None
    median = int(finite_seeds[np.argsort(ece[finite_seeds], kind="stable")[(len(finite_seeds) - 1) // 2]])
    before, after = (_diagram(stage, curves, scores, seed=median, seeds=finite_seeds) for stage in STAGES)
    return PointDiagrams(before=before, after=after)


def _name(stage: Stage, field: str) -> str:
    return str(MetricName("test", stage, field))


def _diagram(
    stage: Stage, curves: Curves, scores: Scores, *, seed: int, seeds: NDArray[np.int64]
) -> ReliabilityDiagram:
    def score(metric: str) -> float:
        return float(scores[_name(stage, metric)][seed])

    count, grid = curves[_name(stage, "count")][seed], curves[_name(stage, "isotonic")][seed]
    is_known = np.isfinite(grid)
    return ReliabilityDiagram(
        seed=seed,
        seeds=len(seeds),
        n=int(count.sum()),
        ece=score("ece"),
        ece_floor=score("ece_floor"),
        ece_p=score("ece_p"),
        ece_mean=float(np.mean(scores[_name(stage, "ece")][seeds])),
        accuracy=score("accuracy"),
        confidence=score("accuracy") + score("bias"),
        bins=_bins(stage, curves, seed),
        isotonic=IsotonicCurve(
            confidence=tuple(k / (len(grid) - 1) for k in np.flatnonzero(is_known).tolist()),
            accuracy=tuple(grid[is_known].tolist()),
        ),
        band=_band(stage, curves, seeds),
    )


def _bins(stage: Stage, curves: Curves, seed: int) -> tuple[ReliabilityBin, ...]:
    filled = curves[_name(stage, "count")][seed] > 0
    fields = (curves[_name(stage, field)][seed][filled] for field in ("confidence", "accuracy", "count", "exact"))
    return reliability_bins(*fields)


def _band(stage: Stage, curves: Curves, seeds: NDArray[np.int64]) -> SeedBand:
    """The band of these seeds over the bins that any of them fills; ties can leave a bin empty."""
    confidence, accuracy = (curves[_name(stage, field)][seeds] for field in ("confidence", "accuracy"))
    filled = np.isfinite(confidence).any(axis=0)
    middle = np.nanmean(confidence[:, filled], axis=0)
    low, high = middle + np.nanquantile((accuracy - confidence)[:, filled], BAND, axis=0)
    return SeedBand(confidence=tuple(middle.tolist()), low=tuple(low.tolist()), high=tuple(high.tolist()))


def _quantile(confidence: float) -> float:
    from scipy.special import ndtri  # noqa: PLC0415

    return float(ndtri((1 + confidence) / 2))
