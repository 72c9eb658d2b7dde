"""Correlation of seeds that share rows, and how much wider it makes an interval over them.

Seeds that resplit one pool share training, validation and test rows; seeds that draw their own share a test set.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float

from pipeline.statistics.intervals import Widening, centred, variance

Groups = Mapping[str, Float[np.ndarray, "points seeds groups"]]

Part = Literal["train", "validation", "test"]
TRAINING_PART = 0.1
"""Of the largest correlation that shared training rows could cause, the part that networks' scores are taken to have.

In simulated studies (benchmarks/coverage.json) intervals without any such part hold the truth in .91 to 1.00 of them,
with this part in .96 to 1.00, and with the largest, n / N, in all: two to three times as wide.
"""
_ROWS: Mapping[str, Literal["train", "validation", "test"]] = {
    "test": "test",
    "gap": "test",
    "validation": "validation",
}
"""The rows that a metric is computed on, by the split in its name."""


@dataclass(frozen=True)
class SplitSizes:
    """Rows of the parts of a split, and whether the seeds resplit one pool of rows.

    Attributes:
        train: rows.
        validation: rows.
        test: rows.
        overlapping: whether seeds share training or validation rows.
        drawn: where such seeds have all test rows in common, the share that a seed draws of the rows that are for
            training, and of those for validation.
    """

    train: int
    validation: int
    test: int
    overlapping: bool
    drawn: Mapping[str, float] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Overlap:
    """How much the seeds' results have in common because they share rows."""

    sizes: SplitSizes
    groups: Groups

    def share(self, part: Part) -> float:
        """What share of the pool a part of a split fills; 0 where seeds draw rows of their own, or share them all."""
        sizes = self.sizes
        if sizes.drawn is not None:
            return sizes.drawn.get(part, 0.0)
        total = sizes.train + sizes.validation + sizes.test
        return float(getattr(sizes, part)) / total if sizes.overlapping else 0.0

    @property
    def rho(self) -> float:
        """Correlation that is taken to come from the training rows that seeds share: a part of the largest possible.

        A row that trains one seed and chooses a temperature or an epoch in another is left out: it adds nothing that
        could be seen in simulated studies (benchmarks/coverage.json).
        """
        return TRAINING_PART * self.share("train")

    def groups_of(self, metric: str) -> np.ndarray | None:
        """(points, seeds, groups) of a metric; a gap's are those of its test part."""
        return self.groups.get(metric.replace("gap", "test", 1))

    def widening(self, metric: str, values: np.ndarray, groups: np.ndarray | None) -> Widening:
        """Of each point's line of `values` (points, seeds), measured where `groups` allow it.

        Where they do not, the correlation is bounded by the share of the pool that the metric is computed on.
        """
        split = metric.partition("/")[0].removesuffix("_calibrated")
        bound = inflation_of(np.asarray(max(self.rho, self.share(_ROWS.get(split, "train")))))
        if groups is None:
            return Widening(bound)
        return measured_or(bound, measured_widening(values, groups, rho=self.rho))


def inflation_of(rho: np.ndarray) -> np.ndarray:
    """Nadeau & Bengio's rho / (1 - rho)."""
    return np.asarray(rho / (1 - rho))


def measured_or(bound: float | np.ndarray, measured: Widening) -> Widening:
    """What was measured, or the bound where that is not finite."""
    known = np.isfinite(measured.inflation)
    return Widening(np.where(known, measured.inflation, bound), np.where(known, measured.freedom, np.nan))


