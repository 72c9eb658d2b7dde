"""Search space and budget: dimensions of strengths, arms that compete, their trials, sampler and pruner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.dimensions import Dimension
from pipeline.config.fields import LONGEST_LABEL, Name, Names, Strict, as_tuple
from pipeline.config.settings import Setting

LEARNING_RATE = "learning_rate"
TUNED: Final = "tuned"
"""The kind of a contender that is an arm's winner."""
STACKED: Final = "stacked"
"""The kind of a contender that combines winners."""
Objective = Literal["nll", "nll_calibrated", "calibration", "refinement"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


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
        le=10_000,
        description="Seeds of every trial, and of every learning rate that a point of the study tries; "
        "results are of other seeds.",
    )
    objectives: Annotated[tuple[Objective, ...], BeforeValidator(as_tuple)] = Field(
        min_length=1, max_length=2, description=f"What is minimized on validation: {', '.join(OBJECTIVES)}, or two."
    )
    sampler: Sampler = Field(description="One of Optuna's samplers: proposes the next trials.")
    pruner: Pruner = Field(description="One of Optuna's pruners: ends trials early.")
    space: dict[Name, Dimension] = Field(
        min_length=1, description="The range, or the choices, of every strength that is searched."
    )
    portfolio: tuple[dict[str, Setting], ...] = Field(
        default=(),
        strict=False,
        description="Customary settings: an arm tries those first, on its budget, whose strengths it searches.",
    )
    arms: dict[Name, Names] = Field(
        min_length=1, description="The strengths that each arm searches, beside the learning rate that all do."
    )
    stacked: int = Field(
        ge=0,
        description="The best single arms, by their value in the search, that are stacked on each other: every two, "
        "and all of them.",
    )

    @model_validator(mode="after")
    def _parts_must_agree(self) -> Search:
        if LEARNING_RATE not in self.space:
            raise ValueError("space must hold learning_rate: every arm searches it")
        if self.space[LEARNING_RATE].has_off:
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
        if self.stacked == 1:
            raise ValueError("stacked must be 0, or 2 and more: one arm is no stack, got 1")
        longest = sorted(singles(self.arms), key=len)[::-1][: self.stacked]
        if (length := len("+".join(longest))) > LONGEST_LABEL:
            raise ValueError(f"names of stacked arms must have at most {LONGEST_LABEL} letters together, got {length}")
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

    def customary(self, arm: str) -> list[dict[str, Setting]]:
        """The coordinates of what an arm tries first: rows of the portfolio, all its other strengths off."""
        dimensions = self.dimensions(arm)
        off = {name: dimension.unset for name, dimension in dimensions.items() if dimension.has_off}
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


def singles(arms: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The arms that can be combined: they regularize, and contain no other arm.

    >>> singles({"none": (), "a": ("x",), "b": ("y", "z"), "all": ("x", "y", "z")})
    ['a', 'b']
    """
    return [
        arm for arm, names in arms.items()
        if names and not any(other and set(other) < set(names) for other in arms.values())
    ]  # fmt: skip
