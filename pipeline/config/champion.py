"""Parameters of the champion: the library of recipes that the model handed over is chosen from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.config.fields import Name, Names, Strict
from pipeline.config.points import Point, expand
from pipeline.config.reading import check_names
from pipeline.core.errors import InputError

STORABLE: Mapping[str, Literal["linear", "trees"]] = {
    "LogisticRegressionCV": "linear",
    "HistGradientBoostingClassifier": "trees",
}
"""Estimators of which a model can be made without pickle, and the kind of part that they become."""
NetworkEncoding = Literal["standard", "piecewise_linear"]


class Recipe(Point):
    """A network of the portfolio."""

    encoding: NetworkEncoding = Field(
        default="standard",
        description="Numbers as they are, standardized, or as how far they reach into each of 12 quantile bins.",
    )

    @property
    def point(self) -> Point:
        """What is trained."""
        return Point.model_validate(self.model_dump(exclude={"encoding"}))


class Champion(Strict):
    """How the model is made that is handed over."""

    folds: int = Field(ge=2, le=20, description="Folds of the rows trained and chosen on; each part is fitted on all.")
    size: int = Field(
        ge=1, le=1000, description="Picks of the greedy selection, with replacement; 1 hands over one network."
    )
    least_steps: int = Field(
        ge=0,
        le=1_000_000,
        description="Steps that a network of the portfolio trains at least; few rows need epochs.",
    )
    portfolio: dict[Name, dict[str, Recipe]] = Field(
        min_length=1, description="Networks of the library, by name: a row each, in which lists are sweeps."
    )
    coverage: float = Field(
        default=0.9,
        gt=0,
        lt=1,
        description="Share of rows whose conformal set shall hold their class; `predict` takes any other.",
    )
    costs: dict[Name, dict[str, dict[str, float]]] = Field(
        default_factory=dict,
        description=(
            "By data set, what deciding wrongly costs: `{churn: {stays: {leaves: 1}, leaves: {stays: 20}}}`, by true "
            "class, then by decision. What is not named costs 1, and a right decision 0."
        ),
    )
    estimators: Names = Field(description="Baselines that join the library: logistic regression and boosted trees.")

    @property
    def recipes(self) -> dict[str, Recipe]:
        """Every network of the portfolio, by a name of its own: that of its row, and what tells it from the others."""
        return {name: recipe for row, recipes in self.portfolio.items() for name, recipe in _named(row, recipes)}


def _named(row: str, recipes: Mapping[str, Recipe]) -> Iterator[tuple[str, Recipe]]:
    settings = [label.split(",") for label in recipes]
    unsaid = {*set(settings[0]).intersection(*settings), "encoding=standard"}
    for own, recipe in zip(settings, recipes.values(), strict=True):
        yield " ".join([row, *(each for each in own if each not in unsaid)]), recipe


def with_recipes(section: Mapping[str, Any], base: Mapping[str, object], path: Path) -> dict[str, Any]:
    """The section with a recipe for every row of its portfolio; `common` holds what all rows share.

    Raises:
        InputError: a row is none, or sets what is unknown or out of range.
    """
    rest = {name: value for name, value in section.items() if name not in ("common", "portfolio")}
    shared, rows = ({**_mapping(section, name, path)} for name in ("common", "portfolio"))
    check_names(rows, path, "champion.portfolio")
    portfolio = {
        name: expand(Recipe, row, {**base, **shared}, path, f"champion.portfolio.{name}", name)
        for name, row in rows.items()
    }
    return {**rest, "portfolio": portfolio}


def _mapping(section: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    given = section.get(name, {})
    if not isinstance(given, dict):
        raise InputError(f"{path}: champion.{name}: must be a mapping of names, got {given!r}")
    return given


def with_steps(point: Point, rows: int, *, least: int) -> Point:
    """A point that trains so many steps at least on so many rows."""
    steps = ceil(rows / point.batch_size)
    return point.model_copy(update={"epochs": max(point.epochs, ceil(least / steps))})