def shared_covariance(groups: Float[np.ndarray, "*columns seeds groups"]) -> Float[np.ndarray, "*columns"]:
    """What test rows that seeds share add to the variance of the mean over seeds, measured; 0 or more.

    `groups` holds each seed's result on each group of the pool's rows, the groups being the same for all seeds. Seeds
    and groups are crossed random effects: what a group does to all seeds alike has the variance
    (MS_groups - MS_interaction) / S, and averaged over G groups it is the covariance of two seeds' results,
    (MS_groups - MS_interaction) / (S G), here not below 0. NaN where a value is not finite or with a single seed.

    Exact for means over rows; a calibration error is treated as if it were the mean of its groups' own.

    Raises:
        ValueError: there are fewer than two groups, or no seed.

    Reference:
        Searle, Casella & McCulloch 1992, Variance Components, chapter 4 (two-way crossed random model, ANOVA
        estimators); the seeds' correlation in the place of the surrogate of Nadeau & Bengio 2003.

    >>> shared_covariance(np.array([[1.0, 3.0], [2.0, 4.0], [3.0, 5.0]]))
    array(1.)
    """
    among_groups, interaction = _mean_squares(groups)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.maximum(among_groups - interaction, 0.0) / math.prod(groups.shape[-2:]))


def _mean_squares(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MS_groups and MS_interaction, (*columns,) each."""
    seeds, count = groups.shape[-2:]
    if seeds < 1 or count < 2:
        raise ValueError(f"groups must have a seed and two groups or more, got shape {groups.shape}")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rest = centred(groups - groups[..., :1, :1])[1]  # seed effects out: lines have mean 0
        by_group, rest = centred(np.swapaxes(rest, -1, -2))  # group effects out
        among_groups = seeds * np.sum(np.square(by_group), axis=-1) / (count - 1)
        squares = np.sum(np.sum(np.square(rest), axis=-1), axis=-1)
        return np.asarray(among_groups), np.asarray(squares / np.float64((seeds - 1) * (count - 1)))


def measured_widening(
    values: Float[np.ndarray, "*columns seeds"],
    groups: Float[np.ndarray, "*columns seeds groups"],
    *,
    rho: float | np.ndarray,
) -> Widening:
    """Of seeds that share rows: bounded for those they fit on, measured for those they test on; (*columns,) each.

    The inflation is rho / (1 - rho) + `shared_covariance(groups)` / s^2, the second only where s^2 > 0; NaN where that
    is not finite. The variance of the mean is then a sum of three mean squares: s^2 (1/S + rho / (1 - rho)) with S - 1
    degrees of freedom, MS_groups / (S G) with G - 1 for G groups, and -MS_interaction / (S G) with (S - 1)(G - 1);
    together they have Satterthwaite's, and no fewer than the fewest of the three: of means over rows s^2 / S is
    MS_interaction / (S G) or more, so that the sum is not below MS_groups / (S G), but other scores may have less.
    Where the difference of the last two is not above 0, S - 1 are left.
    `rho` is the share n / N of the pool that a seed fits on, 0 where it draws rows of its own: subsets of n of N rows
    share n^2 / N on average, and the covariance of any symmetric statistic of two subsets is convex in what they share,
    so at most n / N of its variance (equal for sums over rows).

    Raises:
        ValueError: `rho` is not within [0, 1), or as in `shared_covariance`.

    Reference:
        Hoeffding 1948, A Class of Statistics with Asymptotically Normal Distribution, section 5 (variance components
        convex in the overlap); Nadeau & Bengio 2003 for the form rho / (1 - rho); Satterthwaite 1946, An Approximate
        Distribution of Estimates of Variance Components.
    """
    if not np.all((np.asarray(rho) >= 0) & (np.asarray(rho) < 1)):
        raise ValueError(f"rho must be 0 or more and below 1, got {rho}")
    spread, (seeds, count) = variance(centred(values)[1]), groups.shape[-2:]
    bound = inflation_of(np.asarray(rho))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        among_groups, interaction = (square / (seeds * count) for square in _mean_squares(groups))
        covariance = np.maximum(among_groups - interaction, 0.0)
        shared = np.where(spread == 0, 0.0 * covariance, covariance / spread)
        parts = (1 / seeds + bound, among_groups / spread, interaction / spread)
        freedoms = (seeds - 1, count - 1, (seeds - 1) * (count - 1))
        doubt = sum(part**2 / np.float64(known) for part, known in zip(parts, freedoms, strict=True))
        freedom = np.maximum((parts[0] + shared) ** 2 / doubt, min(freedoms))
        return Widening(np.asarray(bound + shared), np.where(shared > 0, freedom, np.nan))
