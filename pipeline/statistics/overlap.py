"""How much do seeds that resplit one pool have in common, and how much wider must an interval over them be?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.statistics.compare import centred, variance

Groups = Mapping[str, Float[np.ndarray, "points seeds groups"]]

_ON_TEST = ("test", "test_ts", "gap", "gap_ts")


@dataclass(frozen=True)
class Overlap:
    """How much the seeds' results have in common because they resplit one pool."""

    dataset: Mapping[str, Any]
    groups: Groups
    selecting: np.ndarray
    """Whether validation rows chose a point's weights, one flag a point."""

    def share(self, *parts: str) -> float:
        """What share of the pool these parts of a split fill; 0 where seeds draw rows of their own."""
        total = sum(self.dataset[part] for part in ("train", "validation", "test"))
        return sum(self.dataset[part] for part in parts) / total if self.dataset["overlapping"] else 0.0

    def rho(self, metric: str) -> np.ndarray:
        """Largest correlation that the rows a point was fitted on can cause, (points,).

        Temperature scaling and early stopping fit on validation rows as well: their shares add up, since a row may
        train one seed and choose in another.
        """
        both = self.selecting | metric.split("/", maxsplit=1)[0].endswith("_ts")
        return np.where(both, self.share("train", "validation"), self.share("train"))

    def groups_of(self, metric: str) -> np.ndarray | None:
        """(points, seeds, groups) of a metric; a gap's are those of its test part."""
        return self.groups.get(metric.replace("gap", "test", 1)) if self.dataset["overlapping"] else None

    def inflation(self, metric: str, values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        """Inflation of each point's line of `values` (points, seeds), measured where `groups` allow it."""
        rho = self.rho(metric)
        on_test = metric.split("/", maxsplit=1)[0] in _ON_TEST
        bound = inflation_of(np.maximum(rho, self.share("test")) if on_test else rho)
        if groups is None:
            return bound
        measured = measured_inflation(values, groups, rho=rho)
        return np.where(np.isfinite(measured), measured, bound)


def inflation_of(rho: np.ndarray) -> np.ndarray:
    """Nadeau & Bengio's rho / (1 - rho)."""
    return np.asarray(rho / (1 - rho))


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
    seeds, count = groups.shape[-2:]
    if seeds < 1 or count < 2:
        raise ValueError(f"groups must have a seed and two groups or more, got shape {groups.shape}")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rest = centred(groups - groups[..., :1, :1])[1]  # seed effects out: lines have mean 0
        by_group, rest = centred(np.swapaxes(rest, -1, -2))  # group effects out
        among_groups = seeds * np.sum(np.square(by_group), axis=-1) / (count - 1)
        squares = np.sum(np.sum(np.square(rest), axis=-1), axis=-1)
        interaction = squares / np.float64((seeds - 1) * (count - 1))
        return np.asarray(np.maximum(among_groups - interaction, 0.0) / (seeds * count))


def measured_inflation(
    values: Float[np.ndarray, "*columns seeds"],
    groups: Float[np.ndarray, "*columns seeds groups"],
    *,
    rho: float | np.ndarray,
) -> Float[np.ndarray, "*columns"]:
    """`inflation` of seeds that resplit one pool: bounded for the rows they fit on, measured for those they test on.

    rho / (1 - rho) + `shared_covariance(groups)` / s^2, the second only where s^2 > 0; NaN where that is not finite.
    `rho` is the share n / N of the pool that a seed fits on: subsets of n of N rows share n^2 / N on average, and
    the covariance of any symmetric statistic of two subsets is convex in what they share, so at most n / N of its
    variance (equal for sums over rows).

    Raises:
        ValueError: `rho` is not within [0, 1), or as in `shared_covariance`.

    Reference:
        Hoeffding 1948, A Class of Statistics with Asymptotically Normal Distribution, section 5 (variance components
        convex in the overlap); Nadeau & Bengio 2003 for the form rho / (1 - rho).
    """
    if not np.all((np.asarray(rho) >= 0) & (np.asarray(rho) < 1)):
        raise ValueError(f"rho must be 0 or more and below 1, got {rho}")
    spread, shared = variance(centred(values)[1]), shared_covariance(groups)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(rho / (1 - rho) + np.where(spread == 0, 0.0 * shared, shared / spread))
