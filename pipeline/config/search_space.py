"""Search space and budget: ranges of strengths, arms that compete, their trials, sampler and pruner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.fields import Name, Names, Probability, Strict, as_tuple

DIGITS = 4  # significant ones of a strength: more than a result can tell, and fewer than rounding could flip
MOST_OFF = 0.5  # a larger share of the range would leave little of it, and on a logarithm end below any number
LEARNING_RATE = "learning_rate"
TUNED: Final = "tuned"
"""The kind of a contender that is an arm's winner."""
STACKED: Final = "stacked"
"""The kind of a contender that combines winners."""
Objective = Literal["nll", "nll_calibrated", "calibration", "refinement"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


class Dimension(Strict):
    """The range of one strength; a share of what is sampled lies beyond its weak end and means exactly 0: off."""

    low: float = Field(ge=0, allow_inf_nan=False, description="Smallest value that is on.")
    high: float = Field(gt=0, allow_inf_nan=False, description="Largest.")
    log: bool = Field(default=False, description="Sample its logarithm evenly.")
    off: Probability = Field(default=0.0, description="Share of the sampled range that means off, exactly 0.")
    weak: Literal["low", "high"] = Field(default="low", description="The end beyond which it is off.")

    @model_validator(mode="after")
    def _ends_must_agree(self) -> Dimension:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low == 0:
            raise ValueError("low must be above 0 where log is true, got 0; `off` is the share that is exactly 0")
        if self.off > MOST_OFF:
            raise ValueError(f"off must be at most {MOST_OFF}, got {self.off:g}")
        return self

    @property
    def sampled(self) -> tuple[float, float]:
        """The ends of the range that coordinates are sampled from: beyond the weak end lies what means off.

        A weak strength and none at all are so neighbours on one axis, which every sampler, plot and importance
        measure can work with.

        >>> Dimension(low=0.0, high=0.6, off=0.25).sampled
        (-0.2, 0.6)
        """
        if not self.off:
            return self.low, self.high
        share = self.off / (1 - self.off)
        near, far = (self.low, self.high) if self.weak == "low" else (self.high, self.low)
        beyond = near * (near / far) ** share if self.log else near + (near - far) * share
        low, high = sorted((float(f"{beyond:.12g}"), far))
        return low, high

    def strength(self, coordinate: float) -> float:
        """The strength that a sampled coordinate stands for, to four significant digits; 0 beyond the weak end.

        >>> weight_decay = Dimension(low=1e-3, high=1.0, log=True, off=0.25)
        >>> weight_decay.strength(0.0123456), weight_decay.strength(5e-4)
        (0.01235, 0.0)
        """
        if coordinate < self.low or coordinate > self.high:
            return 0.0
        return min(max(float(f"{coordinate:.{DIGITS}g}"), self.low), self.high)

    def coordinate(self, strength: float) -> float:
        """A sampled coordinate that stands for a strength; for 0 the end of what means off.

        Raises:
            ValueError: the strength is neither within the range nor 0 where a share means off.

        >>> weight_decay = Dimension(low=1e-3, high=1.0, log=True, off=0.25)
        >>> weight_decay.coordinate(0.01), weight_decay.coordinate(0.0)
        (0.01, 0.0001)
        """
        if self.low <= strength <= self.high:
            return strength
        if strength or not self.off:
            ends = f"{self.low:g} and {self.high:g}{', or be 0' * bool(self.off)}"
            raise ValueError(f"must lie within {ends}, got {strength:g}")
        return self.sampled[0] if self.weak == "low" else self.sampled[1]


class Sampler(Strict):
    """One of Optuna's samplers, which propose the next trials."""

    kind: Literal["tpe", "random", "gp", "nsga2"] = Field(
        description="Tree-structured Parzen estimator, random, Gaussian process, or genetic (NSGA-II)."
    )
    startup: int = Field(default=10, ge=1, description="Random trials before TPE and GP begin to learn.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Another seed draws other trials.")


class Pruner(Strict):
    """One of Optuna's pruners, which end trials early, asked at rungs first, first * factor, first * factor^2, ..."""

    kind: Literal["none", "halving", "hyperband", "median"] = Field(
        description="None, successive halving, Hyperband, or the median of earlier trials."
    )
    first: int = Field(default=30, ge=1, description="Epoch of the first rung.")
    factor: int = Field(
        default=2,
        ge=2,
        description="A trial passes a rung if it is in the best 1 / factor of those so far; rungs lie so far apart.",
    )

    def rungs(self, epochs: int) -> list[int]:
        """The epochs at which trials of that many epochs may end early.

        >>> Pruner(kind="halving", first=15, factor=2).rungs(60)
        [15, 30]
        """
        rungs: list[int] = []
        epoch = self.first
        while self.kind != "none" and epoch < epochs:
            rungs.append(epoch)
            epoch *= self.factor
        return rungs


class Search(Strict):
    """What every arm may spend, and where it searches; an arm is a family of points that one study tunes."""

    trials: int = Field(ge=1, le=100_000, description="Trials of each arm on each data set.")
    batch: int = Field(ge=1, le=1000, description="Trials that are proposed and trained together.")
    seeds: int = Field(
        ge=1,
        description="Seeds of every trial, and of every learning rate that a point of the study tries; "
        "results are of other seeds.",
    )
    objectives: Annotated[tuple[Objective, ...], BeforeValidator(as_tuple)] = Field(
        min_length=1, max_length=2, description=f"What is minimized on validation: {', '.join(OBJECTIVES)}, or two."
    )
    sampler: Sampler = Field(description="One of Optuna's samplers: proposes the next trials.")
    pruner: Pruner = Field(description="One of Optuna's pruners: ends trials early.")
    space: dict[Name, Dimension] = Field(min_length=1, description="The range of every strength that is searched.")
    portfolio: tuple[dict[str, float], ...] = Field(
        default=(),
        strict=False,
        description="Customary settings: an arm tries those first, on its budget, whose strengths it searches.",
    )
    arms: dict[Name, Names] = Field(
        min_length=1, description="The strengths that each arm searches, beside the learning rate that all do."
    )

    @model_validator(mode="after")
    def _parts_must_agree(self) -> Search:
        if LEARNING_RATE not in self.space:
            raise ValueError("space must hold learning_rate: every arm searches it")
        if self.space[LEARNING_RATE].off:
            raise ValueError("space.learning_rate.off must be 0: nothing is learned without steps")
        if self.arms.get("none") != ():
            raise ValueError("arms must hold none, with nothing but the learning rate: all others are compared with it")
        for arm, names in self.arms.items():
            for name in names:
                if name not in self.space or name == LEARNING_RATE:
                    known = ", ".join(other for other in self.space if other != LEARNING_RATE)
                    raise ValueError(f"arms.{arm} must name strengths of space ({known}), got {name!r}")
            if len(set(names)) < len(names):
                raise ValueError(f"arms.{arm} must name each strength once, got {list(names)}")
        return self

    @model_validator(mode="after")
    def _ways_must_agree(self) -> Search:
        if self.sampler.kind == "nsga2" and self.batch < 2:
            raise ValueError(f"batch must be at least 2 with nsga2, whose generation it is, got {self.batch}")
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives must differ, got {list(self.objectives)}")
        if len(self.objectives) > 1 and self.pruner.kind != "none":
            raise ValueError(
                f"pruner.kind must be none with two objectives (Optuna prunes by one), got {self.pruner.kind}"
            )
        return self

    @model_validator(mode="after")
    def _portfolio_must_lie_in_the_space(self) -> Search:
        for row in self.portfolio:
            for name, strength in row.items():
                if name not in self.space:
                    raise ValueError(f"portfolio must name strengths of space ({', '.join(self.space)}), got {name!r}")
                try:
                    self.space[name].coordinate(strength)
                except ValueError as error:
                    raise ValueError(f"portfolio.{name} {error}") from None
            if LEARNING_RATE not in row:
                raise ValueError(f"portfolio must give every row a learning_rate, got {row}")
        return self

    def customary(self, arm: str) -> list[dict[str, float]]:
        """The coordinates of what an arm tries first: rows of the portfolio, all its other strengths off."""
        dimensions = self.dimensions(arm)
        off = {name: 0.0 for name, dimension in dimensions.items() if dimension.off}
        rows = [off | row for row in self.portfolio if row.keys() <= dimensions.keys()]
        return [{name: dimensions[name].coordinate(strength) for name, strength in row.items()} for row in rows]

    def dimensions(self, arm: str) -> dict[str, Dimension]:
        """What an arm searches: the learning rate, then the arm's own strengths."""
        return {name: self.space[name] for name in (LEARNING_RATE, *self.arms[arm])}


def measure(objective: str) -> str:
    """The metric that an objective is, on validation rows.

    >>> measure("nll"), measure("nll_calibrated"), measure("calibration")
    ('validation/nll', 'validation_calibrated/nll', 'validation/calibration')
    """
    base, _, scaled = objective.partition("_")
    return f"validation_{scaled}/{base}" if scaled else f"validation/{base}"


def strengths(dimensions: Mapping[str, Dimension], coordinates: Mapping[str, float]) -> dict[str, float]:
    """The strengths that a trial's sampled coordinates stand for."""
    return {name: dimension.strength(coordinates[name]) for name, dimension in dimensions.items()}


def singles(arms: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The arms that can be combined: they regularize, and contain no other arm.

    >>> singles({"none": (), "a": ("x",), "b": ("y", "z"), "all": ("x", "y", "z")})
    ['a', 'b']
    """
    return [
        arm for arm, names in arms.items()
        if names and not any(other and set(other) < set(names) for other in arms.values())
    ]  # fmt: skip
