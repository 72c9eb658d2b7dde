"""The finished reliability diagram of a point: one seed's bins with intervals and band, all other seeds beside it.

Seeds are never pooled, which would average their errors away. The seed shown is the one with the median ECE as trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from pydantic import ConfigDict, RootModel

from pipeline.results.rank_changes import STAGES
from pipeline.results.record import Record

Curves = Mapping[str, Shaped[NDArray[Any], "seeds ..."]]
Scores = Mapping[str, Float[NDArray[Any], " seeds"]]


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


class ReliabilityDiagram(Record):
    """One seed's reliability diagram on test rows, and the bins of all other seeds as lines."""

    seed: int
    n: int
    width: float
    ece: float
    ece_floor: float
    ece_p: float
    ece_mean: float
    accuracy: float
    confidence: float
    bins: tuple[ReliabilityBin, ...]
    isotonic: IsotonicCurve
    others: tuple[tuple[tuple[float, float], ...], ...]


class PointDiagrams(Record):
    """A point's reliability diagrams before and after temperature scaling."""

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


def point_diagrams(curves: Curves, scores: Scores) -> dict[str, Any] | None:
    """The diagrams `before` and `after` temperature scaling, JSON-ready; None where no seed is finite.

    Each has `seed`, the same in both; `n`; the scores `ece`, `ece_floor`, `ece_p`, `accuracy`, `confidence` of that
    seed and `ece_mean` over all finite seeds; `bins` with `confidence, accuracy, low, high, band_low, band_high, exact,
    count` of those not empty; `isotonic`, its confidences and values on a grid; and `others`, the confidences and
    accuracies of the bins of all other seeds.

    Args:
        curves: `<stage>/<field>` for the stages test and test_ts: confidence, accuracy, count, exact (seeds, bins),
            isotonic (seeds, grid); see `pipeline.evaluation.score.Scored`.
        scores: `<stage>/<metric>` (seeds,) for ece, ece_floor, ece_p, accuracy and bias.
    """
    finite = np.flatnonzero(np.isfinite(scores["test/ece"]))
    if not len(finite):
        return None
    middle = finite[np.argsort(scores["test/ece"][finite], kind="stable")[(len(finite) - 1) // 2]]
    others = [seed for seed in finite.tolist() if seed != middle]
    return {when: _diagram(stage, curves, scores, int(middle), others) for when, stage in STAGES.items()}


def _diagram(stage: str, curves: Curves, scores: Scores, seed: int, others: list[int]) -> dict[str, Any]:
    fields = {name: curves[f"{stage}/{name}"][seed] for name in ("confidence", "accuracy", "count", "exact")}
    finite = [seed, *others]
    told = {name: float(scores[f"{stage}/{name}"][seed]) for name in ("ece", "ece_floor", "ece_p", "accuracy")}
    bars = wilson(fields["accuracy"], fields["count"])
    band = consistency_band(fields["confidence"], fields["count"])
    columns = fields | {"low": bars.low, "high": bars.high, "band_low": band.low, "band_high": band.high}
    grid = curves[f"{stage}/isotonic"][seed]
    return {
        **told,
        "confidence": told["accuracy"] + float(scores[f"{stage}/bias"][seed]),
        "ece_mean": float(np.mean(scores[f"{stage}/ece"][finite])),
        "seed": seed,
        "n": int(fields["count"].sum()),
        "width": 1 / len(fields["count"]),
        "bins": [
            {name: _number(column[b]) for name, column in columns.items()} for b in np.flatnonzero(fields["count"] > 0)
        ],
        "isotonic": {
            "confidence": [k / (len(grid) - 1) for k in np.flatnonzero(np.isfinite(grid)).tolist()],
            "accuracy": grid[np.isfinite(grid)].tolist(),
        },
        "others": [_line(stage, curves, other) for other in others],
    }


def _line(stage: str, curves: Curves, seed: int) -> list[list[float]]:
    """The (confidence, accuracy) of each bin that is not empty."""
    filled = curves[f"{stage}/count"][seed] > 0
    pairs = (curves[f"{stage}/{name}"][seed][filled] for name in ("confidence", "accuracy"))
    line: list[list[float]] = np.stack(list(pairs), axis=1).tolist()
    return line


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _quantile(confidence: float) -> float:
    from scipy.special import ndtri  # noqa: PLC0415

    return float(ndtri((1 + confidence) / 2))
